"""How much is under way: the one place where the threads of a batch meet.

A ``Flow`` is a monitor: one lock, which guards every attribute and is never held over I/O or foreign code, and two
conditions. The feeder waits in ``admit`` for room, the consumer in ``take`` for news. What ends a batch is state, not a
message, so an interrupt at any moment can lose no wake-up.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from complaint_llm.batch.input.items import BatchResult
    from complaint_llm.batch.journal.spans import ItemSpan


_LOOK = 1.0
"""Seconds after which those who wait look whether a thread has died. Where all is well they are woken before."""


class BrokenThread:
    """What a thread that could not go on leaves behind: some item will never be heard of. To set ``error`` takes no
    memory and no lock, because memory is what it lacked; whoever waits looks at it once in a while."""

    error: BaseException | None = None


class Flow:
    """Counts items from being read to being handed out.

    ``window`` bounds what was read and not yet handed out, ``unanswered`` what was read and not yet answered: workers
    plus what may be marked ahead of them. A feeder that had to wait is woken when there is room for ``refill`` items.
    ``broken`` is shared with whoever works for it.
    """

    def __init__(self, window: int, unanswered: int, refill: int = 1, broken: BrokenThread | None = None) -> None:
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._news = threading.Condition(self._lock)
        self._window = window
        self._unanswered_limit = unanswered
        self._refill = refill
        self._results: deque[BatchResult | ItemSpan] = deque()
        self._in_window = 0  # read, not yet handed out
        self._unanswered = 0  # read, not yet answered
        self._undelivered = 0  # read, neither delivered nor dropped
        self._closed = False  # nothing more is read
        self._stopped = False  # nothing more is sent
        self._error: BaseException | None = None
        self._broken = BrokenThread() if broken is None else broken

    # -- the feeder

    def admit(self) -> bool:
        """Wait until one more item may be read. False: read no more."""
        with self._lock:
            if self._free() < 1:
                while not self._closed and self.fault is None and self._free() < self._refill:
                    self._room.wait(_LOOK)
            return not self._closed and self.fault is None

    def enter(self, count: int = 1) -> bool:
        """Count what was just read. False: the batch was stopped meanwhile, it is not part of it."""
        with self._lock:
            if self._closed:
                return False
            self._in_window += count
            self._unanswered += count
            self._undelivered += count
            return True

    def end(self, error: BaseException | None = None) -> None:
        """The input has no more items, or failed with ``error``; what was read is finished."""
        with self._lock:
            self._closed = True
            self._error = self._error or error
            self._news.notify()

    # -- anyone

    def stop(self, error: BaseException | None = None) -> None:
        """Read no more, and send no more of what was read. Of several errors the first is kept."""
        with self._lock:
            self._closed = self._stopped = True
            self._error = self._error or error
            self._room.notify()
            self._news.notify()

    # -- workers and the journal's writer

    def count_answered(self, count: int = 1) -> None:
        """These items need no worker any more."""
        with self._lock:
            self._unanswered -= count
            self._wake_feeder()

    def deliver(self, results: Iterable[BatchResult | ItemSpan], answered: int = 0) -> None:
        """Results that may be handed out, or spans of them that are counted; ``answered`` items need no worker any
        more, as in ``count_answered``."""
        with self._lock:
            if answered:
                self._unanswered -= answered
                self._wake_feeder()
            before = len(self._results)
            self._results.extend(results)
            self._undelivered -= len(self._results) - before
            self._news.notify()

    def drop(self, count: int) -> None:
        """Items that were read and will have no result: the batch was stopped before they were sent."""
        with self._lock:
            self._in_window -= count
            self._undelivered -= count
            self._wake_feeder()
            self._news.notify()

    # -- the consumer

    def take(self, timeout: float | None = None) -> BatchResult | ItemSpan | None:
        """The next result, in the order of delivery; None when nothing is left.

        It stays in the window until ``count_handed_out``. Raises TimeoutError if ``timeout`` seconds (at most
        ``_LOOK``) brought nothing.
        """
        with self._lock:
            while not self._results:
                if self.fault is not None or (self._closed and self._undelivered <= 0):
                    return None
                if not self._news.wait(timeout or _LOOK) and timeout is not None:
                    raise TimeoutError
            return self._results.popleft()

    def count_handed_out(self) -> None:
        """A result that was taken left the window."""
        with self._lock:
            self._in_window -= 1
            self._wake_feeder()

    def _free(self) -> int:
        return min(self._window - self._in_window, self._unanswered_limit - self._unanswered)

    def _wake_feeder(self) -> None:
        if self._free() >= self._refill:
            self._room.notify()

    # -- state

    @property
    def fault(self) -> BaseException | None:
        """What a thread that could not go on left behind; see ``BrokenThread``."""
        return self._broken.error

    @fault.setter
    def fault(self, error: BaseException) -> None:
        self._broken.error = error

    @property
    def error(self) -> BaseException | None:
        """What ended the batch before its input did."""
        with self._lock:
            return self._error

    @property
    def stopped(self) -> bool:
        """Nothing more is sent."""
        with self._lock:
            return self._stopped

    @property
    def settled(self) -> bool:
        """Nothing more is read, and everything read was delivered or dropped."""
        with self._lock:
            return self.fault is not None or (self._closed and self._undelivered <= 0)
