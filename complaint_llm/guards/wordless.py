"""What a guard raised, as a cause that may be printed: its message may hold the client's words, so it is left out."""

from __future__ import annotations

from complaint_llm.guards.detector import DetectorError


class GuardFaultError(Exception):
    """What a guard or its detector raised: the class by its name, and the place; no words but our own."""


def without_words(fault: BaseException) -> GuardFaultError:
    """The same without messages and notes, and so each of its causes."""
    name = type(fault).__name__
    made = GuardFaultError(f"{name}: {fault}" if isinstance(fault, DetectorError) else name)
    made = made.with_traceback(fault.__traceback__)
    before = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    made.__cause__ = None if before is None else without_words(before)
    return made
