"""A clock for tests of deadlines, which holds at any load: it stands while the machine gives this process no time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SteadyClock = Callable[[], float]

BEAT = 0.005
MOST = 0.02
"""What a beat counts at most, in seconds: a longer one is a time in which others had the cores."""


@contextmanager
def running_clock() -> Iterator[SteadyClock]:
    """Seconds as a thread counts them that only sleeps.

    On a quiet machine they are those of the wall. On a busy one whatever waits is woken late, this clock too, and what
    it missed it does not count: who keeps a deadline keeps it by this clock, and who waits longer than that is seen to.
    It never counts more than the wall's, and does not show for how long the interpreter's lock was held.
    """
    passed = 0.0
    stop = threading.Event()

    def count() -> None:
        nonlocal passed
        last = time.monotonic()
        while not stop.wait(BEAT):
            now = time.monotonic()
            passed += min(now - last, MOST)
            last = now

    thread = threading.Thread(target=count, name="steady clock")
    thread.start()
    try:
        yield lambda: passed
    finally:
        stop.set()
        thread.join()
