"""Several backends that share the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from complaint_llm.backends import Backend, ComposedBackend, make_strategy


class LoadBalancedBackend(ComposedBackend):
    """Spreads requests over ``backends`` by ``strategy``; if the chosen one fails, the others follow."""

    type: ClassVar[str] = "load_balanced"

    def __init__(self, backends: Sequence[Backend], strategy: str = "round_robin", **keys: Any) -> None:
        super().__init__(backends, make_strategy(strategy), **keys)
