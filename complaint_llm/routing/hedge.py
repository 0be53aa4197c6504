"""Hedging: if an attempt takes long, the next backend is asked too; the first answer wins, the other is cancelled.

The first attempt stays on the caller's thread; a helper thread waits ``after`` seconds and makes the second. Only the
caller's thread writes to the ``Run``, so the record of both is complete when it returns; a loser that still unwinds
settles its own permits when it is really over.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from complaint_llm.call import CancelToken
from complaint_llm.exceptions import BackendError, BackendTimeoutError, CancelledError
from complaint_llm.messages import Attempt
from complaint_llm.routing.attempts import NEVER_STARTED, Run, Won, Work, explained, failed_outcome, line, settle
from complaint_llm.routing.candidate import AnyRequest, Candidate, Outcome, Permit
from complaint_llm.routing.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Hedge:
    """Asks a second backend ``after`` seconds. Any thread may call it; it keeps nothing of a call."""

    __slots__ = ("_after", "_make_waiter")

    def __init__(self, after: float, make_waiter: Callable[[], Waiter] = Waiter) -> None:
        self._after = after
        self._make_waiter = make_waiter

    def race(
        self,
        run: Run,
        candidate: Candidate,
        permits: Sequence[Permit],
        work: Work[Any],
        rest: int,
        pending: list[Candidate],
    ) -> Won | BackendError:
        """The first answer of the two, or the first one's error once both have failed.

        A second that was asked is taken out of ``pending``. Without a second that can be cancelled, or without an
        attempt left for it, this is one attempt as usual.
        """
        other = next((each for each in pending if each.cancellable), None)
        whole = run.request.cancel
        if other is None or run.spare_attempts < 2:
            return run.attempt(candidate, permits, work, rest, whole)
        race = _Race(run, other, work, rest, self._make_waiter)
        try:
            race.start(self._after)
        except RuntimeError:
            return run.attempt(candidate, permits, work, rest, whole)  # no more threads: it goes on without
        whole.attach(race.cancel_both)
        try:
            result = race.run_first(candidate, permits)
        finally:
            whole.detach(race.cancel_both)
            race.stop()
        if race.asked:
            pending.remove(other)
        return result


class _Race:
    """Two attempts of one call. ``_lock`` decides who answered first and whether the second still begins."""

    def __init__(
        self, run: Run, other: Candidate, work: Work[Any], rest: int, make_waiter: Callable[[], Waiter]
    ) -> None:
        self._run = run
        self._other = other
        self._work = work
        self._rest = rest
        self._lock = threading.Lock()
        self._first_token = CancelToken()
        self._second_token = CancelToken()
        self._start = make_waiter()
        self._over = make_waiter()
        self._stopped = False
        self._closed = False
        self._winner: Candidate | None = None
        self._second: Won | None = None
        self._second_error: BackendError | None = None
        self._second_done = False
        self._second_started = self._second_seconds = 0.0
        self.asked = False

    def start(self, after: float) -> None:
        threading.Thread(target=self._run_second, args=(after,), name=f"hedge {self._other.id}", daemon=True).start()

    def stop(self) -> None:
        """However the first ended: the second does not begin any more, and is cancelled unless it won."""
        with self._lock:
            self._stopped = True
            lost = self._closed = self._winner is not self._other
        if lost:
            self._second_token.cancel(self._lost_to())
        self._start.wake()

    def cancel_both(self) -> None:
        """The whole call is cancelled."""
        reason = self._run.request.cancel.reason
        self._first_token.cancel(reason)
        self._second_token.cancel(reason)
        self._start.wake()

    def run_first(self, candidate: Candidate, permits: Sequence[Permit]) -> Won | BackendError:
        run = self._run
        clock = run.clock
        request = run.begin(candidate, self._rest, self._first_token)
        started = clock()
        try:
            value = self._work(candidate, request)
        except BackendError as raised:
            error = explained(raised, run.request.cancel)
            with self._lock:
                answered = self._second
                begun = self.asked
                self._stopped = True
            if answered is None:
                run.failed(candidate, permits, clock() - started, error)
                return self._wait_for_second(error) if begun else error
            lost = CancelledError(self._lost_to(), maybe_received=True)
            settle(permits, Outcome(clock() - started, None, lost))
            run.attempts.append(self._loser(candidate, clock() - started))
            return answered
        except BaseException as error:
            settle(permits, Outcome(clock() - started, None, CancelledError(type(error).__name__, maybe_received=True)))
            raise
        with self._lock:
            answered = self._second
            if answered is None:
                self._winner = candidate
                self._stopped = True
        if answered is not None:
            _close(value)
            lost = CancelledError(self._lost_to(), maybe_received=True)
            settle(permits, Outcome(clock() - started, None, lost))
            run.attempts.append(self._loser(candidate, clock() - started))
            return answered
        if self._second_error is not None:
            run.note_failure(self._other, self._second_seconds, self._second_error)
        elif self.asked:
            run.attempts.append(self._loser(self._other, clock() - self._second_started))
        return Won(value, candidate, started, permits)

    def _wait_for_second(self, error: BackendError) -> Won | BackendError:
        """The first has failed while the second is under way; the second keeps its own deadline and token."""
        while not self._second_done:
            left = self._run.request.deadline.remaining()
            if left <= 0:
                # It should have ended by itself; what it still does is settled by its own thread.
                self._second_token.cancel("the deadline passed")
                with self._lock:
                    answered = self._second
                if answered is not None:
                    return answered  # at the last moment: from now on it cannot win
                late = BackendTimeoutError("no answer before the deadline", backend=self._other.id, maybe_received=True)
                self._run.note_failure(self._other, self._run.clock() - self._second_started, late)
                return error
            self._over.wait(left)
        if self._second is not None:
            return self._second
        failed = self._second_error
        assert failed is not None
        self._run.note_failure(self._other, self._second_seconds, failed)
        return error

    def _run_second(self, after: float) -> None:
        self._start.wait(after)
        other, run = self._other, self._run
        permits = run.admit(other, 0.0, self._second_token)
        if isinstance(permits, BackendError):
            return  # not ready now: it stays in line and may be asked after the first
        with self._lock:
            begins = not self._stopped and not self._second_token.cancelled
            if begins:
                self.asked = True
                self._second_started = run.clock()
        if not begins:
            settle(permits, NEVER_STARTED)
            return
        self._attempt_second(permits)
        with self._lock:
            self._second_done = True
        self._over.wake()

    def _attempt_second(self, permits: Sequence[Permit]) -> None:
        other = self._other
        request: AnyRequest = self._run.begin(other, self._rest - 1, self._second_token)
        try:
            value = self._work(other, request)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, a bug with its cause
            self._second_failed(permits, explained(_as_backend_error(error, other), self._second_token))
            return
        with self._lock:
            won = self._winner is None and not self._closed and not self._second_token.cancelled
            if won:
                self._winner = other
                self._second = Won(value, other, self._second_started, permits)
        if won:
            self._first_token.cancel(self._lost_to())
        else:
            _close(value)
            self._second_failed(permits, CancelledError(self._lost_to(), backend=other.id, maybe_received=True))

    def _second_failed(self, permits: Sequence[Permit], failure: BackendError) -> None:
        self._second_seconds = self._run.clock() - self._second_started
        settle(permits, failed_outcome(self._second_seconds, failure))
        self._second_error = failure

    def _lost_to(self) -> str:
        return f"{self._winner.id} answered first" if self._winner is not None else "the call is over"

    def _loser(self, candidate: Candidate, seconds: float) -> Attempt:
        lost = CancelledError(self._lost_to())
        return Attempt(candidate.id, line(lost), seconds, maybe_received=True)


def _close(value: Any) -> None:
    """A stream that lost frees its connection; a whole answer has nothing to free."""
    close = getattr(value, "close", None)
    if close is not None:
        close()


def _as_backend_error(error: BaseException, candidate: Candidate) -> BackendError:
    if isinstance(error, BackendError):
        return error
    wrapped = BackendError(f"{type(error).__name__}: {error}", backend=candidate.id)
    wrapped.__cause__ = error
    return wrapped
