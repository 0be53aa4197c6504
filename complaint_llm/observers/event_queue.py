"""Hands events to observers on a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence

from complaint_llm.observers.observer import METHODS, Event, Observer
from complaint_llm.routing.threads.fork import reset_in_child

MOST_WAITING = 10_000
"""Events that wait at most; further ones are discarded and counted."""

_log = logging.getLogger("complaint_llm.observers")


class EventQueue:
    """Events on their way to observers. Any thread may ``put``; it never waits and never raises.

    The thread starts with the first event. ``close`` waits ``wait`` seconds at most for what is left to be told.
    A forked child has an empty queue and a thread of its own.
    """

    def __init__(self, observers: Sequence[tuple[str, Observer]], *, most: int = MOST_WAITING) -> None:
        self._observers = tuple(observers)
        self._most = most
        self._failed: set[tuple[str, type]] = set()
        self._closed = False
        self.after_fork()
        reset_in_child(self)

    def put(self, *events: Event) -> None:
        """Let the observers know, soon."""
        if len(self._waiting) + len(events) > self._most or self._closed:
            self.discarded += len(events)
            return
        self._waiting.extend(events)
        if self._thread is None:
            self._start()
        self._news.set()

    def close(self, wait: float = 5.0) -> None:
        """Tell what is left, then close each observer. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._news.set()
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
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._tell_all, name="complaint_llm observers", daemon=True)
                self._thread.start()

    def _tell_all(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            while self._waiting:
                self._tell(self._waiting.popleft())
            if self._closed and not self._waiting:
                return

    def _tell(self, event: Event) -> None:
        for name, observer in self._observers:
            try:
                METHODS[type(event)](observer)(event)
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - an observer changes nothing
                known = (name, type(fault))
                if known not in self._failed:
                    self._failed.add(known)
                    _log.warning("observer %r failed (%s); calls go on without it", name, type(fault).__name__)
