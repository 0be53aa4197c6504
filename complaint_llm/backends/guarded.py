"""What stands before every attempt at one backend: its own limits, its breaker, and the budgets of Mediators."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from complaint_llm.backends.asking import Asking
from complaint_llm.request import EmbeddingRequest
from complaint_llm.routing.policies.admission import admission
from complaint_llm.routing.policies.bound import FREE
from complaint_llm.routing.policies.breaker import USUAL, BreakerSettings
from complaint_llm.routing.policies.load_meter import Meter
from complaint_llm.routing.policies.state_folder import STATE_PATH

if TYPE_CHECKING:
    from complaint_llm.backends.model_catalog import ModelFacts
    from complaint_llm.request import Request
    from complaint_llm.routing.policies.bound import Bound
    from complaint_llm.routing.policies.budget import Account
    from complaint_llm.routing.redis.connection import SharedState
    from complaint_llm.routing.target import Estimate, Load, Policy


class Guarded(Asking):
    """A backend behind its policies, which are asked before each attempt in the order of ``policies``."""

    facts: ModelFacts
    costs_nothing: ClassVar[bool] = False
    """Whether nobody bills its answers, unless ``pricing`` says otherwise."""
    prompt_overhead: int = 0
    """The most tokens that this backend itself adds to a prompt."""

    def guard_alone(self) -> None:
        """Put the backend's own limits in place, as they hold for one that is used alone."""
        self._meter = Meter()
        self.meter: Load = self._meter
        self._spending: Account | None = None
        self._guarded = False
        self._wholes: tuple[Account, ...] = ()
        self._policies = self._admission(USUAL, STATE_PATH, None, 8)

    @property
    def policies(self) -> Sequence[Policy]:
        return self._policies

    @abstractmethod
    def estimate(self, request: Request | EmbeddingRequest) -> Estimate:
        """What an attempt may use at most; see ``routing.target.Estimate``."""

    def bound(self, request: Request | EmbeddingRequest) -> Bound:
        """The most that an attempt can cost, for budgets; see ``routing.bound.Bound``."""
        if self.costs_nothing and self.options.pricing is None:
            return FREE
        if isinstance(request, EmbeddingRequest):
            return self.facts.bound(request, None, sends_maximum=False)
        return self.facts.bound(
            request,
            self.longest_answer(request),
            sends_maximum=self.sends_max_tokens(request),
            overhead=self.prompt_overhead,
        )

    def longest_answer(self, request: Request) -> int | None:
        """The most tokens of an answer to a request that says no ``max_tokens``; None: what the list of models says."""
        return None

    def sends_max_tokens(self, request: Request) -> bool:
        """Whether the service is told ``max_tokens`` and keeps to it."""
        return True

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._guarded = False
            if self._spending is not None:
                self._spending.close()

    def guard(
        self,
        *,
        breaker: BreakerSettings = USUAL,
        state: Path = STATE_PATH,
        whole: Account | None = None,
        shared: SharedState | None = None,
        workers: int = 8,
    ) -> None:
        """Put the policies of a Mediator in place: the backend's own limits, ``breaker``, and its ``whole`` budget.

        ``state`` is where budgets are kept, ``shared`` what other processes know too, ``workers`` how many calls a
        budget has to feed at a time. Called before the first request,
        by whoever assembles backends. Of several Mediators over one backend the first one's hold, and every budget.
        """
        if not self._guarded:
            self._guarded = True
            self._policies = self._admission(breaker, state, shared, workers)
            self._wholes = ()
        if whole is not None and whole not in self._wholes:
            from complaint_llm.routing.policies.budget import Budget

            self._wholes = (*self._wholes, whole)
            self._policies = (Budget(whole, self.bound), *self._policies)

    def _admission(
        self, breaker: BreakerSettings, state: Path, shared: SharedState | None, workers: int
    ) -> Sequence[Policy]:
        options = self.options
        if self._spending is not None:
            self._spending.close()
        if options.budget is not None:
            from complaint_llm.routing.policies.budget import Account
            from complaint_llm.routing.policies.budget_book import limits_of

            self._spending = Account(options.id, limits_of(options.budget), state, shared=shared, workers=workers)
        return admission(
            options.id,
            meter=self._meter,
            breaker=breaker,
            rate_limit=options.rate_limit,
            window=options.rate_limit_window,
            tokens_per_minute=options.tokens_per_minute,
            max_concurrency=options.max_concurrency,
            still_running=None if self.interruptible else self._still_running,
            on_rate_limit=options.retry.on_rate_limit,
            budget=self._spending,
            estimate=self.estimate,
            bound=self.bound,
            shared=shared,
        )

    def _still_running(self) -> int:
        """Attempts that were abandoned and still run: they keep their slots."""
        from complaint_llm.routing.threads.worker import abandoned_workers

        return len(abandoned_workers(self.id))
