"""The router: one per Backend or Mediator; turns targets into one answer."""

from __future__ import annotations

import random as _random
import time
from typing import TYPE_CHECKING, Any

from complaint_llm.exceptions import BackendError, CancelledError
from complaint_llm.routing.attempts import Attempts, Rules
from complaint_llm.routing.loop import AttemptLoop
from complaint_llm.routing.reask import with_earlier
from complaint_llm.routing.threads.waiting import cancellable_sleep
from complaint_llm.routing.turns import KEPT_ORDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from complaint_llm.call import CancelToken, Clock
    from complaint_llm.messages import EmbeddingOutput, InferenceOutput
    from complaint_llm.request import EmbeddingRequest, Request
    from complaint_llm.routing.cache.response_cache import Cache
    from complaint_llm.routing.explain import Considered
    from complaint_llm.routing.hedge import Hedge
    from complaint_llm.routing.target import AnyRequest, EventStream, Target


class Router:
    """Asks targets until one answers, by the rules of ``routing``. Knows no vendor.

    Any thread may call it; it keeps nothing of a call. ``max_attempts`` caps the attempts of one call (None: one for
    each target, the retries of the one that may retry most, and one for each re-ask). ``hedge_after`` seconds after
    an attempt began the next backend is asked too. ``cache`` holds answers of targets that want it. ``max_queue_wait``
    is how many seconds a full local limit may hold a call while other backends are left (FOREVER: as long as it takes);
    ``admission_outside_deadline``: see ``for_batches``.
    ``clock``, ``sleep`` and ``random`` are for tests. ``targets`` that are none of ``KEPT_ORDERS`` are all taken at
    once, since a share of the deadline needs their number; ``strategies.ordered_targets`` gives what is taken as far as
    it is needed.
    """

    def __init__(
        self,
        *,
        max_attempts: int | None = None,
        hedge_after: float | None = None,
        cache: Cache | None = None,
        max_queue_wait: float = 1.0,
        admission_outside_deadline: bool = False,
        clock: Clock = time.monotonic,
        sleep: Callable[[float, CancelToken], None] = cancellable_sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._cache = cache
        self._rules = Rules(
            max_attempts=max_attempts,
            max_queue_wait=max_queue_wait,
            clock=clock,
            sleep=sleep,
            random=random,
            admission_outside_deadline=admission_outside_deadline,
        )
        self._hedge: Hedge | None = None
        if hedge_after is not None:
            from complaint_llm.routing.hedge import Hedge  # cold start

            self._hedge = Hedge(hedge_after)

    def close(self) -> None:
        """End the thread that hedging may have. Idempotent."""
        if self._hedge is not None:
            self._hedge.close()

    def for_batches(self) -> Router:
        """The same for the prompts of a batch, which is in no hurry: the clock of each starts after its admission by
        our own limits, and none is hedged, so that none is paid twice."""
        rules = self._rules
        return Router(
            max_attempts=rules.max_attempts,
            cache=self._cache,
            max_queue_wait=rules.max_queue_wait,
            admission_outside_deadline=True,
            clock=rules.clock,
            sleep=rules.sleep,
            random=rules.random,
        )

    def answer(self, request: Request, targets: Iterable[Target]) -> InferenceOutput:
        """One whole answer, with ``attempts`` filled. Raises the BackendError of the call, with ``attempts`` filled."""
        if self._rules.admission_outside_deadline:
            # Its first attempt lets it count; one that waits for an identical request makes none.
            request.deadline.pause()
        known = targets if isinstance(targets, KEPT_ORDERS) else tuple(targets)
        if self._cache is None:
            return self._answer(request, known)
        return self._cache.answer(request, known, self._answer)

    def stream(self, request: Request, targets: Iterable[Target]) -> EventStream:
        """A streamed answer. Nothing is sent before the first ``next()``; close it or read it to its end."""
        known = targets if isinstance(targets, KEPT_ORDERS) else tuple(targets)
        from complaint_llm.routing.stream import RoutedStream  # cold start

        return RoutedStream(lambda given: Attempts(self._rules, given, known), request, self._rules.clock, self._hedge)

    def embed(self, request: EmbeddingRequest, targets: Iterable[Target]) -> EmbeddingOutput:
        """Vectors, with ``attempts`` filled. Raises as ``answer`` does."""
        known = targets if isinstance(targets, KEPT_ORDERS) else tuple(targets)
        attempts = Attempts(self._rules, request, known)
        success = AttemptLoop(attempts, _embed).first_success()
        attempts.settle_answer(success, success.value)
        output: EmbeddingOutput = success.value._replace(attempts=tuple(attempts.attempts))
        return output

    def explain(self, request: AnyRequest, targets: Iterable[Target]) -> list[Considered]:
        """What would be tried, in order, and why not the others. Sends nothing."""
        from complaint_llm.routing.explain import explain  # cold start

        return explain(request, targets, self._rules.max_attempts)

    def _answer(self, request: Request, targets: Sequence[Target]) -> InferenceOutput:
        attempts = Attempts(self._rules, request, targets)
        try:
            success = AttemptLoop(attempts, _ask, self._hedge).first_success()
        except BackendError as error:
            return _kept_answer(request, attempts, error)
        attempts.settle_answer(success, success.value)
        output = with_earlier(success.value, attempts.earlier) if attempts.earlier else success.value
        return output._replace(attempts=tuple(attempts.attempts))


def _kept_answer(request: Request, attempts: Attempts, error: BackendError) -> InferenceOutput:
    """The newest answer that was asked again only because of its findings, where the task marks these and no more.

    Raises ``error`` where there is none.
    """
    marked = request.checks is not None and request.checks.on_failed == "mark"
    if not marked or not attempts.earlier or not attempts.earlier[-1].findings or isinstance(error, CancelledError):
        raise error
    *before, kept = attempts.earlier
    output = with_earlier(kept, before)
    metadata = {**output.metadata, "reasked": "first_kept"}
    return output._replace(attempts=tuple(attempts.attempts), metadata=metadata)


def _ask(target: Target, request: Request) -> InferenceOutput:
    return target.attempt(request)


def _embed(target: Target, request: EmbeddingRequest) -> Any:
    return target.attempt_embedding(request)
