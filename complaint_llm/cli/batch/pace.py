"""How far a batch is, and how long the rest will take at the pace of this run alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_BAR = (8, 30)
"""The fewest and the most columns of a bar."""


class Pace(NamedTuple):
    """``done`` of ``total`` items (None: not known) have a result; ``recorded`` of those came from the journal, and
    ``recorded_ahead`` more will. ``seconds`` passed since this run began to ask. ``cost`` in US dollars, None where it
    is not known."""

    total: int | None
    done: int = 0
    recorded: int = 0
    recorded_ahead: int = 0
    failed: int = 0
    seconds: float = 0.0
    cost: float | None = None

    @property
    def left(self) -> int | None:
        """Items without a result."""
        return None if self.total is None else max(0, self.total - self.done)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that what is still to be asked takes as this run asked until now; None before its first result."""
        asked = self.done - self.recorded
        if self.left is None or asked <= 0:
            return None
        return self.seconds / asked * max(0, self.left - self.recorded_ahead)


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 05 min``: rounded up, as one waits for the whole of it."""
    if seconds < 60:
        return f"{-int(-seconds // 1)} s"
    minutes = -int(-seconds // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02} min"


def status_line(pace: Pace, columns: int) -> str:
    """The line of a terminal of so many columns. It leaves the last one free, so that no terminal begins a new line."""
    room = columns - 1
    count = f"{pace.done:,} done" if pace.total is None else f"{pace.done:,}/{pace.total:,}"
    if len(count) > room:  # a number that is cut off is another number
        count = f"{100 * pace.done // pace.total}%" if pace.total else ""
    time = "" if pace.seconds_left is None or not pace.left else f"{duration(pace.seconds_left)} left"
    failed = f"{pace.failed:,} failed" if pace.failed else ""
    cost = "" if pace.cost is None else f"${pace.cost:.2f}"
    shown = _fitting((count, failed, time, cost), (0, 2, 1, 3), room)
    line = "  ".join(shown)
    width = min(_BAR[1], room - len(line) - 4)
    if pace.total and width >= _BAR[0]:
        full = min(width, pace.done * width // pace.total)
        line = f"[{'#' * full}{'.' * (width - full)}]  {line}"
    return line


def _fitting(parts: Sequence[str], by_weight: Sequence[int], room: int) -> list[str]:
    """The parts that fit beside each other, the weightiest first, in their order."""
    chosen: set[int] = set()
    used = 0
    for place in by_weight:
        needed = len(parts[place]) + (2 if chosen else 0)
        if not parts[place]:
            continue
        if used + needed > room:
            break
        chosen.add(place)
        used += needed
    return [part for place, part in enumerate(parts) if place in chosen]
