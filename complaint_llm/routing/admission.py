"""The policies that guard one backend, in the order in which they are asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from complaint_llm.routing.breaker import Breaker, BreakerSettings

if TYPE_CHECKING:
    from complaint_llm.call import Clock
    from complaint_llm.routing.candidate import Policy
    from complaint_llm.routing.meter import Meter


def admission(
    id: str,
    *,
    breaker: BreakerSettings | None = BreakerSettings(),
    meter: Meter | None = None,
    rate_limit: int | None = None,
    window: float = 60.0,
    tokens_per_minute: int | None = None,
    max_concurrency: int | None = None,
    on_rate_limit: bool = True,
    clock: Clock = time.monotonic,
) -> tuple[Policy, ...]:
    """The policies of backend ``id``: what is not given is not there."""
    policies: list[Policy] = []
    if meter is not None:
        policies.append(meter)
    if breaker is not None:
        policies.append(Breaker(id, breaker, clock))
    return tuple(policies)
