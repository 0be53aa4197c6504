"""At most so many attempts at one time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from complaint_llm.routing.attempts import full
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import FOREVER, Turnstile, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.call import Clock

LOOK_AGAIN = 0.05
"""Seconds between two looks whether an abandoned worker has returned: nobody tells."""


class Concurrency:
    """At most ``limit`` attempts under way; the others wait their turn, first come first served.

    ``still_running`` counts workers that were abandoned and have not returned: each keeps its place until it does.
    Any thread may call it. The turnstile's lock guards the count and is not held while a thread waits.
    """

    __slots__ = ("__weakref__", "_busy", "_gate", "_limit", "_still_running")

    def __init__(
        self,
        limit: int,
        clock: Clock = time.monotonic,
        make_waiter: Callable[[], Waiter] = Waiter,
        still_running: Callable[[], int] | None = None,
    ) -> None:
        self._limit = limit
        self._still_running = still_running
        self._busy = 0
        self._gate = Turnstile(clock, make_waiter)
        reset_in_child(self)

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        """Take a place, or raise RateLimitError when none came free in time."""
        if self._gate.enter(self._take, request, max_queue_wait):
            raise full(f"{self._limit} requests are under way, as many as max_concurrency allows", FOREVER)
        return self

    def settle(self, outcome: Outcome) -> None:
        """Free the place."""
        with self._gate.lock:
            self._busy = max(0, self._busy - 1)
            self._gate.notify()

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """How many places are taken."""
        busy = self._busy + self._abandoned_workers()
        return PolicyState("concurrency", f"{busy} of {self._limit} under way", busy < self._limit)

    def after_fork(self) -> None:
        """What was under way belongs to the parent."""
        self._gate.forget()
        self._busy = 0

    def _take(self) -> float:
        if self._busy >= self._limit:
            return FOREVER
        if self._busy + self._abandoned_workers() >= self._limit:
            return LOOK_AGAIN
        self._busy += 1
        return 0.0

    def _abandoned_workers(self) -> int:
        return 0 if self._still_running is None else self._still_running()
