"""LM Studio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from complaint_llm_plugins.backends.openai.compatible import CompatibleBackend

from complaint_llm.backends.wire import parse_origin


class LMStudioBackend(CompatibleBackend):
    """LM Studio's server; ``base_url`` may leave out ``/v1``. On a loopback address it counts as local.

    It loads a model when it is first asked for: the first answer may take minutes.
    """

    type: ClassVar[str] = "lmstudio"
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    default_base_url: ClassVar[str] = "http://localhost:1234/v1"
    key_variables: ClassVar[tuple[str, ...]] = ("LM_API_TOKEN",)
    lists_all_models: ClassVar[bool] = False
    model_data: ClassVar[Path | Mapping[str, Any]] = Path(__file__).with_name("models.json")

    def address(self) -> str:
        address = super().address()
        return address if urlsplit(address).path.strip("/") else f"{address.rstrip('/')}/v1"

    @property
    def local(self) -> bool:
        """By an explicit ``location``; else whether the address is this machine's own."""
        given = self.options.location
        return given == "local" if given is not None else parse_origin(self.address()).loopback
