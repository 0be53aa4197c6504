"""What ``claude -p --output-format json`` writes: one JSON object. Pure.

Read in Claude Code 2.1.197. ``is_error`` tells a failure, not ``subtype``: a refused key comes as "success".
"""

from __future__ import annotations

from typing import Any

from complaint_llm.backends import Failure, WireError
from complaint_llm.backends.wire import (
    UsageReader,
    as_text,
    load_json,
    neutral_finish_reason,
    plain_answer,
    text_or_empty,
    token_usage_of,
)
from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.messages import InferenceOutput


def load(stdout: bytes) -> dict[str, Any] | None:
    """The result; None where the program ended without one. Raises ResponseFormatError if it is none."""
    if not stdout.strip().startswith(b"{"):
        return None
    try:
        result = load_json(stdout)
    except ValueError as cause:
        raise ResponseFormatError("claude wrote no valid JSON", maybe_received=True) from cause.with_traceback(None)
    if not isinstance(result, dict) or result.get("type") != "result":
        raise ResponseFormatError("claude wrote JSON that is no result", maybe_received=True)
    return result


def decode(result: dict[str, Any]) -> InferenceOutput | Failure:
    """The answer, or the error that it tells of. Raises ResponseFormatError."""
    if result.get("is_error") or result.get("subtype") != "success":
        return _failure(result)
    if result.get("num_turns") == 0:
        raise ResponseFormatError("claude asked no model: it took the prompt for a command of its own")
    return _answer(result)


def _failure(result: dict[str, Any]) -> Failure:
    status = result.get("api_error_status")
    said = result.get("result") or result.get("errors") or ""
    code = None if result.get("subtype") == "success" else as_text(result.get("subtype"), "subtype")
    return Failure(status if type(status) is int else None, WireError(str(said), code))


def _answer(result: dict[str, Any]) -> InferenceOutput:
    usage = UsageReader(result.get("usage"))
    cached = usage.count("cache_read_input_tokens")
    written = usage.count("cache_creation_input_tokens")
    fresh = usage.count("input_tokens")
    cost = result.get("total_cost_usd")
    if isinstance(cost, bool) or not isinstance(cost, (int, float)) or not 0 < cost < 1e9:
        # 0 is what it says where it does not know the model's price.
        cost = None
    models = tuple(UsageReader(result).fields("modelUsage"))
    stop = text_or_empty(result.get("stop_reason"))
    return plain_answer(
        as_text(result.get("result"), "result"),
        token_usage=token_usage_of(
            usage,
            # Anthropic's input_tokens exclude what was read from and written to the cache.
            None if fresh is None else fresh + (cached or 0) + (written or 0),
            usage.count("output_tokens"),
            cached=cached,
            written=written,
            written_1h=usage.count("ephemeral_1h_input_tokens", of=usage.fields("cache_creation")),
        ),
        finish_reason=neutral_finish_reason(stop, called=False),
        metadata={"finish_reason": stop} if stop else {},
        cost=None if cost is None else float(cost),
        model=models[0] if len(models) == 1 else "",
    )
