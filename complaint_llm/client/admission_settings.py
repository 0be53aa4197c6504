"""What a Mediator asks of every attempt at its backends, and where that is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm.named_tuples import NamedTuple
from complaint_llm.routing.policies.breaker import USUAL, BreakerSettings
from complaint_llm.routing.policies.state_folder import STATE_PATH

if TYPE_CHECKING:
    from complaint_llm.routing.redis.connection import SharedState


class AdmissionSettings(NamedTuple):
    """How the limits of a backend are kept: the breaker's settings, the file of budgets, what other processes know too,
    and how many calls a budget has to feed at a time."""

    breaker: BreakerSettings = USUAL
    state: Path = STATE_PATH
    shared: SharedState | None = None
    workers: int = 8


ALONE = AdmissionSettings()
"""Those of a backend that is used without a Mediator."""
