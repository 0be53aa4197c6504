"""A Mediator whose backends are looked at, whatever is wrong with what its config has around calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.assembly import CallParts
from complaint_llm.guards.chain import GuardChain, GuardEntry
from complaint_llm.guards.guard import Guard, GuardRefusal, GuardRequest, TargetKind
from complaint_llm.mediator import Mediator
from complaint_llm.routing.strategies import Fallback

if TYPE_CHECKING:
    from complaint_llm.config import Config


class _NoCalls(Guard):
    """Refuses every call."""

    keeps_time = True

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        raise GuardRefusal("its backends are looked at, and not asked")


def open_for_no_call(config: Config) -> Mediator:
    """It has none of the config's guards, observers and strategy, and refuses every call. Raises ConfigError where no
    backend is left."""
    refusing = GuardEntry("no calls", _NoCalls(), scope="all")
    return Mediator.from_loaded(config, CallParts(Fallback(), GuardChain([refusing]), None))
