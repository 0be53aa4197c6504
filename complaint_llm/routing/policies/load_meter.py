"""How busy and how quick a backend is: what ``least_loaded`` and ``lowest_latency`` go by."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from complaint_llm.routing.target import LoadWatcher

FRESH = 0.2
"""Weight of the newest answer in the average: after 10 answers a tenth of the old value is left."""


class Meter:
    """Counts attempts under way and averages the seconds of answers. Any thread may call it; it admits everything.

    As the first policy it also counts attempts that wait for a limit. Failures do not enter the average: a backend
    that refuses quickly is not a quick backend. Watchers are called without the lock.
    """

    __slots__ = ("__weakref__", "_lock", "_watchers", "in_flight", "latency")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: tuple[weakref.ref[LoadWatcher], ...] = ()
        self.in_flight = 0
        self.latency: float | None = None
        reset_in_child(self)

    def watch(self, watcher: LoadWatcher) -> None:
        """Call ``watcher.load_changed()`` after each change for as long as somebody else keeps it alive."""
        with self._lock:
            self._watchers = (*(each for each in self._watchers if each() is not None), weakref.ref(watcher))

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        """Count one more."""
        with self._lock:
            self.in_flight += 1
        if self._watchers:
            self._notify()
        return self

    def settle(self, outcome: Outcome) -> None:
        """Count one less; remember how long an answer took."""
        with self._lock:
            self.in_flight -= 1
            if outcome.output is not None:
                last = outcome.seconds
                self.latency = last if self.latency is None else self.latency + FRESH * (last - self.latency)
        if self._watchers:
            self._notify()

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """Always ready."""
        average = "no answer yet" if self.latency is None else f"answers in {self.latency:.2f} s on average"
        return PolicyState("load", f"{self.in_flight} under way, {average}")

    def after_fork(self) -> None:
        """What was under way belongs to the parent."""
        self._lock = threading.Lock()
        self.in_flight = 0

    def _notify(self) -> None:
        for each in self._watchers:
            watcher = each()
            if watcher is not None:
                watcher.load_changed()
