"""Hands events to observers on a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence

from complaint_llm.observers.observer import METHODS, Event, Observer
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import FOREVER, Waiter

MOST_WAITING = 10_000
"""Events that wait at most; further ones are discarded and counted."""
_GATHER = 0.005
"""Seconds for which events gather while calls go on: waking a thread for each would cost their callers more."""

_log = logging.getLogger("complaint_llm.observers")


class EventQueue:
    """Events on their way to observers. Any thread may ``put``, a finalizer too; it never waits and never raises.

    The thread starts with the first event. ``close`` waits ``wait`` seconds at most for what is left to be told.
    A forked child has an empty queue and a thread of its own.
    """

    def __init__(self, observers: Sequence[tuple[str, Observer]], *, most: int = MOST_WAITING) -> None:
        self._observers = tuple(observers)
        self._most = most
        self._failed: set[tuple[str, type]] = set()
        self._closed = False
        self._asleep = False
        self.after_fork()
        reset_in_child(self)

    def put(self, *events: Event) -> None:
        """Let the observers know, soon."""
        if self._closed or len(self._waiting) + len(events) > self._most:
            self.discarded += len(events)
            return
        self._waiting.extend(events)
        if self._asleep:
            self._asleep = False
            self._waiter.wake()
        elif self._thread is None:
            self._start()

    def close(self, wait: float = 5.0) -> None:
        """Tell what is left, then close each observer. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._waiter.wake()
        if self._thread is not None:
            self._thread.join(wait)
        if self.discarded:
            _log.warning("%d events were discarded: an observer was too slow", self.discarded)
        for name, observer in self._observers:
            try:
                observer.close()
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - the others are closed too
                _log.warning("observer %r could not be closed: %s", name, type(fault).__name__)

    def after_fork(self) -> None:
        """What waits is the parent's, who tells it."""
        self.discarded = 0
        self._waiting: deque[Event] = deque()
        self._waiter = Waiter()
        self._asleep = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def _start(self) -> None:
        # Who finds it taken is not the first: that one starts it, and may be this very thread, below a finalizer.
        if self._thread is not None or not self._starting.acquire(blocking=False):
            return
        try:
            thread = threading.Thread(target=self._tell_all, name="complaint_llm observers", daemon=True)
            thread.start()
            self._thread = thread
        except RuntimeError:
            return  # the interpreter ends, or has no thread left: the next event tries again
        finally:
            self._starting.release()

    def _tell_all(self) -> None:
        while True:
            if self._waiting:
                while self._waiting:
                    self._tell(self._waiting.popleft())
                self._waiter.wait(_GATHER)
                continue
            if self._closed:
                return
            # First the sign, then a last look: whoever puts an event looks for the sign after it.
            self._asleep = True
            if not self._waiting and not self._closed:
                self._waiter.wait(FOREVER)
            self._asleep = False

    def _tell(self, event: Event) -> None:
        for name, observer in self._observers:
            try:
                METHODS[type(event)](observer)(event)
            except BaseException as fault:  # noqa: BLE001 - on this thread nobody interrupts: it is the observer's own
                known = (name, type(fault))
                if known not in self._failed:
                    self._failed.add(known)
                    _log.warning("observer %r failed (%s); calls go on without it", name, type(fault).__name__)
