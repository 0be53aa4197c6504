"""Anthropic's Claude models over the Messages API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm_plugins.backends.anthropic import wire
from complaint_llm_plugins.backends.anthropic.errors import decode_error
from complaint_llm_plugins.backends.anthropic.schema import KNOWN, strict_schema
from complaint_llm_plugins.backends.anthropic.stream import MessagesDecoder

from complaint_llm.backends import AnswerLimits, HTTPBackend, Secret, WireError, WireRequest
from complaint_llm.backends.wire import (
    UNSUPPORTED,
    InexpressibleError,
    Means,
    ModelTable,
    SchemaRefusals,
    UnsupportedParameters,
    documents_in,
    is_lossless,
    merge_extra_body,
)
from complaint_llm.exceptions import ConfigError

if TYPE_CHECKING:
    from complaint_llm.backends import Capability, Request
    from complaint_llm.backends.wire import FileData
    from complaint_llm.messages import InferenceOutput

VERSION = "2023-06-01"
"""The ``anthropic-version`` that is sent where none is set: it still takes sampling parameters where the model does."""


class AnthropicBackend(HTTPBackend):
    """Claude. ``version`` is the ``anthropic-version`` header, a date.

    The key is ``api_key``, else ``ANTHROPIC_API_KEY``, else the bearer token ``ANTHROPIC_AUTH_TOKEN``.
    """

    type: ClassVar[str] = "anthropic"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream", "tools", "images", "structured"))
    default_base_url: ClassVar[str] = "https://api.anthropic.com"
    address_variables: ClassVar[tuple[str, ...]] = ("ANTHROPIC_BASE_URL",)
    key_variables: ClassVar[tuple[str, ...]] = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
    needs_key: ClassVar[bool] = True
    needs_model: ClassVar[bool] = True
    models_path: ClassVar[str] = "/v1/models"
    document_data: ClassVar[FileData] = Path(__file__).with_name("documents.json")

    def __init__(self, *, version: str = VERSION, **keys: Any) -> None:
        if len(version) != 10 or not version.replace("-", "").isdigit():
            raise ConfigError(f"version is a date such as {VERSION}, not {version!r}")
        self.version = version
        super().__init__(**keys)
        self._models = _table(version)
        self._unsupported = UnsupportedParameters(self.options.unsupported_parameters, self.log)

    def auth_headers(self) -> Mapping[str, str | Secret]:
        headers: dict[str, str | Secret] = {"anthropic-version": self.version}
        if self.api_key is not None:
            if self.api_key.variable == "ANTHROPIC_AUTH_TOKEN":
                headers["Authorization"] = Secret(f"Bearer {self.api_key.reveal()}")
            else:
                headers["x-api-key"] = self.api_key
        return headers

    def answer_limits(self, model: str) -> AnswerLimits:
        """The longest is what is sent as ``max_tokens`` where a request names none."""
        return AnswerLimits(longest=self._models.family(model).quirks.get("max_tokens", wire.MAX_TOKENS))

    def structured_output(self, request: Request) -> Means:
        if self._schema(request) is None:
            return "none"
        assert request.response_format is not None
        return "native" if is_lossless(request.response_format.schema, KNOWN) else "partly"

    def encode(self, request: Request) -> WireRequest:
        family = self._models.family(request.model or "")
        refused = self._unsupported_names(request)
        if refused:
            self._unsupported.check(refused, request.model or "")
        body = wire.encode(request, family.quirks.get("max_tokens", wire.MAX_TOKENS), self._schema(request))
        family.write({name: value for name, value in request.params.items() if name not in refused}, body)
        if request.extra_body:
            merge_extra_body(body, request.extra_body)
        return WireRequest(wire.PATH, body)

    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        return self.decoder(request).decode(payload)

    def decoder(self, request: Request) -> MessagesDecoder:
        documents = tuple(part.cid for part in documents_in(request.messages))
        return MessagesDecoder(self._metadata(request), self.error_inside, request.model or "", documents)

    schema_refusals: ClassVar[SchemaRefusals] = SchemaRefusals(unspecific=frozenset(("invalid_request_error",)))
    """A 400 names no parameter: "the compiled grammar is too large" is like any other bad request by its code."""

    def decode_error(self, status: int | None, payload: Any) -> WireError:
        return decode_error(payload)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _schema(self, request: Request) -> Mapping[str, Any] | None:
        """The schema that the API itself can hold the answer to; None where it cannot, or none is asked for."""
        wanted = request.response_format
        if (
            wanted is None
            or wanted.schema is None
            or not self._models.family(request.model or "").quirks.get("structured", True)
        ):
            return None
        try:
            return strict_schema(wanted.schema)
        except InexpressibleError:
            return None

    def _metadata(self, request: Request) -> Mapping[str, Any]:
        if not request.params:
            return {}
        refused = self._unsupported_names(request)
        return {UNSUPPORTED: list(refused)} if refused else {}

    def _unsupported_names(self, request: Request) -> tuple[str, ...]:
        """The parameters that the model does not take, or not at this point of the conversation."""
        refused = self._models.family(request.model or "").unsupported_names(request.params)
        budget = "thinking_budget"
        if budget in request.params and budget not in refused and wire.thinking_was_interrupted(request.messages):
            return (*refused, budget)
        return refused


def _table(version: str) -> ModelTable:
    """What models take under this version of the API: later versions refuse more."""
    data = json.loads((Path(__file__).with_name("models.json")).read_bytes())
    refused = {name: None for row in data["versions"] if version >= row["from"] for name in row["refuses"]}
    return ModelTable({**data, "names": {**data["names"], **refused}})


__all__ = ["VERSION", "AnthropicBackend"]
