"""An amount per time that is kept in every window, wherever the window begins."""

from __future__ import annotations

from collections import deque


class WindowEntry:
    """What one admission took, and when."""

    __slots__ = ("amount", "at")

    def __init__(self, at: float, amount: int) -> None:
        self.at = at
        self.amount = amount


class Window:
    """At most ``limit`` in any ``length`` seconds, by a log of what was taken: exact, where fixed windows let twice
    the limit through at their edge and token buckets do so after a pause.

    It has no lock: its owner guards it.
    """

    __slots__ = ("_log", "_taken", "length", "limit")

    def __init__(self, limit: int, length: float) -> None:
        self.limit = limit
        self.length = length
        self._log: deque[WindowEntry] = deque()
        self._taken = 0

    def usage(self, now: float) -> int:
        """What is taken in the window that ends now."""
        log = self._log
        while log and now - log[0].at >= self.length:
            self._taken -= log.popleft().amount
        return self._taken

    def wait(self, amount: int, now: float) -> float:
        """Seconds until ``amount`` is free, 0.0 if it is. More than the limit waits for an empty window."""
        over = self.usage(now) + min(amount, self.limit) - self.limit
        if over <= 0:
            return 0.0
        for entry in self._log:
            over -= entry.amount
            if over <= 0:
                # Not below the smallest step of the clock at ``now``, or the wait would round to nothing.
                return max(entry.at + self.length - now, 1e-6)
        return self.length

    def take(self, amount: int, now: float) -> WindowEntry:
        """Write down that ``amount`` is taken now. Ask ``wait`` first."""
        entry = WindowEntry(now, min(amount, self.limit))
        self._log.append(entry)
        self._taken += entry.amount
        return entry

    def correct(self, entry: WindowEntry, amount: int, now: float) -> None:
        """It was ``amount`` after all. An entry that has left the window changes nothing."""
        if now - entry.at < self.length and self.usage(now) >= 0:
            self._taken += amount - entry.amount
            entry.amount = amount
