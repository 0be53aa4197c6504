"""How busy the members of a group are together, kept as it changes: nobody who asks has to look at each."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from collections.abc import Iterable

    from complaint_llm.routing.target import Load, LoadWatcher


class _Part:
    """One member's part of the load, as it was when it was last looked at."""

    __slots__ = ("__weakref__", "_group_load", "in_flight", "latency", "load")

    def __init__(self, group_load: GroupLoad, load: Load) -> None:
        self._group_load = group_load
        self.load = load
        self.in_flight = 0
        self.latency: float | None = None

    def load_changed(self) -> None:
        self._group_load.look_again(self)


class GroupLoad:
    """The load of several: attempts under way at all of them, and the average of those that answered yet.

    Loads that cannot be watched are looked at when they are asked for. Any thread may call it; watchers are called
    without the lock.
    """

    def __init__(self, loads: Iterable[Load]) -> None:
        self._lock = threading.Lock()
        self._parts = [_Part(self, load) for load in loads]
        self._unwatched = [part for part in self._parts if getattr(part.load, "watch", None) is None]
        self._watchers: tuple[weakref.ref[LoadWatcher], ...] = ()
        self._begin()
        for part in self._parts:
            watch = getattr(part.load, "watch", None)
            if watch is not None:
                watch(part)
        if not self._unwatched:
            self.watch = self._watch
        reset_in_child(self)

    @property
    def in_flight(self) -> int:
        """Attempts under way."""
        for part in self._unwatched:
            self.look_again(part)
        return self._in_flight

    @property
    def latency(self) -> float | None:
        """In seconds."""
        for part in self._unwatched:
            self.look_again(part)
        with self._lock:
            return self._seconds / self._answered if self._answered else None

    def look_again(self, part: _Part) -> None:
        """A member's load changed."""
        with self._lock:
            self._take(part)
        for each in self._watchers:
            watcher = each()
            if watcher is not None:
                watcher.load_changed()

    def after_fork(self) -> None:
        """The lock may have been held, and loads are others in the child."""
        self._lock = threading.Lock()
        self._begin()

    def _watch(self, watcher: LoadWatcher) -> None:
        """See ``Load``."""
        with self._lock:
            self._watchers = (*(each for each in self._watchers if each() is not None), weakref.ref(watcher))

    def _begin(self) -> None:
        self._in_flight = self._answered = 0
        self._seconds = 0.0
        for part in self._parts:
            part.in_flight, part.latency = 0, None
            self._take(part)

    def _take(self, part: _Part) -> None:
        in_flight, latency = part.load.in_flight, part.load.latency
        self._in_flight += in_flight - part.in_flight
        if latency is not None:
            self._answered += part.latency is None
            self._seconds += latency - (part.latency or 0.0)
        part.in_flight, part.latency = in_flight, latency
