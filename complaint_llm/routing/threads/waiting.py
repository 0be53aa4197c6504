"""How a thread waits here: for a time, for a wake-up, or for its turn. Tests pass waiters of their own."""

from __future__ import annotations

import _thread
import math
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.call import CancelToken, Clock
    from complaint_llm.routing.target import AnyRequest

FOREVER = math.inf
BRIEF = 1.0
"""Seconds for which one backend may hold a call up while another could be asked."""
_SHORTEST = 1e-6


class Waiter:
    """One thread waits, any thread wakes it; a wake-up that comes first is not lost."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> None:
        """Return when woken or after ``seconds``."""
        self._lock.acquire(True, min(seconds, threading.TIMEOUT_MAX) if seconds > 0 else 0)

    def wake(self) -> None:
        """Let the waiting thread go on; waking twice is waking once."""
        try:
            self._lock.release()
        except RuntimeError:
            pass  # not held: it was woken already


def cancellable_sleep(seconds: float, cancel: CancelToken) -> None:
    """Sleep; return early when ``cancel`` is cancelled."""
    waiter = Waiter()
    wake = waiter.wake
    cancel.attach(wake)
    try:
        waiter.wait(seconds)
    finally:
        cancel.detach(wake)


class Turnstile:
    """Lets threads through one after the other, first come first served, as soon as what they need is free.

    Any thread may call it. ``lock`` guards the queue and the state that ``take`` functions change; it is never held
    while a thread waits.
    """

    __slots__ = ("_clock", "_make_waiter", "_queue", "lock")

    def __init__(self, clock: Clock, make_waiter: Callable[[], Waiter] = Waiter) -> None:
        self.lock = threading.Lock()
        self._clock = clock
        self._make_waiter = make_waiter
        self._queue: deque[Waiter] = deque()

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._queue)

    def enter(self, take: Callable[[], float], request: AnyRequest, max_queue_wait: float) -> float:
        """Call ``take`` under the lock until it returns 0.0 (taken), or give up; returns 0.0 or the wait that is left.

        ``take`` returns the seconds after which it is worth asking again (FOREVER: when ``notify`` is called). Gives
        up at once where that is longer than ``max_queue_wait`` or the request's deadline allow, or it is cancelled.
        """
        waiter: Waiter | None = None
        try:
            with self.lock:
                behind = bool(self._queue)
                wait = FOREVER if behind else take()
                if not wait:
                    return 0.0
                max_queue_wait = min(max_queue_wait, request.deadline.remaining())
                if max_queue_wait <= 0 or (wait > max_queue_wait and wait != FOREVER):
                    return wait
                waiter = self._make_waiter()
                self._queue.append(waiter)
            request.cancel.attach(waiter.wake)
            return self._wait(waiter, take, wait, give_up=self._clock() + max_queue_wait, cancel=request.cancel)
        finally:
            # Also when an exception (KeyboardInterrupt) ends the wait: whoever is next must not wait for us.
            if waiter is not None:
                request.cancel.detach(waiter.wake)
                self._leave(waiter)

    def notify(self) -> None:
        """Something was given back: let the first in the queue look again. Call it with the lock held."""
        if self._queue:
            self._queue[0].wake()

    def forget(self) -> None:
        """In a forked child: nobody waits here, and the lock may have been held by a thread that is not here."""
        self.lock = threading.Lock()
        self._queue.clear()

    def _wait(
        self, waiter: Waiter, take: Callable[[], float], wait: float, give_up: float, cancel: CancelToken
    ) -> float:
        while True:
            waiter.wait(max(_SHORTEST, min(wait, give_up - self._clock())))
            with self.lock:
                if self._queue[0] is waiter and not cancel.cancelled:
                    wait = take()
                    if not wait:
                        return 0.0
                left = give_up - self._clock()
                if cancel.cancelled or left <= 0 or (wait > left and wait != FOREVER):
                    return wait

    def _leave(self, waiter: Waiter) -> None:
        with self.lock:
            if waiter in self._queue:
                self._queue.remove(waiter)
            self.notify()
