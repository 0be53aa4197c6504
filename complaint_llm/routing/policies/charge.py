"""What an attempt counts for in a budget when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.exceptions import BackendConnectionError, BackendError
from complaint_llm.routing.policies.bound import nano_of

if TYPE_CHECKING:
    from complaint_llm.routing.target import Outcome


def charge(outcome: Outcome, reserved: int) -> int:
    """Nano-dollars that an attempt cost; the reservation where nobody knows."""
    if outcome.output is not None:
        return reserved if outcome.output.cost is None else nano_of(outcome.output.cost)
    error = outcome.error
    return reserved if error is not None and _may_cost(error) else 0


def _may_cost(error: BackendError) -> bool:
    """Whether the provider may charge for an attempt that failed so."""
    if not error.sent:
        return False
    if error.maybe_received:
        return True
    refused = error.status is not None and error.status >= 400
    return not refused and not isinstance(error, BackendConnectionError)
