"""OpenRouter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm_plugins.backends.openai.compatible import CompatibleBackend
from complaint_llm_plugins.backends.openrouter.errors import read_error

from complaint_llm.backends import WireError
from complaint_llm.backends.wire import FileData


class OpenRouterBackend(CompatibleBackend):
    """OpenRouter's API. Who answered is in ``output.model`` and ``metadata["provider"]``, what it cost in ``cost``."""

    type: ClassVar[str] = "openrouter"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    default_base_url: ClassVar[str] = "https://openrouter.ai/api/v1"
    key_variables: ClassVar[tuple[str, ...]] = ("OPENROUTER_API_KEY",)
    needs_key: ClassVar[bool] = True
    model_data: ClassVar[Path | Mapping[str, Any]] = Path(__file__).with_name("models.json")

    document_data: ClassVar[FileData] = Path(__file__).with_name("documents.json")

    def decode_error(self, status: int | None, payload: Any) -> WireError:
        return read_error(status, payload)
