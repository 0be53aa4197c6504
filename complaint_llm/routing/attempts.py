"""The one loop that makes attempts: admission, deadline shares, retries, fallback, and the record of all of it.

One ``Run`` belongs to one call and is used by the thread that makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from complaint_llm.exceptions import (
    AllBackendsFailedError,
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    CancelledError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
)
from complaint_llm.messages import Attempt
from complaint_llm.routing.candidate import AnyRequest, Candidate, Outcome, Permit
from complaint_llm.routing.reask import ReAsk, cause_of
from complaint_llm.routing.retry import NEXT, STOP, decide, delay_before
from complaint_llm.routing.waiting import FOREVER

if TYPE_CHECKING:
    from complaint_llm.call import CancelToken, Clock
    from complaint_llm.messages import InferenceOutput
    from complaint_llm.routing.hedge import Hedge

T = TypeVar("T")
Work = Callable[[Candidate, Any], T]

NEVER_STARTED = Outcome(0.0)
_LOGGED = (AuthenticationError, PermissionDeniedError, ModelNotFoundError, QuotaExceededError)


class Rules(NamedTuple):
    """What holds for every call of one router. Times in seconds."""

    max_attempts: int | None
    patience: float
    """How long a full local limit may hold a call while other backends are left."""
    clock: Clock
    sleep: Callable[[float, CancelToken], None]
    random: Callable[[], float]
    unhurried: bool = False
    """Whether waiting for our own limits before the first attempt is outside the deadline (in a batch)."""


class Won(NamedTuple):
    """An attempt that answered; whoever takes the value settles it."""

    value: Any
    candidate: Candidate
    started: float
    permits: Sequence[Permit]


class Run:
    """One call's attempts at several candidates until one answers."""

    __slots__ = (
        "_able", "_again", "_later", "_latest", "_made", "_reasked", "_rules", "_tries",
        "attempts", "earlier", "errors", "request",
    )  # fmt: skip

    def __init__(self, rules: Rules, request: AnyRequest) -> None:
        self._rules = rules
        self.request = request
        self.attempts: list[Attempt] = []
        self.errors: dict[str, BackendError] = {}
        self.earlier: list[InferenceOutput] = []
        self._able: Sequence[Candidate] = ()
        self._made = 0
        # What a candidate is asked again with, by object, and the kinds of re-asks that were granted.
        self._again: dict[int, AnyRequest] = {}
        self._reasked: set[tuple[int, str]] = set()
        # By object: two backends that nobody gave an id have the same one.
        self._tries: dict[int, int] = {}
        self._latest: BackendError | None = None
        # Seconds that an unhurried request has once its clock starts.
        self._later: float | None = None
        if rules.unhurried:
            deadline = request.deadline
            deadline.resume()
            self._later, deadline.at = deadline.remaining(), FOREVER

    def able(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """The candidates that may and can serve the request; the others are recorded with the reason."""
        passed: list[Candidate] = []
        for candidate in candidates:
            reason = excluded(candidate, self.request)
            if reason is None:
                passed.append(candidate)
            else:
                self._passed_over(candidate, InvalidRequestError(reason, backend=candidate.id, sent=False))
        self._able = passed
        return passed

    def first(self, candidates: Sequence[Candidate], work: Work[Any], hedge: Hedge | None = None) -> Won:
        """The first answer. Raises the one error, or AllBackendsFailedError, with every attempt."""
        pending = list(candidates)
        # Backends whose local limit is full are asked again after all others, the soonest ready first.
        later: list[tuple[float, Candidate]] = []
        while pending or later:
            if pending:
                candidate = pending.pop(0)
                patience = self._rules.patience if pending or later else FOREVER
            else:
                later.sort(key=lambda entry: entry[0])
                candidate = later.pop(0)[1]
                patience = FOREVER
            rest = len(pending) + len(later)
            result = self._try(candidate, work, patience, rest, pending, hedge)
            if isinstance(result, Won):
                return result
            if result is not None:
                later.append((result, candidate))
        self._check()
        raise self._failure(None)

    def _try(
        self,
        candidate: Candidate,
        work: Work[Any],
        patience: float,
        rest: int,
        pending: list[Candidate],
        hedge: Hedge | None,
    ) -> Won | float | None:
        """Attempts at one candidate: the answer, or seconds after which its local limit may admit one, or None."""
        while True:
            self._check()
            share = self.request.deadline.remaining() / (rest + 1)
            permits = self.admit(candidate, min(patience, share))
            if isinstance(permits, BackendError):
                return self._refused(candidate, permits, patience)
            if hedge is not None and pending and candidate.cancellable:
                outcome = hedge.race(self, candidate, permits, work, rest, pending)
            else:
                outcome = self.attempt(candidate, permits, work, rest, self.request.cancel)
            if isinstance(outcome, Won):
                return outcome
            if isinstance(outcome, ReAsk):
                if self._granted(candidate, outcome):
                    continue
                outcome = outcome.error
            pause = self._pause(candidate, outcome, rest)
            if pause is None:
                return None
            if pause > 0:
                self._rules.sleep(pause, self.request.cancel)

    def _granted(self, candidate: Candidate, reask: ReAsk) -> bool:
        """Whether ``candidate`` is asked again as ``reask`` wants it: each kind once, while an attempt is left."""
        known = (id(candidate), reask.kind)
        explicit = self._rules.max_attempts
        if known in self._reasked or (explicit is not None and self._made >= explicit):
            return False
        self._reasked.add(known)
        self._again[id(candidate)] = reask.request
        # It was no failure of the backend that uses up its retries.
        self._tries[id(candidate)] -= 1
        return True

    def _asked(self, candidate: Candidate) -> AnyRequest:
        """What this candidate is asked: the call's request, or that of a re-ask with the call's deadline and token."""
        request = self.request
        again = self._again.get(id(candidate))
        return request if again is None else again._replace(deadline=request.deadline, cancel=request.cancel)

    @property
    def _most(self) -> int:
        """The cap of all attempts: the given one, else one for each candidate, the retries of the one that may retry
        most, and one for each re-ask."""
        if self._rules.max_attempts is not None:
            return self._rules.max_attempts
        retries = max((candidate.retry.max_retries for candidate in self._able), default=0)
        return len(self._able) + retries + len(self._reasked)

    def _refused(self, candidate: Candidate, refusal: BackendError, patience: float) -> float | None:
        """As ``_try``, for a refusal. Raises where it is the whole call's."""
        if refusal.code == LOCAL_LIMIT and patience != FOREVER and candidate.retry.on_rate_limit:
            self.attempts.append(Attempt(candidate.id, line(refusal), 0.0, sent=False))
            return FOREVER if refusal.retry_after is None else refusal.retry_after
        self._passed_over(candidate, refusal)
        if decide(refusal, candidate.retry) is STOP:
            raise self._failure(refusal) from refusal.__cause__
        return None

    def _pause(self, candidate: Candidate, error: BackendError, rest: int) -> float | None:
        """Seconds to wait before the same candidate is asked again, or None to go on to the next. Raises to stop."""
        action = decide(error, candidate.retry)
        if action is STOP:
            raise self._failure(error) from error.__cause__
        tries = self._tries[id(candidate)]
        if action is NEXT or tries > candidate.retry.max_retries or self._none_left():
            return None
        if rest and error.maybe_received and isinstance(error, BackendTimeoutError):
            return None
        pause = delay_before(tries - 1, error, candidate.retry, self._rules.random)
        return pause if pause < self.request.deadline.remaining() / (rest + 1) else None

    def admit(
        self, candidate: Candidate, patience: float, cancel: CancelToken | None = None
    ) -> list[Permit] | BackendError:
        """Leave of every policy, in order, or the refusal; then what the others gave is given back, in reverse order.

        ``cancel`` ends a wait for it, where that is not the whole call's.
        """
        permits: list[Permit] = []
        request = self._asked(candidate)
        if cancel is not None:
            request = request._replace(cancel=cancel)
        try:
            for policy in candidate.policies:
                permit = policy.enter(request, patience)
                if isinstance(permit, BackendError):
                    settle(permits, NEVER_STARTED)
                    return permit
                if permit is not None:
                    permits.append(permit)
        except BackendError as refusal:
            settle(permits, NEVER_STARTED)
            # Its frames lead back to this run: without them nothing is left for the garbage collector to find.
            return refusal.with_traceback(None)
        except BaseException:
            settle(permits, NEVER_STARTED)
            raise
        return permits

    def attempt(
        self, candidate: Candidate, permits: Sequence[Permit], work: Work[Any], rest: int, cancel: CancelToken
    ) -> Won | BackendError:
        """One attempt, recorded. What is not a BackendError (a KeyboardInterrupt, a bug) goes through, settled."""
        rules = self._rules
        request = self.begin(candidate, rest, cancel)
        started = rules.clock()
        try:
            value = work(candidate, request)
        except BackendError as raised:
            error = explained(raised, cancel)
            self.failed(candidate, permits, rules.clock() - started, error)
            return error
        except BaseException as error:
            given_up = CancelledError(f"ended by {type(error).__name__}", backend=candidate.id, maybe_received=True)
            settle(permits, Outcome(rules.clock() - started, None, given_up))
            raise
        return Won(value, candidate, started, permits)

    def answered(self, won: Won, output: Any, seconds: float | None = None) -> None:
        """Record and settle the attempt that answered with ``output``, in ``seconds`` (None: from its start to now)."""
        if seconds is None:
            seconds = self._rules.clock() - won.started
        self.attempts.append(Attempt(won.candidate.id, None, seconds))
        settle(won.permits, Outcome(seconds, output))
        if self.errors:
            self.forget_errors()

    def failed(self, candidate: Candidate, permits: Sequence[Permit], seconds: float, error: BackendError) -> None:
        """Record and settle an attempt that failed."""
        settle(permits, failed_outcome(seconds, error))
        self.note_failure(candidate, seconds, error)

    def note_failure(self, candidate: Candidate, seconds: float, error: BackendError) -> None:
        """Record an attempt that failed and is settled."""
        if isinstance(error, ReAsk) and error.output is not None:
            self.earlier.append(error.output)
        error = cause_of(error)
        if error.backend is None:
            error.backend = candidate.id
        self._tries[id(candidate)] = self._tries.get(id(candidate), 0) + 1
        self._latest = self.errors[candidate.id] = error
        self.attempts.append(Attempt(candidate.id, line(error), seconds, error.maybe_received, error.sent))
        if isinstance(error, _LOGGED) or error.status in (401, 402, 403, 404):
            _log(error)

    def forget_errors(self) -> None:
        """After an answer, or a stream's first piece: what failed before it is in ``attempts``.

        Their tracebacks lead to frames that hold them, this run, and what a stream's user may drop: a circle, which
        only the garbage collector would find.
        """
        for error in self.errors.values():
            error.__traceback__ = None
        self.errors.clear()
        self._latest = None

    @property
    def clock(self) -> Clock:
        """The clock that attempts are timed by."""
        return self._rules.clock

    @property
    def spare_attempts(self) -> int:
        """How many attempts may still be made."""
        return self._most - self._made

    def begin(self, candidate: Candidate, rest: int, cancel: CancelToken) -> AnyRequest:
        """Count an attempt; the request for it, with a deadline and token of its own where they are not the call's."""
        self._made += 1
        request = self._asked(candidate)
        if self._later is not None:
            request.deadline.at = request.deadline.clock() + self._later
            self._later = None
        left = request.deadline.remaining()
        limit = left / (rest + 1)
        if candidate.timeout is not None and candidate.timeout < limit:
            limit = candidate.timeout
        if limit < left:
            return request._replace(deadline=request.deadline.within(limit), cancel=cancel)
        return request if cancel is request.cancel else request._replace(cancel=cancel)

    def _check(self) -> None:
        request = self.request
        if request.cancel.cancelled:
            raise self._failure(CancelledError(request.cancel.reason or "cancelled", sent=bool(self._tries)))
        if request.deadline.remaining() <= 0:
            raise self._failure(
                None if self.errors else BackendTimeoutError("the deadline passed before anything was sent", sent=False)
            )
        if self._none_left():
            raise self._failure(None)

    def _passed_over(self, candidate: Candidate, refusal: BackendError) -> None:
        if refusal.backend is None:
            refusal.backend = candidate.id
        self.errors.setdefault(candidate.id, refusal)
        self.attempts.append(Attempt(candidate.id, line(refusal), 0.0, sent=False))

    def _failure(self, stopped_by: BackendError | None) -> BackendError:
        """The error of the whole call: what stopped it, else the only error, else all of them."""
        attempts = tuple(self.attempts)
        error = stopped_by
        if error is None and len(self._tries) == 1:
            error = self._latest
        if error is None and not self._tries:
            if len(self.errors) == 1:
                error = next(iter(self.errors.values()))
            elif self.errors and all(isinstance(each, InvalidRequestError) for each in self.errors.values()):
                reasons = "; ".join(f"{name}: {each.message}" for name, each in self.errors.items())
                error = InvalidRequestError(f"no backend can serve this request: {reasons}", sent=False)
        if error is not None:
            error.attempts = attempts
            return error
        if not self.errors:
            return InvalidRequestError("no backend to ask: name at least one", sent=False)
        failed = AllBackendsFailedError(
            f"none of {max(len(self.errors), len(self._tries))} backends answered{self._cut_short()}",
            errors=self.errors,
            attempts=attempts,
            sent=bool(self._tries),
            maybe_received=any(attempt.maybe_received for attempt in attempts),
        )
        failed.__cause__ = next(reversed(self.errors.values()))
        return failed

    def _none_left(self) -> bool:
        # Whether the cap is reached is asked of the candidates only when each could have had its attempt.
        return self._made >= (self._rules.max_attempts or len(self._able)) and self._made >= self._most

    def _cut_short(self) -> str:
        if self.request.deadline.remaining() <= 0:
            return " before the deadline"
        if self._made and self._none_left():
            return f" in {self._made} attempts (max_attempts)"
        return ""


LOCAL_LIMIT = "local_limit"
"""The ``code`` of a refusal because a limit of ours is full for now: worth asking again later."""


def excluded(candidate: Candidate, request: AnyRequest) -> str | None:
    """Why this candidate must not or cannot be asked at all, or None."""
    if request.privacy == "local" and not candidate.local:
        return 'not local: privacy "local" keeps the request on this machine'
    lacking = candidate.lacks(request)
    return None if lacking is None else f"cannot serve this request: {lacking}"


def explained(error: BackendError, cancel: CancelToken) -> BackendError:
    """The error of an attempt; what a cancelled one raises (a socket that was shut down) is the cancellation."""
    if not cancel.cancelled or isinstance(error, CancelledError):
        return error
    cancelled = CancelledError(
        cancel.reason or "cancelled", backend=error.backend, sent=error.sent, maybe_received=error.sent
    )
    cancelled.__cause__ = cause_of(error)
    return cancelled


def failed_outcome(seconds: float, error: BackendError) -> Outcome:
    """The outcome of an attempt that failed; of one to be asked again, what it answered and used."""
    output = error.output if isinstance(error, ReAsk) else None
    return Outcome(seconds, output, None if output is not None else cause_of(error))


def settle(permits: Sequence[Permit], outcome: Outcome) -> None:
    """Settle each permit, the last given first."""
    for permit in reversed(permits):
        permit.settle(outcome)


def full(message: str, wait: float) -> RateLimitError:
    """The refusal of a limit of ours that is full; ``wait`` seconds where known, else FOREVER."""
    known = None if wait == FOREVER else wait
    return RateLimitError(message, code=LOCAL_LIMIT, retry_after=known, sent=False)


def line(error: BackendError) -> str:
    """An error as one line for ``Attempt.error``: its class and its message."""
    message = error.message
    return f"{type(error).__name__}: {message if message.isprintable() else ' '.join(message.split())}"


def _log(error: BackendError) -> None:
    import logging

    logging.getLogger("complaint_llm.routing").error("%s: %s (status %s)", error.backend, line(error), error.status)
