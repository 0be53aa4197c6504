"""xAI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm_plugins.backends.openai.compatible import Api, CompatibleBackend

from complaint_llm.backends import Capability


class XAIBackend(CompatibleBackend):
    """xAI's API. Own key: ``api`` ("responses", or "chat", which xAI calls deprecated)."""

    type: ClassVar[str] = "xai"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream", "tools", "images", "structured"))
    default_base_url: ClassVar[str] = "https://api.x.ai/v1"
    key_variables: ClassVar[tuple[str, ...]] = ("XAI_API_KEY",)
    needs_key: ClassVar[bool] = True
    apis: ClassVar[tuple[Api, ...]] = ("responses", "chat")
    model_data: ClassVar[Path | Mapping[str, Any]] = Path(__file__).with_name("models.json")
