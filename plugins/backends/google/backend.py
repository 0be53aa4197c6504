"""Google's Gemini models over the Gemini API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm_plugins.backends.google import embeddings, wire
from complaint_llm_plugins.backends.google.errors import decode_error
from complaint_llm_plugins.backends.google.schema import KNOWN, sent_schema
from complaint_llm_plugins.backends.google.stream import GeminiDecoder

from complaint_llm.backends import HTTPBackend, WireError, WireRequest
from complaint_llm.backends.wire import (
    UNSUPPORTED,
    Means,
    ModelTable,
    SchemaRefusals,
    UnsupportedParameters,
    is_lossless,
)

if TYPE_CHECKING:
    from complaint_llm.backends import Capability, EmbeddingRequest, Request, Secret
    from complaint_llm.backends.wire import FileData
    from complaint_llm.messages import EmbeddingOutput, InferenceOutput


class GoogleBackend(HTTPBackend):
    """Gemini. The key is ``api_key``, else ``GOOGLE_API_KEY``, else ``GEMINI_API_KEY``; it travels in a header only."""

    type: ClassVar[str] = "google"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream", "tools", "images", "structured", "embeddings"))
    default_base_url: ClassVar[str] = "https://generativelanguage.googleapis.com"
    address_variables: ClassVar[tuple[str, ...]] = ("GOOGLE_GEMINI_BASE_URL",)
    key_variables: ClassVar[tuple[str, ...]] = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
    needs_key: ClassVar[bool] = True
    needs_model: ClassVar[bool] = True
    models_path: ClassVar[str] = "/v1beta/models"
    document_data: ClassVar[FileData] = Path(__file__).with_name("documents.json")
    embedding_batch: ClassVar[int] = 100

    def __init__(self, **keys: Any) -> None:
        super().__init__(**keys)
        self._models = ModelTable.read(Path(__file__).with_name("models.json"))
        self._unsupported = UnsupportedParameters(self.options.unsupported_parameters, self.log)

    def auth_headers(self) -> Mapping[str, str | Secret]:
        return {} if self.api_key is None else {"x-goog-api-key": self.api_key}

    def structured_output(self, request: Request) -> Means:
        wanted = request.response_format
        if wanted is None or wanted.schema is None:
            return "native"
        if sent_schema(wanted.schema) is None:
            return "json"
        return "native" if is_lossless(wanted.schema, KNOWN) else "partly"

    def encode(self, request: Request) -> WireRequest:
        family = self._models.family(request.model or "")
        refused = family.unsupported_names(request.params)
        if refused:
            self._unsupported.check(refused, request.model or "")
        return wire.encode(request, family)

    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        return self.decoder(request).decode(payload)

    def decoder(self, request: Request) -> GeminiDecoder:
        return GeminiDecoder(request, self._metadata(request), self.error_inside)

    schema_refusals: ClassVar[SchemaRefusals] = SchemaRefusals(
        places=("generation_config.response_json_schema", "generationConfig.responseJsonSchema"),
        unspecific=frozenset(("INVALID_ARGUMENT",)),
    )

    def decode_error(self, status: int | None, payload: Any) -> WireError:
        return decode_error(payload)

    def encode_embedding(self, request: EmbeddingRequest) -> WireRequest:
        return embeddings.encode(request)

    def decode_embedding(self, payload: Any, request: EmbeddingRequest) -> EmbeddingOutput:
        return embeddings.decode(payload)

    def _metadata(self, request: Request) -> Mapping[str, Any]:
        if not request.params:
            return {}
        refused = self._models.family(request.model or "").unsupported_names(request.params)
        return {UNSUPPORTED: list(refused)} if refused else {}


__all__ = ["GoogleBackend"]
