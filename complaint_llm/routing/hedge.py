"""Hedging: if an attempt takes long, the next backend is asked too; the first answer wins, the other is cancelled.

The first attempt stays on the caller's thread. A timer, one for all calls, waits ``after`` seconds; what is answered by
then costs no thread. Then a helper thread is started, which makes the second: its admission may wait. Only the
caller's thread writes to the ``Attempts``, so the record of both is complete when it returns; a loser that still
unwinds settles its own permits when it is really over.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from complaint_llm.call import CancelToken
from complaint_llm.exceptions import BackendError, BackendTimeoutError, CancelledError
from complaint_llm.messages import Attempt
from complaint_llm.routing.attempts import (
    NEVER_STARTED,
    Attempts,
    Failures,
    Success,
    Work,
    failed_outcome,
    interrupted_outcome,
    settle,
)
from complaint_llm.routing.failure import attempt_error, one_line
from complaint_llm.routing.policies.bound import with_chosen_maximum
from complaint_llm.routing.target import Outcome, Permit, Target
from complaint_llm.routing.threads.timer import Timer
from complaint_llm.routing.threads.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from complaint_llm.routing.threads.timer import Alarm


class Hedge:
    """Asks a second backend after ``after`` seconds. Any thread may call it; it keeps nothing of a call. Its owner
    closes it, which ends the timer's thread."""

    __slots__ = ("_after", "_make_waiter", "_timer")

    def __init__(self, after: float, make_waiter: Callable[[], Waiter] = Waiter) -> None:
        self._after = after
        self._make_waiter = make_waiter
        self._timer = Timer("hedge timer")

    def close(self) -> None:
        """From now on no second is asked. Idempotent."""
        self._timer.close()

    def race(
        self,
        attempts: Attempts,
        target: Target,
        permits: Sequence[Permit],
        work: Work[Any],
        rest: int,
    ) -> Success | Failures:
        """The first answer of the two, or the failure of each that was asked.

        A second that was asked is no longer untried: it uses the attempt that was reserved for it. Without a second
        that can be cancelled, or without an attempt left for it, this is one attempt as usual.
        """
        other = attempts.turns.first_cancellable(attempts.is_eligible) if attempts.any_left(2) else None
        if other is None:
            return attempts.make(target, permits, work, rest)
        race = _Race(attempts, other, work, rest=rest, make_waiter=self._make_waiter)
        try:
            race.start(self._timer, self._after)
        except RuntimeError:
            return attempts.make(target, permits, work, rest)  # no timer: it goes on without
        call_token = attempts.request.cancel
        call_token.attach(race.cancel_both)
        try:
            return race.run_first(target, permits)
        finally:
            call_token.detach(race.cancel_both)
            race.stop()
            if race.asked:
                attempts.turns.remove(other)
                attempts.count()


class _Race:
    """Two attempts of one call. ``_lock`` decides who answered first and whether the second still begins."""

    def __init__(
        self, attempts: Attempts, other: Target, work: Work[Any], rest: int, make_waiter: Callable[[], Waiter]
    ) -> None:
        self._attempts = attempts
        self._other = other
        self._work = work
        self._rest = rest
        self._lock = threading.Lock()
        self._first_token = CancelToken()
        self._second_token = CancelToken()
        self._alarm: Alarm | None = None
        self._over = make_waiter()
        self._stopped = False
        self._closed = False
        self._winner: Target | None = None
        self._second: Success | None = None
        self._second_error: BackendError | None = None
        self._second_done = False
        self._second_started = self._second_seconds = 0.0
        self.asked = False

    def start(self, timer: Timer, after: float) -> None:
        """Have the second asked after so many seconds. Raises RuntimeError if there is no timer."""
        self._alarm = timer.after(after, self._start_second)

    def stop(self) -> None:
        """However the first ended: the second does not begin any more, and is cancelled unless it won."""
        with self._lock:
            self._stopped = True
            lost = self._closed = self._winner is not self._other
        if lost:
            self._second_token.cancel(self._lost_to())
        self._call_off()

    def cancel_both(self) -> None:
        """The whole call is cancelled."""
        reason = self._attempts.request.cancel.reason
        self._first_token.cancel(reason)
        self._second_token.cancel(reason)
        self._call_off()

    def run_first(self, target: Target, permits: Sequence[Permit]) -> Success | Failures:
        attempts = self._attempts
        clock = attempts.rules.clock
        attempts.count()
        request = with_chosen_maximum(attempts.request_for(target, self._rest, self._first_token), permits)
        started = clock()
        try:
            value = self._work(target, request)
        except BackendError as raised:
            error = attempt_error(raised, attempts.request.cancel)
            with self._lock:
                answered = self._second
                begun = self.asked
                self._stopped = True
            if answered is None:
                attempts.settle_failure(target, permits, clock() - started, error)
                return self._wait_for_second(target, error) if begun else ((target, error),)
            self._lost(target, permits, clock() - started)
            return answered
        except BaseException as error:
            settle(permits, interrupted_outcome(clock() - started, error, target))
            raise
        with self._lock:
            answered = self._second
            if answered is None:
                self._winner = target
                self._stopped = True
        if answered is not None:
            _close(value)
            self._lost(target, permits, clock() - started)
            return answered
        if self._second_error is not None:
            attempts.record_failure(self._other, self._second_seconds, self._second_error)
        elif self.asked:
            attempts.attempts.append(self._loser(self._other, clock() - self._second_started))
        return Success(value, target, started, permits)

    def _wait_for_second(self, target: Target, error: BackendError) -> Success | Failures:
        """The first has failed while the second is under way; the second keeps its own deadline and token."""
        attempts, other = self._attempts, self._other
        while not self._second_done:
            left = attempts.request.deadline.remaining()
            if left <= 0:
                # It should have ended by itself; what it still does is settled by its own thread.
                self._second_token.cancel("the deadline passed")
                with self._lock:
                    answered = self._second
                if answered is not None:
                    return answered  # at the last moment: from now on it cannot win
                late = BackendTimeoutError("no answer before the deadline", backend=other.id, maybe_received=True)
                attempts.record_failure(other, attempts.rules.clock() - self._second_started, late)
                return ((target, error), (other, late))
            self._over.wait(left)
        if self._second is not None:
            return self._second
        failed = self._second_error
        assert failed is not None
        attempts.record_failure(other, self._second_seconds, failed)
        return ((target, error), (other, failed))

    def _lost(self, target: Target, permits: Sequence[Permit], seconds: float) -> None:
        lost = CancelledError(self._lost_to(), maybe_received=True)
        settle(permits, Outcome(seconds, None, lost))
        self._attempts.attempts.append(self._loser(target, seconds))

    def _call_off(self) -> None:
        if self._alarm is not None:
            self._alarm.call_off()

    def _is_over(self) -> bool:
        """Whether the second is not to begin any more."""
        return self._stopped or self._second_token.cancelled

    def _start_second(self) -> None:
        """Run by the timer, which must not wait for an admission."""
        thread = threading.Thread(target=self._run_second, name=f"hedge {self._other.id}", daemon=True)
        with suppress(RuntimeError):  # no more threads: the first goes on without it
            thread.start()

    def _run_second(self) -> None:
        if self._is_over():
            return  # while this thread was started
        other, attempts = self._other, self._attempts
        permits = attempts.admit(other, 0.0, self._second_token)
        if isinstance(permits, BackendError):
            return  # not ready now: it stays in line and may be asked after the first
        with self._lock:
            begins = not self._is_over()
            if begins:
                self.asked = True
                self._second_started = attempts.rules.clock()
        if not begins:
            settle(permits, NEVER_STARTED)
            return
        self._attempt_second(permits)
        with self._lock:
            self._second_done = True
        self._over.wake()

    def _attempt_second(self, permits: Sequence[Permit]) -> None:
        other = self._other
        begun = self._attempts.request_for(other, self._rest - 1, self._second_token)
        request = with_chosen_maximum(begun, permits)
        try:
            value = self._work(other, request)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, a bug with its cause
            self._second_failed(permits, attempt_error(_as_backend_error(error, other), self._second_token))
            return
        with self._lock:
            is_winner = self._winner is None and not self._closed and not self._second_token.cancelled
            if is_winner:
                self._winner = other
                self._second = Success(value, other, self._second_started, permits)
        if is_winner:
            self._first_token.cancel(self._lost_to())
        else:
            _close(value)
            self._second_failed(permits, CancelledError(self._lost_to(), backend=other.id, maybe_received=True))

    def _second_failed(self, permits: Sequence[Permit], failure: BackendError) -> None:
        self._second_seconds = self._attempts.rules.clock() - self._second_started
        settle(permits, failed_outcome(self._second_seconds, failure))
        self._second_error = failure

    def _lost_to(self) -> str:
        return f"{self._winner.id} answered first" if self._winner is not None else "the call is over"

    def _loser(self, target: Target, seconds: float) -> Attempt:
        lost = CancelledError(self._lost_to())
        return Attempt(target.id, one_line(lost), seconds, maybe_received=True)


def _close(value: Any) -> None:
    """A stream that lost frees its connection; a whole answer has nothing to free."""
    close = getattr(value, "close", None)
    if close is not None:
        close()


def _as_backend_error(error: BaseException, target: Target) -> BackendError:
    if isinstance(error, BackendError):
        return error
    wrapped = BackendError(f"{type(error).__name__}: {error}", backend=target.id)
    wrapped.__cause__ = error
    return wrapped
