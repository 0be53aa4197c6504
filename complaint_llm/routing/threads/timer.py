"""Actions that are due later, nearly all of which are called off before: one thread for all, made when first needed."""

from __future__ import annotations

import heapq
import threading
import time
from itertools import count
from typing import TYPE_CHECKING

from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE = 10.0
"""Seconds after which the thread of a timer that has nothing to do ends; the next action starts another."""


class Alarm:
    """One action that is due at a moment, unless it is called off."""

    __slots__ = ("action", "due")

    def __init__(self, due: float, action: Callable[[], None]) -> None:
        self.due = due
        self.action: Callable[[], None] | None = action

    def call_off(self) -> None:
        """It does not begin any more. What began goes on."""
        self.action = None


class Timer:
    """Runs actions when they are due, on a daemon thread of its own called ``name``; its owner closes it.

    Any thread may call it. An action must not wait or raise: those behind it are due as well. ``_lock`` guards the
    fields and is never held while one runs.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._numbers = count()
        self._thread: threading.Thread | None = None
        self._wake = Waiter()
        self._closed = False
        reset_in_child(self)

    def after(self, seconds: float, action: Callable[[], None]) -> Alarm:
        """Have ``action`` run in so many seconds. Raises RuntimeError if no thread can be started, or it is closed."""
        alarm = Alarm(time.monotonic() + seconds, action)
        with self._lock:
            if self._closed:
                raise RuntimeError("the timer is closed")
            if self._thread is None:
                thread = threading.Thread(target=self._wait_and_act, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
            heapq.heappush(self._alarms, (alarm.due, next(self._numbers), alarm))
            is_next = self._alarms[0][2] is alarm
        if is_next:
            self._wake.wake()
        return alarm

    def close(self) -> None:
        """Call everything off, and wait for the thread to end. Idempotent."""
        with self._lock:
            self._closed = True
            self._alarms.clear()
            thread = self._thread
        self._wake.wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def after_fork(self) -> None:
        """Whoever waits for it is the parent's thread, and so is the timer's."""
        self._lock = threading.Lock()
        self._alarms = []
        self._thread = None
        self._wake = Waiter()

    def _wait_and_act(self) -> None:
        idle_since = time.monotonic()
        while True:
            with self._lock:
                due = self._take_due()
                now = time.monotonic()
                if due or self._alarms:
                    idle_since = now
                if self._closed or now - idle_since >= IDLE:
                    self._thread = None
                    return
                left = self._alarms[0][0] - now if self._alarms else IDLE
            for alarm in due:
                action = alarm.action
                if action is not None:
                    action()
            if not due:
                self._wake.wait(max(0.0, left))

    def _take_due(self) -> list[Alarm]:
        """The alarms that are due; those at the front that were called off are dropped whenever they were due."""
        now, due = time.monotonic(), []
        while self._alarms and (self._alarms[0][0] <= now or self._alarms[0][2].action is None):
            due.append(heapq.heappop(self._alarms)[2])
        return due
