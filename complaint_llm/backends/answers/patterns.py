"""Regular expressions from outside, searched for within a deadline while other threads go on.

``re`` holds the interpreter's lock while it searches, and some expressions take it years on thirty letters. The engine
here lets go of the lock and gives up by itself; it understands what ``re`` does, and more of what JSON Schema's dialect
has (``\\p{L}``, ``(?<name>...)``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from complaint_llm.exceptions import BackendTimeoutError
from complaint_llm.routing.threads.worker import run_abandonable

if TYPE_CHECKING:
    from complaint_llm.call import CancelToken, Deadline

_AT_ONCE = 0.05
"""Seconds of CPU that a search gets in the caller's own thread; nearly every search needs microseconds."""


def compile_pattern(pattern: str) -> None:
    """Raises ValueError where ``pattern`` is no regular expression."""
    import regex  # cold start

    try:
        _compile(pattern)
    except (regex.error, RecursionError, OverflowError) as cause:
        raise ValueError(str(cause)) from cause


def is_found(pattern: str, text: str, deadline: Deadline, cancel: CancelToken) -> bool:
    """Whether ``pattern`` is found in ``text``. Raises BackendTimeoutError at the deadline, or CancelledError.

    The engine's own limit counts CPU, not time, so a long search runs where it can be left behind; it ends soon after.
    """
    expression = _compile(pattern)
    found = _search(expression, text, _AT_ONCE)
    if found is None:
        left = max(deadline.remaining(), _AT_ONCE)
        found = run_abandonable(lambda: _search(expression, text, left), deadline, cancel, "pattern")
    if found is None:
        raise BackendTimeoutError("a pattern of the schema was not decided before the deadline", maybe_received=True)
    return found


def _search(expression: Any, text: str, seconds: float) -> bool | None:
    """Whether it is found; None where ``seconds`` of this process' CPU did not suffice to tell."""
    try:
        return expression.search(text, timeout=seconds) is not None
    except TimeoutError:
        return None


@lru_cache(maxsize=256)
def _compile(pattern: str) -> Any:
    import regex  # cold start

    return regex.compile(pattern)
