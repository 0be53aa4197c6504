"""What ``codex exec --json`` writes: a JSON object a line. Pure.

Read in Codex 0.169. An ``error`` line is not final ("Reconnecting... 1/5"); ``turn.failed`` is. It carries a message
alone, so the status is read where Codex itself puts it (codex-rs, error.rs).
"""

from __future__ import annotations

import re
from typing import Any

from complaint_llm.backends import Failure, WireError
from complaint_llm.backends.wire import UsageReader, as_object, as_text, last_message, object_lines, token_usage_of
from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendError,
    ContextLengthError,
    InvalidRequestError,
    QuotaExceededError,
    ServerError,
)
from complaint_llm.messages import InferenceOutput, TokenUsage

_STATUS = re.compile(r"(?:unexpected status|exceeded retry limit, last status:) ([1-5]\d\d)\b")

# Codex's own sentences, which are constants of it and not a provider's wording.
_SENTENCES: dict[str, type[BackendError]] = {
    "Codex ran out of room in the model's context window": ContextLengthError,
    "Quota exceeded.": QuotaExceededError,
    "You've hit your usage limit": QuotaExceededError,
    "We're currently experiencing high demand": ServerError,
    "stream disconnected before completion": BackendConnectionError,
    # The API's error body, which Codex hands on for a status of 400 alone.
    "{": InvalidRequestError,
    "To use Codex with your ChatGPT plan": QuotaExceededError,
}


def decode(stdout: bytes) -> InferenceOutput | Failure | None:
    """The answer or the error; None if the program ended before the turn did. Raises ResponseFormatError."""
    said: list[str] = []
    thought: list[str] = []
    for event in object_lines(stdout, "codex"):
        kind = event.get("type")
        if kind == "item.completed":
            item = as_object(event.get("item"), "item")
            if item.get("type") == "agent_message":
                said.append(as_text(item.get("text"), "item.text"))
            elif item.get("type") == "reasoning":
                thought.append(as_text(item.get("text"), "item.text"))
        elif kind == "turn.failed":
            return _failure(as_text(as_object(event.get("error"), "error").get("message"), "error.message"))
        elif kind == "turn.completed":
            answer = last_message(said)
            for each in thought[:1] + ["\n\n" + more for more in thought[1:]]:
                answer.reasoning(each)
            answer.usage = _usage(event)
            return answer.output()._replace(finish_reason="stop")
    return None


def _usage(event: dict[str, Any]) -> TokenUsage:
    usage = UsageReader(event.get("usage"))
    return token_usage_of(
        usage,
        usage.count("input_tokens"),
        usage.count("output_tokens"),
        cached=usage.count("cached_input_tokens"),
        reasoning=usage.hint("reasoning_output_tokens"),
        written=usage.count("cache_write_input_tokens"),
    )


def _failure(message: str) -> Failure:
    found = _STATUS.match(message)
    if found is not None:
        return Failure(int(found[1]), WireError(message))
    kinds = (kind for sentence, kind in _SENTENCES.items() if message.startswith(sentence))
    return Failure(None, WireError(message, kind=next(kinds, None)))
