"""The attempts of one call: each is admitted, made, settled and recorded here. ``loop`` says which one is next.

One ``Attempts`` belongs to one call and is used by the thread that makes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from complaint_llm.exceptions import (
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
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.routing.eligible import exclusion
from complaint_llm.routing.failure import attempt_error, call_error, one_line
from complaint_llm.routing.policies.bound import with_chosen_maximum
from complaint_llm.routing.reask import ReAsk, cause_of
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, Target
from complaint_llm.routing.target_list import TargetList, asks_for_text_alone, kind_of
from complaint_llm.routing.threads.waiting import FOREVER
from complaint_llm.routing.turns import Turns, target_list_of

if TYPE_CHECKING:
    from complaint_llm.call import CancelToken, Clock
    from complaint_llm.messages import InferenceOutput

T = TypeVar("T")
Work = Callable[[Target, Any], T]

NEVER_STARTED = Outcome(0.0)
LOCAL_LIMIT = "local_limit"
"""The ``code`` of a refusal because a limit of ours is full for now: worth asking again later."""
LOOKED_THROUGH = 16
"""Of requests that not all may be able to serve, so many that can are looked for before the first attempt: the deadline
is shared by those that can."""
_LOGGED = (AuthenticationError, PermissionDeniedError, ModelNotFoundError, QuotaExceededError)


class Rules(NamedTuple):
    """What holds for every call of one router. Times in seconds."""

    max_attempts: int | None
    max_queue_wait: float
    """How long a full local limit may hold a call while other backends are left."""
    clock: Clock
    sleep: Callable[[float, CancelToken], None]
    random: Callable[[], float]
    admission_outside_deadline: bool = False
    """Whether waiting for our own limits before the first attempt is outside the deadline (in a batch)."""


class Success(NamedTuple):
    """An attempt that answered; whoever takes the value settles it."""

    value: Any
    target: Target
    started: float
    permits: Sequence[Permit]


Failures = Sequence[tuple[Target, BackendError]]
"""Attempts that failed, recorded and settled."""


class Attempts:
    """One call's attempts at several targets.

    ``attempts`` is the record of all, ``errors`` the newest by backend, ``earlier`` what was answered and asked again.
    """

    __slots__ = (
        "_again",
        "_back",
        "_began",
        "_later",
        "_made",
        "_most_retries",
        "_reasked",
        "_retries_of",
        "_tried",
        "_tries",
        "attempts",
        "earlier",
        "errors",
        "request",
        "rules",
        "turns",
    )

    def __init__(self, rules: Rules, request: AnyRequest, targets: Sequence[Target]) -> None:
        self.rules = rules
        self.request = request
        self.attempts: list[Attempt] = []
        self.errors: dict[str, BackendError] = {}
        self.earlier: list[InferenceOutput] = []
        # The largest ``max_retries`` of the first so many of ``turns.seen``.
        self._most_retries = self._retries_of = 0
        self._made = 0
        # When the first attempt that failed began, on the rules' clock.
        self._began = 0.0
        # By object: two backends that nobody gave an id have the same one.
        self._tries: dict[int, int] = {}
        self._tried: dict[int, BackendError] = {}
        # What a target is asked again with, and the kinds of re-asks that were granted.
        self._again: dict[int, AnyRequest] = {}
        self._reasked: set[tuple[int, str]] = set()
        # The moments at which targets said that they may answer again.
        self._back: dict[int, float] = {}
        # Seconds that an admission_outside_deadline request has once its clock starts.
        self._later: float | None = None
        if rules.admission_outside_deadline:
            deadline = request.deadline
            deadline.resume()
            self._later, deadline.at = deadline.remaining(), FOREVER
        self.turns = Turns(targets)
        if len(targets) <= LOOKED_THROUGH or not asks_for_text_alone(request):
            self._look_ahead(targets)

    def _look_ahead(self, targets: Sequence[Target]) -> None:
        """Find out how many may serve the request, unless it is known that they are many."""
        target_list = None if len(targets) <= LOOKED_THROUGH else target_list_of(targets)
        if target_list is None or not self._many_can_serve(target_list):
            self.turns.look_ahead(self.is_eligible, LOOKED_THROUGH)

    def _many_can_serve(self, target_list: TargetList) -> bool:
        """Whether more than LOOKED_THROUGH were found to serve such requests; where what is asked depends on who is
        asked, of those that are asked the same as the first that can."""
        request, kind, alike = self.request, kind_of(self.request), iter(target_list)
        if request.forms is not None:
            self.turns.look_ahead(self.is_eligible, 0)
            if not self.turns.seen:
                return False
            group = self.turns.seen[0].form_group
            kind, alike = (kind, group), (each for each in target_list if each.form_group == group)
        known = target_list.many_eligible.get(kind)
        if known is not None:
            return known
        eligible = islice((each for each in alike if exclusion(each, request) is None), LOOKED_THROUGH + 1)
        return target_list.note_eligible(kind, many=len(list(eligible)) > LOOKED_THROUGH)

    def is_eligible(self, target: Target) -> bool:
        """Whether the target may and can serve the request; one that does not is recorded with the reason."""
        reason = exclusion(target, self.request)
        if reason is not None:
            self.pass_over(target, InvalidRequestError(reason, backend=target.id, sent=False))
        return reason is None

    # -- how many more ---------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise the call's error if it was cancelled or its deadline passed."""
        request = self.request
        if request.cancel.cancelled:
            raise self.failure(CancelledError(request.cancel.reason or "cancelled", sent=bool(self._tried)))
        if request.deadline.remaining() <= 0:
            if self.errors:
                raise self.failure()
            raise self.failure(BackendTimeoutError("the deadline passed before anything was sent", sent=False))

    def any_left(self, number: int = 1) -> bool:
        """Whether an explicit cap leaves so many attempts; without one every target has its own."""
        most = self.rules.max_attempts
        return most is None or self._made + number <= most

    def spare(self) -> int:
        """How many attempts may still be made: of the explicit cap, else of one for each target, the retries of the
        one that may retry most (of those looked at), and one for each re-ask."""
        most = self.rules.max_attempts
        if most is None:
            seen = self.turns.seen
            for place in range(self._retries_of, len(seen)):
                self._most_retries = max(self._most_retries, seen[place].retry.max_retries)
            self._retries_of = len(seen)
            most = self.turns.eligible + self._most_retries + len(self._reasked)
        return most - self._made

    def tries_of(self, target: Target) -> int:
        """Attempts at this target that failed, without those that were only asked again."""
        return self._tries.get(id(target), 0)

    def grant(self, target: Target, reask: ReAsk, surplus: Callable[[], int]) -> bool:
        """Whether ``target`` is asked again as ``reask`` wants it: each kind once, while an attempt is left."""
        known = (id(target), reask.kind)
        if known in self._reasked or (self.rules.max_attempts is not None and surplus() <= 0):
            return False
        self._reasked.add(known)
        self._again[id(target)] = reask.request
        # It was no failure of the backend that uses up its retries.
        self._tries[id(target)] -= 1
        return True

    # -- one attempt -----------------------------------------------------------------------------------------------

    def admit(
        self, target: Target, max_queue_wait: float, cancel: CancelToken | None = None
    ) -> list[Permit] | BackendError:
        """Leave of every policy, in order, or the refusal; then what the others gave is given back, in reverse order.

        ``cancel`` ends a wait for it, where that is not the whole call's.
        """
        permits: list[Permit] = []
        request = self._request_to(target) if self._again else self.request
        if cancel is not None:
            request = request._replace(cancel=cancel)
        try:
            for policy in target.policies:
                permit = policy.enter(request, max_queue_wait)
                if isinstance(permit, BackendError):
                    settle(permits, NEVER_STARTED)
                    return permit
                if permit is not None:
                    permits.append(permit)
        except BackendError as refusal:
            settle(permits, NEVER_STARTED)
            # Its frames lead back to this call: without them nothing is left for the garbage collector to find.
            return refusal.with_traceback(None)
        except BaseException:
            settle(permits, NEVER_STARTED)
            raise
        return permits

    def make(self, target: Target, permits: Sequence[Permit], work: Work[Any], rest: int) -> Success | Failures:
        """One attempt, recorded; ``rest`` others share the deadline. What is not a BackendError (a KeyboardInterrupt, a
        bug) goes through, settled."""
        rules, cancel = self.rules, self.request.cancel
        self.count()
        request = with_chosen_maximum(self.request_for(target, rest, cancel), permits)
        started = rules.clock()
        try:
            value = work(target, request)
        except BackendError as raised:
            error = attempt_error(raised, cancel)
            self.settle_failure(target, permits, rules.clock() - started, error)
            return ((target, error),)
        except BaseException as error:
            settle(permits, interrupted_outcome(rules.clock() - started, error, target))
            raise
        return Success(value, target, started, permits)

    def count(self) -> None:
        """Count one more attempt; with the first the clock of an admission_outside_deadline request starts."""
        self._made += 1
        if self._later is not None:
            deadline = self.request.deadline
            deadline.at = deadline.clock() + self._later
            self._later = None

    def request_for(self, target: Target, rest: int, cancel: CancelToken) -> AnyRequest:
        """The request for an attempt, with a deadline and token of its own where they are not the call's."""
        request = self._request_to(target) if self._again else self.request
        timeout = target.timeout
        if rest or timeout is not None:
            left = request.deadline.remaining()
            limit = left / (rest + 1)
            if timeout is not None and timeout < limit:
                limit = timeout
            if limit < left:
                return request._replace(deadline=request.deadline.within(limit), cancel=cancel)
        return request if cancel is request.cancel else request._replace(cancel=cancel)

    # -- how it ended ----------------------------------------------------------------------------------------------

    def settle_answer(self, success: Success, output: Any, seconds: float | None = None) -> None:
        """Record and settle the attempt that answered with ``output``, in ``seconds`` (None: from its start to now)."""
        if seconds is None:
            seconds = self.rules.clock() - success.started
        self.attempts.append(Attempt(success.target.id, None, seconds))
        settle(success.permits, Outcome(seconds, output))
        if self.errors:
            self.forget_errors()

    def settle_failure(self, target: Target, permits: Sequence[Permit], seconds: float, error: BackendError) -> None:
        """Record and settle an attempt that failed."""
        settle(permits, failed_outcome(seconds, error))
        self.record_failure(target, seconds, error)

    def record_failure(self, target: Target, seconds: float, error: BackendError) -> None:
        """Record an attempt that failed and is settled."""
        if isinstance(error, ReAsk) and error.output is not None:
            self.earlier.append(error.output)
        error = cause_of(error)
        if error.backend is None:
            error.backend = target.id
        if not self.attempts:
            self._began = self.rules.clock() - seconds
        self._tries[id(target)] = self._tries.get(id(target), 0) + 1
        self._tried[id(target)] = error
        # The newest last, as in ``attempts``.
        self.errors.pop(target.id, None)
        self.errors[target.id] = error
        self._note_return(target, error)
        self.attempts.append(
            Attempt(target.id, one_line(error), seconds, maybe_received=error.maybe_received, sent=error.sent)
        )

    def pass_over(self, target: Target, refusal: BackendError, *, once: bool = False) -> None:
        """Record that nothing was sent to this target, and why; ``once``: only if nothing is recorded of it yet."""
        self._note_return(target, refusal)
        if once and target.id in self.errors:
            return
        if refusal.backend is None:
            refusal.backend = target.id
        self.errors.setdefault(target.id, refusal)
        self.attempts.append(Attempt(target.id, one_line(refusal), 0.0, sent=False))

    def forget_errors(self) -> None:
        """After an answer, or a stream's first piece: what failed before it is in ``attempts``. What somebody has to
        mend is logged.

        Their tracebacks lead to frames that hold them, these attempts, and what a stream's user may drop: a circle,
        which only the garbage collector would find.
        """
        self._log_errors(raised=False)
        for error in self.errors.values():
            error.__traceback__ = None
        self.errors.clear()
        self._tried.clear()

    def failure(self, stopped_by: BackendError | None = None) -> BackendError:
        """The error of the whole call; see ``failure.call_error``. What somebody has to mend is logged, too."""
        self._log_errors(raised=True)
        cut_short = ""
        if self.request.deadline.remaining() <= 0:
            cut_short = " before the deadline"
        elif not self.any_left():
            cut_short = f" in {self._made} attempts (max_attempts)"
        back = min(self._back.values(), default=None)
        return call_error(
            stopped_by,
            self.errors,
            self.attempts,
            tried=self._tried,
            retry_after=None if back is None else max(0.0, back - self.rules.clock()),
            cut_short=cut_short,
            seconds=self.rules.clock() - self._began if self._tried else 0.0,
        )

    def _log_errors(self, *, raised: bool) -> None:
        log = logging.getLogger("complaint_llm.routing")
        # Where nobody set up logging, Python prints what is logged, and then what is raised: the same twice.
        if raised and not log.hasHandlers():
            return
        for error in self.errors.values():
            if isinstance(error, _LOGGED) or error.status in (401, 402, 403, 404):
                log.error(
                    "%s: %s (status %s)", error.backend, one_line(error), error.status, extra={"raised": raised}
                )

    def _request_to(self, target: Target) -> AnyRequest:
        """What this target is asked: the call's request, or that of a re-ask with the call's deadline and token."""
        request = self.request
        if id(target) not in self._again:
            return request
        return self._again[id(target)]._replace(deadline=request.deadline, cancel=request.cancel)

    def _note_return(self, target: Target, error: BackendError) -> None:
        if error.retry_after is None:
            self._back.pop(id(target), None)
        else:
            self._back[id(target)] = self.rules.clock() + error.retry_after


def settle(permits: Sequence[Permit], outcome: Outcome) -> None:
    """Settle each permit, the last given first."""
    for permit in reversed(permits):
        permit.settle(outcome)


def failed_outcome(seconds: float, error: BackendError) -> Outcome:
    """The outcome of an attempt that failed; of one to be asked again, what it answered and used."""
    output = error.output if isinstance(error, ReAsk) else None
    return Outcome(seconds, output, None if output is not None else cause_of(error))


def interrupted_outcome(seconds: float, error: BaseException, target: Target) -> Outcome:
    """The outcome of an attempt that something else than a BackendError ended: it may have been received."""
    name = type(error).__name__
    return Outcome(seconds, None, CancelledError(f"ended by {name}", backend=target.id, maybe_received=True))


def full(message: str, wait: float) -> RateLimitError:
    """The refusal of a limit of ours that is full; ``wait`` seconds where known, else FOREVER."""
    known = None if wait == FOREVER else wait
    return RateLimitError(message, code=LOCAL_LIMIT, retry_after=known, sent=False)
