"""Threads on which guards run, so that one that hangs holds up nobody beyond its time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import Waiter

T = TypeVar("T")
_Job = tuple[Callable[[], Any], "_Outcome"]


class LateError(Exception):
    """The work was not done in time."""


class EndedError(Exception):
    """The work raised what ends a thread or a program (its cause): there nobody but the work itself can."""


class _Outcome:
    """What came of a piece of work, for the one thread that waits for it."""

    __slots__ = ("done", "error", "value", "waiter")

    def __init__(self) -> None:
        self.waiter = Waiter()
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None


class _GuardThread:
    """A thread that does one piece of work after the other."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        threading.Thread(target=self._do_jobs, name="complaint_llm guard", daemon=True).start()

    def _do_jobs(self) -> None:
        while (job := self.jobs.get()) is not None:
            work, outcome = job
            try:
                outcome.value = work()
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                outcome.error = error
            outcome.done = True
            outcome.waiter.wake()
            del job, work, outcome


class GuardThreads:
    """Idle threads, the one that was used last first. Any thread may call it: taking and giving back are atomic.

    A thread that is late is left to itself and ends when its work does. ``close`` ends the idle ones.
    """

    def __init__(self) -> None:
        self._idle: list[_GuardThread] = []
        self._closed = False
        reset_in_child(self)

    def do(self, work: Callable[[], T], seconds: float) -> T:
        """What ``work()`` returns or raises. Raises LateError once ``seconds`` are over, EndedError for a SystemExit or
        a KeyboardInterrupt of the work's own."""
        worker = self._take()
        outcome = _Outcome()
        worker.jobs.put((work, outcome))
        outcome.waiter.wait(seconds)
        if not outcome.done:
            worker.jobs.put(None)
            raise LateError
        self._give_back(worker)
        if outcome.error is not None:
            try:
                if not isinstance(outcome.error, Exception):
                    raise EndedError from outcome.error
                raise outcome.error
            finally:
                outcome.error = None  # its traceback leads here
        value: T = outcome.value
        return value

    def close(self) -> None:
        """End the idle threads; one that works ends after its work."""
        self._closed = True
        while self._idle:
            try:
                self._idle.pop().jobs.put(None)
            except IndexError:
                return

    def after_fork(self) -> None:
        """The threads are the parent's."""
        self._idle = []

    def _take(self) -> _GuardThread:
        try:
            return self._idle.pop()
        except IndexError:
            return _GuardThread()

    def _give_back(self, worker: _GuardThread) -> None:
        if self._closed:
            worker.jobs.put(None)
        else:
            self._idle.append(worker)
