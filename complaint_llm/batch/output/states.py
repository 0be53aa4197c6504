"""What became of an item, in one word: what a report sorts by and an exit code counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from complaint_llm.messages import InferenceOutput

State = Literal["answered", "cut", "refused", "failed", "not_read"]
"""``cut``: the answer ends before its end (its longest length, or a turn that was paused). ``refused``: the provider's
filter would not answer. ``not_read``: the item could not be read or had nothing to read, and was never sent."""

STATES: tuple[State, ...] = ("answered", "cut", "refused", "failed", "not_read")

_BY_FINISH: Mapping[str | None, State] = {
    "length": "cut",
    "paused": "cut",
    "content_filter": "refused",
    "error": "failed",
}
_BY_ERROR: Mapping[str, State] = {
    "LineError": "not_read",
    "NothingToReadError": "not_read",
    "ContentFilterError": "refused",
}


def state_of_output(output: InferenceOutput) -> State:
    """The state of an item that has an answer."""
    return _BY_FINISH.get(output.finish_reason, "answered")


def state_of_error(described: Mapping[str, Any] | BaseException) -> State:
    """The state of an item that has an error, or the plain values of one; see ``codec.describe_error``."""
    name: Any = described.get("type") if isinstance(described, Mapping) else type(described).__name__
    code: Any = described.get("code") if isinstance(described, Mapping) else getattr(described, "code", None)
    if name == "ResponseFormatError" and code == "cut":
        return "cut"
    return _BY_ERROR.get(str(name), "failed")
