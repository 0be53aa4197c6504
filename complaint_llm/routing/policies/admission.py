"""The policies that guard one backend, in the order in which they are asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from complaint_llm.routing.policies.breaker import USUAL, Breaker, BreakerSettings
from complaint_llm.routing.policies.concurrency import Concurrency
from complaint_llm.routing.policies.rate_limit import RateLimit
from complaint_llm.routing.threads.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from complaint_llm.call import Clock
    from complaint_llm.routing.policies.bound import Bound
    from complaint_llm.routing.policies.budget import Account
    from complaint_llm.routing.policies.load_meter import Meter
    from complaint_llm.routing.policies.provider_limits import ProviderLimits
    from complaint_llm.routing.redis.connection import SharedState
    from complaint_llm.routing.target import AnyRequest, Estimate, Policy


def admission(
    id: str,
    *,
    meter: Meter | None = None,
    breaker: BreakerSettings | None = USUAL,
    max_concurrency: int | None = None,
    still_running: Callable[[], int] | None = None,
    rate_limit: int | None = None,
    window: float = 60.0,
    tokens_per_minute: int | None = None,
    on_rate_limit: bool = True,
    budget: Account | None = None,
    estimate: Callable[[AnyRequest], Estimate] | None = None,
    bound: Callable[[AnyRequest], Bound] | None = None,
    shared: SharedState | None = None,
    clock: Clock = time.monotonic,
    make_waiter: Callable[[], Waiter] = Waiter,
) -> tuple[Policy, ...]:
    """The policies of backend ``id``: what is not given is not there, but the last is always its RateLimit.

    The rate limit comes last, so that nothing waits between its admission and the sending: what it admits is sent now.
    """
    policies: list[Policy] = []
    # First, for it refuses without waiting: what it refuses is not counted as load.
    if breaker is not None:
        policies.append(Breaker(id, breaker, clock))
    if meter is not None:
        policies.append(meter)
    if budget is not None:
        if bound is None:
            raise TypeError("a budget needs the most that a request can cost")
        from complaint_llm.routing.policies.budget import Budget  # cold start

        policies.append(Budget(budget, bound))
    if max_concurrency is not None:
        policies.append(Concurrency(max_concurrency, clock, make_waiter, still_running))
    limit = RateLimit(
        id,
        requests=rate_limit,
        window=window,
        tokens_per_minute=tokens_per_minute,
        estimate=estimate,
        wait=on_rate_limit,
        clock=clock,
        make_waiter=make_waiter,
    )
    if shared is None:
        policies.append(limit)
    else:
        from complaint_llm.routing.redis.rate_limit import SharedRateLimit  # extra

        together = SharedRateLimit(
            id,
            limit,
            shared,
            requests=rate_limit,
            window=window,
            tokens_per_minute=tokens_per_minute,
            wait=on_rate_limit,
            clock=clock,
            make_waiter=make_waiter,
        )
        policies.append(together)
    return tuple(policies)


def observe_limits(policies: Sequence[Policy], limits: ProviderLimits) -> None:
    """Tell the rate limit among ``policies`` what a provider said of its own."""
    for policy in policies:
        observe = getattr(policy, "observe_limits", None)
        if observe is not None:
            observe(limits)
