"""What an answer without an answer is: empty, blank, or all beside it."""

from __future__ import annotations

from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.messages import InferenceOutput

MORE = "raise max_tokens, or lower reasoning_effort or thinking_budget"


def check_answered(output: InferenceOutput, model: str | None = None) -> InferenceOutput:
    """The output itself. Raises ResponseFormatError, which says why and what to do and has the usage, if it has neither
    text nor tool call; a paused answer goes on with the next turn and may have none yet. ``model`` is the one asked."""
    if output.tool_calls or output.finish_reason == "paused" or output.content.strip():
        return output
    error = ResponseFormatError(_why(output), model=model)
    error.token_usage = output.token_usage if output.token_usage.total_tokens else None
    raise error


def _why(output: InferenceOutput) -> str:
    usage = output.token_usage
    reasoned = bool(output.reasoning or usage.reasoning_tokens)
    if output.finish_reason == "length":
        spent = f" ({usage.completion_tokens} completion tokens)" if usage.completion_tokens else ""
        if reasoned:
            return f"the answer is empty: all tokens went into thinking{spent}: {MORE}"
        return f"the answer is empty: it was cut before its first text{spent}: raise max_tokens"
    if output.metadata.get("commentary"):
        return "the answer is commentary alone, without a final answer or a tool call: ask again"
    if reasoned:
        return f"the answer is empty: the model gave its thinking alone: {MORE}"
    said = output.finish_reason or output.metadata.get("finish_reason")
    return f"the answer is empty (finish reason {said})" if said else "the answer is empty"
