"""The one loop: which attempt is next, until one answers. ``attempts`` makes and records each.

Every target that may serve the request keeps one attempt until it is tried, so the last healthy one is always
reached; retries and re-asks use only what is left beside these.

1. Untried targets are asked in their order. One that failed in passing is asked again at once, after its backoff of
   at most ``BRIEF`` seconds, while the surplus lasts.
2. One that is not there (connection refused, name unknown, no route, 503), that asks for a longer wait, whose answer is
   overdue or whose local limit is full goes into one list, and the next is asked at once. The list is taken when all
   others failed, the soonest ready first.
3. One whose context window is too small, by estimate, is asked only when nobody else is left, the largest first.

Whoever cannot be ready before the deadline is dropped. A re-ask (``reask``) is asked at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from complaint_llm.exceptions import BackendConnectionError, BackendError, BackendTimeoutError, ContextLengthError
from complaint_llm.routing.attempts import LOCAL_LIMIT, Success
from complaint_llm.routing.reask import ReAsk
from complaint_llm.routing.retry_table import NEXT, STOP, decide, delay_before
from complaint_llm.routing.threads.waiting import BRIEF, FOREVER
from complaint_llm.routing.turns import Turn

if TYPE_CHECKING:
    from complaint_llm.routing.attempts import Attempts, Work
    from complaint_llm.routing.hedge import Hedge
    from complaint_llm.routing.target import AnyRequest, Target


def window_too_small(target: Target, request: AnyRequest) -> tuple[int, int] | None:
    """The prompt's tokens, by estimate, and the context window that they exceed; None where they do not, or where the
    window is unknown."""
    window = target.context_window(request)
    if window is None:
        return None
    tokens = target.estimate(request).prompt_tokens
    return (tokens, window) if tokens > window else None


def too_long(tokens: int, window: int) -> str:
    """The reason why a target comes last."""
    return f"the prompt has about {tokens} tokens, its context window {window}"


class AttemptLoop:
    """The attempts of one call, one after the other. Used once, by the thread that makes the call."""

    __slots__ = ("_attempts", "_hedge", "_rules", "_turns", "_work")

    def __init__(self, attempts: Attempts, work: Work[Any], hedge: Hedge | None = None) -> None:
        self._attempts = attempts
        self._rules = attempts.rules
        self._turns = attempts.turns
        self._work = work
        self._hedge = hedge

    def first_success(self) -> Success:
        """The first answer. Raises the one error, or AllBackendsFailedError, with every attempt."""
        attempts, turns = self._attempts, self._turns
        while True:
            attempts.check()
            turn = turns.next(self._surplus, attempts.is_eligible) if attempts.any_left() else None
            if turn is None:
                raise attempts.failure()
            if turn.not_before:
                self._sleep_until(turn.not_before)
            success = self._take(turn)
            if success is not None:
                return success

    def _take(self, turn: Turn) -> Success | None:
        """One attempt, or two that are hedged: the answer, or None where it did not come to one."""
        attempts, turns, target = self._attempts, self._turns, turn.target
        if not turn.tried and not turn.too_long and self._put_aside(target):
            return None
        rest, max_queue_wait, give_up = 0, FOREVER, FOREVER
        if turns.others:
            rest = self._other_untried()
            if rest or turns.soonest(self._surplus) is not None:
                now = self._rules.clock()
                max_queue_wait = self._queue_wait(turn, now, rest)
                give_up = now + max_queue_wait
        permits = attempts.admit(target, max_queue_wait)
        if isinstance(permits, BackendError):
            self._handle_refusal(turn, permits, give_up)
            return None
        if self._hedge is not None and turns.untried and target.cancellable:
            result = self._hedge.race(attempts, target, permits, work=self._work, rest=rest)
        else:
            result = attempts.make(target, permits, self._work, rest)
        if isinstance(result, Success):
            return result
        for failed, error in result:
            self._handle_failure(failed, error)
        return None

    def _sleep_until(self, time: float) -> None:
        pause = time - self._rules.clock()
        if pause > 0:
            self._rules.sleep(pause, self._attempts.request.cancel)
            self._attempts.check()

    def _put_aside(self, target: Target) -> bool:
        request = self._attempts.request
        found = window_too_small(target, request)
        if found is None:
            return False
        self._attempts.pass_over(target, ContextLengthError(too_long(*found), backend=target.id, sent=False))
        self._turns.put_aside(target, found[1])
        return True

    def _queue_wait(self, turn: Turn, now: float, rest: int) -> float:
        """Seconds for which a full local limit may hold the call while others could be asked."""
        if turn.ready is None:
            return min(self._rules.max_queue_wait, self._attempts.request.deadline.remaining() / (rest + 1))
        after = self._turns.soonest(self._surplus)
        return BRIEF if after is None or after.ready is None else max(BRIEF, after.ready - now)

    def _handle_refusal(self, turn: Turn, refusal: BackendError, give_up: float) -> None:
        """Nothing was sent. ``give_up`` is the time until which it was to wait, FOREVER where nobody else is left."""
        attempts, target = self._attempts, turn.target
        if refusal.code != LOCAL_LIMIT or give_up == FOREVER or not target.retry.on_rate_limit:
            attempts.pass_over(target, refusal)
            if decide(refusal, target.retry) is STOP:
                raise attempts.failure(refusal) from refusal.__cause__
            return
        attempts.pass_over(target, refusal, once=True)
        now, wait = self._rules.clock(), refusal.retry_after
        if wait is None:
            ready = max(now, give_up)
            self._turns.wait(turn._replace(ready=ready, not_before=ready))
        elif wait < attempts.request.deadline.remaining():
            # It is asked before it is ready, to stand in the queue in time.
            self._turns.wait(turn._replace(ready=now + wait, not_before=now))

    def _handle_failure(self, target: Target, error: BackendError) -> None:
        """An attempt failed: let it come back, or not. Raises where the failure is the whole call's."""
        attempts, turns = self._attempts, self._turns
        if isinstance(error, ReAsk):
            if attempts.grant(target, error, self._surplus):
                turns.at_once(Turn(target, tried=True))
                return
            error = error.error
        action = decide(error, target.retry)
        if action is STOP:
            raise attempts.failure(error) from error.__cause__
        if isinstance(error, ContextLengthError):
            turns.drop_aside()
        tries = attempts.tries_of(target)
        if action is NEXT or tries > target.retry.max_retries:
            return
        delay = delay_before(tries - 1, error, target.retry, self._rules.random)
        if delay >= attempts.request.deadline.remaining():
            return
        ready = self._rules.clock() + delay
        turn = Turn(target, ready, ready, tried=True)
        share = attempts.request.deadline.remaining() / (self._other_untried() + 1)
        if _is_transient(error) and delay <= BRIEF and delay < share and self._surplus() > 0:
            turns.at_once(turn)
        else:
            turns.wait(turn)

    def _other_untried(self) -> int:
        """How many others share the deadline."""
        return self._turns.untried_until(lambda: self._rules.clock() + self._attempts.request.deadline.remaining())

    def _surplus(self) -> int:
        return self._attempts.spare() - self._turns.reserved


def _is_transient(error: BackendError) -> bool:
    """Whether the same backend may well answer in a moment: not where it is not there, and not where it may still be
    working on what it got."""
    if error.status == 503 or (not error.sent and isinstance(error, (BackendConnectionError, BackendTimeoutError))):
        return False
    return not (error.maybe_received and isinstance(error, BackendTimeoutError))
