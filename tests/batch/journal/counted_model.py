"""A model whose calls are counted, and its answers at a glance."""

from __future__ import annotations

from complaint_llm.exceptions import ServerError
from complaint_llm.messages import InferenceOutput, TokenUsage


class Model:
    """Answers, counts what it was asked, and fails where it is told to."""

    def __init__(self, *fails, error=None):
        self.fails = set(fails)
        self.error = error or ServerError("broken", backend="b")
        self.asked = []

    def __call__(self, prompt, params):
        self.asked.append(prompt)
        if prompt in self.fails:
            raise self.error
        return InferenceOutput(f"<{prompt}>", backend="b", token_usage=TokenUsage(2, 1, 3))


def texts(results):
    return {r.prompt: r.output.content if r.output else None for r in results}
