"""Identical requests under way are one: the first asks, the others wait for its answer."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.exceptions import AllBackendsFailedError, BackendError, BackendTimeoutError, CancelledError
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import Request


class Landed(NamedTuple):
    """An answer, whether it is this call's ``own``, and whether it is ``shared``: others have the same object."""

    output: InferenceOutput
    own: bool
    shared: bool


class _SharedCall:
    """One request under way and those who wait for the same answer."""

    done = False
    output: InferenceOutput | None = None
    error: BackendError | None = None
    waiters: tuple[Waiter, ...] = ()


class SingleFlight:
    """Calls under way by what they ask. Any thread may call it; ``_lock`` is never held while one asks or waits."""

    def __init__(self, make_waiter: Callable[[], Waiter] = Waiter) -> None:
        self._lock = threading.Lock()
        self._calls: dict[Hashable, _SharedCall] = {}
        self._make_waiter = make_waiter
        reset_in_child(self)

    def do(
        self, key: Hashable, request: Request, ask: Callable[[], InferenceOutput], may_follow: Callable[[], bool]
    ) -> Landed:
        """The answer of ``ask``, or of an identical request that was under way, if this one ``may_follow`` it.

        A follower keeps its own deadline and token. A leader that fails by its own cancellation or deadline, which may
        be too short for the wait that a limit asks for, hands over to a follower; any other error is everybody's.
        """
        while True:
            with self._lock:
                call = self._calls.get(key)
                if call is None:
                    call = self._calls[key] = _SharedCall()
                    waiter = None
                else:
                    waiter = self._make_waiter()
                    call.waiters = (*call.waiters, waiter)
            if waiter is None:
                return self._lead(key, call, request, ask)
            if not may_follow():
                return Landed(ask(), own=True, shared=False)
            self._follow(call, waiter, request)
            if call.output is not None:
                return Landed(call.output, own=False, shared=True)
            if call.error is not None:
                # Everybody raises an error of their own: a traceback belongs to one thread.
                error = copy.copy(call.error)
                raise error from call.error.__cause__

    def after_fork(self) -> None:
        """What was under way is the parent's."""
        self._lock = threading.Lock()
        self._calls = {}

    def _lead(
        self, key: Hashable, call: _SharedCall, request: Request, ask: Callable[[], InferenceOutput]
    ) -> Landed:
        try:
            output = call.output = ask()
        except BackendError as error:
            own = request.cancel.cancelled or _out_of_time(error, request.deadline.remaining())
            call.error = None if own else error
            raise
        finally:
            with self._lock:
                call.done = True
                if self._calls.get(key) is call:
                    del self._calls[key]
                waiters = call.waiters
            for waiter in waiters:
                waiter.wake()
        return Landed(output, own=True, shared=bool(waiters))

    def _follow(self, call: _SharedCall, waiter: Waiter, request: Request) -> None:
        wake: Any = waiter.wake
        request.cancel.attach(wake)
        try:
            while not call.done:
                if request.cancel.cancelled:
                    raise CancelledError(request.cancel.reason or "cancelled", sent=False)
                left = request.deadline.remaining()
                if left <= 0:
                    raise BackendTimeoutError(
                        "the deadline passed while an identical request was under way", sent=False
                    )
                waiter.wait(left)
        finally:
            request.cancel.detach(wake)


def _out_of_time(error: BackendError, left: float) -> bool:
    """Whether one with more time could have gone on."""
    causes = error.errors.values() if isinstance(error, AllBackendsFailedError) else (error,)
    return left <= 0 or any(each.retry_after is not None and each.retry_after >= left for each in causes)
