"""Cerebras Cloud."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm_plugins.backends.openai.compatible import CompatibleBackend

from complaint_llm.backends import Capability


class CerebrasBackend(CompatibleBackend):
    """Cerebras' API. Its limiter reserves all of ``max_tokens`` when a request comes in: keep it small."""

    type: ClassVar[str] = "cerebras"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream", "tools", "structured"))
    default_base_url: ClassVar[str] = "https://api.cerebras.ai/v1"
    key_variables: ClassVar[tuple[str, ...]] = ("CEREBRAS_API_KEY",)
    needs_key: ClassVar[bool] = True
    model_data: ClassVar[Path | Mapping[str, Any]] = Path(__file__).with_name("models.json")
