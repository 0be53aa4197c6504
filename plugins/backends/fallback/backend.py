"""One backend first, others if it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from complaint_llm.backends import Backend, ComposedBackend, make_strategy


class FallbackBackend(ComposedBackend):
    """Asks ``primary``, then each of ``fallbacks`` until one answers."""

    type: ClassVar[str] = "fallback"

    def __init__(self, primary: Backend, fallbacks: Sequence[Backend], **keys: Any) -> None:
        super().__init__([primary, *fallbacks], make_strategy("fallback"), **keys)
