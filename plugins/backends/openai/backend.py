"""OpenAI."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm_plugins.backends.openai.compatible import Api, CompatibleBackend

from complaint_llm.backends import Secret
from complaint_llm.backends.wire import FileData


class OpenAIBackend(CompatibleBackend):
    """OpenAI's API.

    Own keys: ``organization`` and ``project`` (ids, else ``OPENAI_ORG_ID`` and ``OPENAI_PROJECT_ID``), ``api`` ("chat"
    for chat completions, "responses"). ``base_url`` is the config's, else ``OPENAI_BASE_URL``, else OpenAI's own.
    """

    type: ClassVar[str] = "openai"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    address_variables: ClassVar[tuple[str, ...]] = ("OPENAI_BASE_URL",)
    key_variables: ClassVar[tuple[str, ...]] = ("OPENAI_API_KEY",)
    needs_key: ClassVar[bool] = True
    apis: ClassVar[tuple[Api, ...]] = ("chat", "responses")
    embedding_bytes: ClassVar[int | None] = 300_000
    """OpenAI takes at most 300,000 tokens in one request."""
    model_data: ClassVar[Path | Mapping[str, Any]] = Path(__file__).with_name("models.json")

    document_data: ClassVar[FileData] = Path(__file__).with_name("documents.json")

    def __init__(self, *, organization: str | None = None, project: str | None = None, **keys: Any) -> None:
        # The variables belong to OpenAI's own key: a type made from this one with another key does not read them. The
        # environment itself is no local variable: a traceback that prints locals would show every key in it.
        own = "OPENAI_API_KEY" in self.key_variables
        self._account = {
            "OpenAI-Organization": organization or (os.environ.get("OPENAI_ORG_ID") if own else None),
            "OpenAI-Project": project or (os.environ.get("OPENAI_PROJECT_ID") if own else None),
        }
        super().__init__(**keys)

    def auth_headers(self) -> Mapping[str, str | Secret]:
        return {**super().auth_headers(), **{name: value for name, value in self._account.items() if value}}
