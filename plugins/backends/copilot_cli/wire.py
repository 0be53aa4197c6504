"""What ``copilot --output-format json`` writes: a JSON object a line, and usage into a file. Pure.

Read in Copilot 1.0.102. Without authentication it writes plain text instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.backends import Failure, WireError
from complaint_llm.backends.wire import (
    UsageReader,
    as_count,
    as_optional_object,
    as_text,
    last_message,
    load_json,
    object_lines,
)
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ContextLengthError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
)
from complaint_llm.messages import InferenceOutput, TokenUsage

_KINDS: Mapping[str, type[BackendError]] = {
    "authentication": AuthenticationError,
    "authorization": PermissionDeniedError,
    "rate_limit": RateLimitError,
    "quota": QuotaExceededError,
    "context_limit": ContextLengthError,
}
"""Copilot's own names of errors, where it gives no status."""


def decode(stdout: bytes, usage: bytes) -> InferenceOutput | Failure | None:
    """The answer or the error; None if the program ended with neither. Raises ResponseFormatError.

    Why the model stopped is not told: ``finish_reason`` is None.
    """
    said: list[str] = []
    model = ""
    ended = False
    for event in object_lines(stdout, "copilot"):
        data = as_optional_object(event.get("data"), "data")
        kind = event.get("type")
        if kind == "assistant.message":
            content = as_text(data.get("content"), "assistant.message.content")
            model = as_text(data.get("model"), "assistant.message.model") or model
            if content:
                said.append(content)
        elif kind == "session.error":
            return _failure(data)
        elif kind == "result":
            ended = as_count(event.get("exitCode"), "result.exitCode") == 0
    if not ended:
        return None
    return last_message(said).output()._replace(token_usage=_usage(usage), model=model)


def _failure(data: Mapping[str, Any]) -> Failure:
    message = as_text(data.get("message"), "session.error.message")
    code = as_text(data.get("errorType"), "session.error.errorType")
    status = data.get("statusCode")
    if type(status) is int:
        return Failure(status, WireError(message, code or None))
    return Failure(None, WireError(message, code or None, _KINDS.get(code)))


def _usage(written: bytes) -> TokenUsage:
    """The tokens of all models in the usage file; nothing where it was not written or cannot be read."""
    try:
        report = load_json(written or b"{}")
    except ValueError:
        return TokenUsage()
    metrics = UsageReader(report).fields("modelMetrics").values()
    rows = [UsageReader(UsageReader(each).fields("usage")) for each in metrics]
    if not rows:
        return TokenUsage()
    prompt, completion, cached = (
        sum(row.count(name) or 0 for row in rows) for name in ("inputTokens", "outputTokens", "cacheReadTokens")
    )
    if any(row.odd for row in rows):
        return TokenUsage()
    return TokenUsage(prompt, completion, prompt + completion, cached)
