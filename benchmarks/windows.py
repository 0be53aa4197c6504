"""How many admissions lie in any window of a time, and whether that keeps a limit and uses it up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Finding(NamedTuple):
    """The most and the fewest admissions in any window of a phase; ``least`` None where no limit need be used up."""

    phase: str
    most: int
    at_most: int
    least: int | None = None
    stalled: bool = False
    """Whether a process was not let run meanwhile, so that ``least`` says nothing."""

    def holds(self, enough: int) -> bool:
        return self.most <= self.at_most and (self.least is None or self.stalled or self.least >= enough)

    def line(self, enough: int) -> str:
        wanted = "a process was not let run" if self.stalled else f"at least {enough}"
        fewest = "" if self.least is None else f", fewest {self.least} ({wanted})"
        good = "ok  " if self.holds(enough) else "FAIL"
        return f"{good}  {self.phase}: most {self.most} (at most {self.at_most}){fewest}"


def most_in_any(times: Sequence[int], window: int) -> int:
    """The most of the sorted ``times`` in any half-open window."""
    return max((bisect_left(times, at + window) - place for place, at in enumerate(times)), default=0)


def fewest_in_any(times: Sequence[int], window: int, begin: int, end: int) -> int:
    """The fewest of the sorted ``times`` in any window that begins at ``begin`` or later and ends by ``end``."""
    # The count falls only where a window's beginning passes an admission: those positions are all that matter.
    after = [at for at in times if begin <= at <= end - window]
    counts = [bisect_right(times, at + window) - bisect_right(times, at) for at in after]
    return min([bisect_left(times, begin + window) - bisect_left(times, begin), *counts])
