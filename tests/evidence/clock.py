"""A clock that a test sets."""

from __future__ import annotations

DAY = 24 * 3600.0


class Clock:
    """Unix seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now
