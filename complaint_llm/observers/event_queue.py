"""Hands events to observers on a thread of their own."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from complaint_llm.observers.call_end import CallEnd, CallObserver
from complaint_llm.observers.observer import METHODS, AnswerEvent, AttemptEvent, Event, Observer, RequestEvent
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import FOREVER, Waiter

MOST_WAITING = 50_000
"""Events that wait at most; further ones are discarded and counted."""
MOST_WITH_TEXTS = 1_000
"""Calls that wait with the texts of which a digest is to be made; the callers of further ones make it."""
FLUSH_AFTER = 0.5
"""Seconds from an event to the flush of those who gather."""
_GATHER = 0.1
"""Seconds for which events gather while calls go on: each time that the thread wakes, callers give way to it."""
_AT_ONCE = 1000
"""Events told between two looks at the clock."""

_log = logging.getLogger("complaint_llm.observers")


class EventQueue:
    """Events on their way to observers. Any thread may ``put``, a finalizer too; it never waits and never raises.

    Events that no observer overrides the method of are not told, and need not be made. The thread starts
    with the first event, and ends with ``close``, with the process, or when nobody has the queue any more; all that
    waits is told first. A forked child has an empty queue and a thread of its own.
    """

    def __init__(self, observers: Sequence[tuple[str, Observer]], *, most: int = MOST_WAITING) -> None:
        teller = self._teller = _Teller(tuple(observers), most)
        self.put: Callable[[Event | CallEnd], None] = teller.put
        """Let the observers know of this event, or of how a call ended, soon."""
        self.requests = bool(teller.listeners[RequestEvent])
        """Whether anybody is told of requests."""
        self.digests = any(each.digests for _, each in observers)
        """Whether anybody wants the digest of what is asked."""
        weakref.finalize(self, teller.end).atexit = False

    @property
    def discarded(self) -> int:
        """How many events were never told."""
        return self._teller.discarded

    def close(self, wait: float = 5.0) -> None:
        """Tell what is left, for as long as no observer keeps us ``wait`` seconds, then close each. Idempotent."""
        self._teller.close(wait)


class _Teller:
    """What the thread works on; it outlives the queue until all is told."""

    def __init__(self, observers: tuple[tuple[str, Observer], ...], most: int) -> None:
        self._observers = observers
        self._most = most
        self.listeners: Mapping[type, Sequence[tuple[str, Callable[[Any], object]]]] = {
            kind: [(name, method(each)) for name, each in observers if _overrides(each, method(Observer()).__name__)]
            for kind, method in METHODS.items()
        }
        self._flushing = [(name, each) for name, each in observers if _overrides(each, "flush")]
        self._counting = [(name, each) for name, each in observers if _overrides(each, "report_loss")]
        self._sole_attempts = any(each.sole_attempts for _, each in observers if _overrides(each, "attempt"))
        self._makes_events = bool(self.listeners[AttemptEvent] or self.listeners[AnswerEvent])
        self._of_calls = [(name, each) for name, each in observers if isinstance(each, CallObserver)]
        self._failed: set[tuple[str, type]] = set()
        self._closed = False
        self._observers_closed = False
        self._has_closer = False
        self._after_all = False
        self._asleep = False
        self.after_fork()
        reset_in_child(self)

    def put(self, item: Event | CallEnd) -> None:
        """Let the observers know, soon."""
        count = len(self._waiting)
        if self._closed or count >= self._most:
            self._put_late(item)
            return
        if count >= MOST_WITH_TEXTS and type(item) is CallEnd:
            item = item.without_texts()
        self._waiting.append(item)
        if self._asleep:
            self._asleep = False
            self._waiter.wake()
        elif self._thread is None:
            self._start()

    def end(self) -> None:
        """Let the thread tell what is left and close the observers; nobody waits for it."""
        self._closed = True
        self._waiter.wake()
        if self._thread is None:
            self._tell_rest()
            self._close_observers()

    def close(self, wait: float) -> None:
        """The same, and wait for it."""
        if not self._closed:
            self._has_closer = self._closed = True
            self._waiter.wake()
            self._join(wait)
            self._close_observers()

    def after_fork(self) -> None:
        """What waits is the parent's, who tells it."""
        self.discarded = 0
        self._reported = 0
        self._progress = 0
        self._flush_at = FOREVER
        self._waiting: deque[Event | CallEnd] = deque()
        self._waiter = Waiter()
        self._asleep = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def _put_late(self, item: Event | CallEnd) -> None:
        if self._after_all:
            # The process ends, and what others registered to be done then still calls.
            self._waiting.append(item)
            self._tell_rest()
        else:
            self.discarded += item.number_of_events(self._sole_attempts) if type(item) is CallEnd else 1

    def _start(self) -> None:
        # Who finds it taken is not the first: that one starts it, and may be this very thread, below a finalizer.
        if self._thread is not None or not self._starting.acquire(blocking=False):
            return
        try:
            thread = threading.Thread(target=self._tell_all, name="complaint_llm observers", daemon=True)
            thread.start()
            self._thread = thread
            at_exit(self._end_with_process)
        except RuntimeError:
            return  # the interpreter ends, or has no thread left: the next event tries again
        finally:
            self._starting.release()

    def _end_with_process(self) -> None:
        if not self._closed:
            self._has_closer = self._closed = True
            self._waiter.wake()
            self._join(5.0)
            self._after_all = True

    def _join(self, wait: float) -> None:
        """Until the thread has told all, or no event for ``wait`` seconds."""
        if self._thread is not None:
            before = -1
            while self._thread.is_alive() and before != self._progress:
                before = self._progress
                self._thread.join(wait)
            if self._thread.is_alive():
                return
        self._tell_rest()

    def _tell_rest(self) -> None:
        while self._waiting:
            self._tell_some()
        self._flush()

    def _close_observers(self) -> None:
        if self._observers_closed:
            return
        self._observers_closed = True
        atexit.unregister(self._end_with_process)
        if self.discarded:
            _log.warning("%d events were discarded: an observer was too slow", self.discarded)
        for name, observer in self._observers:
            try:
                observer.close()
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - the others are closed too
                _log.warning("observer %r could not be closed: %s", name, type(fault).__name__)

    def _tell_all(self) -> None:
        waiting, waiter = self._waiting, self._waiter
        while True:
            if waiting:
                if self._flushing and self._flush_at == FOREVER:
                    self._flush_at = monotonic() + FLUSH_AFTER
                self._tell_some()
            if monotonic() >= self._flush_at:
                self._flush()
            if len(waiting) >= _AT_ONCE:
                continue
            if self._closed and not waiting:
                break
            if waiting:
                waiter.wait(min(_GATHER, self._flush_at - monotonic()))
                continue
            # First the sign, then a last look: whoever puts an event looks for the sign after it.
            self._asleep = True
            if not waiting and not self._closed:
                waiter.wait(self._flush_at - monotonic())
            self._asleep = False
            if waiting and not self._closed:
                waiter.wait(_GATHER)
        self._flush()
        if not self._has_closer:
            self._close_observers()

    def _flush(self) -> None:
        self._flush_at = FOREVER
        missed, self._reported = self.discarded - self._reported, self.discarded
        for name, observer in self._counting if missed else ():
            try:
                observer.report_loss(missed)
            except BaseException as fault:  # noqa: BLE001 - the same
                self._report(name, fault)
        for name, observer in self._flushing:
            try:
                observer.flush()
            except BaseException as fault:  # noqa: BLE001 - the same
                self._report(name, fault)

    def _tell_some(self) -> None:
        waiting = self._waiting
        some = [waiting.popleft() for _ in range(min(len(waiting), _AT_ONCE))]
        ends: list[CallEnd] = []
        for item in some:
            if isinstance(item, CallEnd):
                ends.append(item)
                for event in item.events(self._sole_attempts) if self._makes_events else ():
                    self._tell(event)
            else:
                self._tell(item)
        # After the events, in which the calls got their names.
        for name, observer in self._of_calls if ends else ():
            try:
                observer.calls(ends)
            except BaseException as fault:  # noqa: BLE001 - an observer changes nothing
                self._report(name, fault)
        self._progress += 1

    def _tell(self, event: Event) -> None:
        for name, method in self.listeners[type(event)]:
            try:
                method(event)
            except BaseException as fault:  # noqa: BLE001 - the same
                self._report(name, fault)

    def _report(self, name: str, fault: BaseException) -> None:
        known = (name, type(fault))
        if known not in self._failed:
            self._failed.add(known)
            _log.warning("observer %r failed (%s); calls go on without it", name, type(fault).__name__)


def at_exit(work: Callable[[], object]) -> None:
    """Do this when the process ends as it should: a worker of multiprocessing too, which runs no ``atexit``."""
    atexit.register(work)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # cold start: only there is it loaded already

        Finalize(None, work, exitpriority=50)


def _overrides(observer: Observer, name: str) -> bool:
    inherited = getattr(Observer, name)
    return getattr(type(observer), name, inherited) is not inherited
