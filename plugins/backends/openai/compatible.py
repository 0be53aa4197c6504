"""The base of every service that speaks OpenAI's wire. What differs between services is data, see ``model_data``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from complaint_llm_plugins.backends.openai import wire_chat
from complaint_llm_plugins.backends.openai.stream_chat import ChatDecoder

from complaint_llm.backends import (
    AnswerLimits,
    Capability,
    EmbeddingRequest,
    HTTPBackend,
    Request,
    WireError,
    WireRequest,
)
from complaint_llm.backends.wire import (
    EMPTY,
    Family,
    Means,
    ModelTable,
    SchemaRefusals,
    UnsupportedParameters,
    documents_in,
)
from complaint_llm.exceptions import ConfigError
from complaint_llm.messages import EmbeddingOutput, InferenceOutput

if TYPE_CHECKING:
    from complaint_llm_plugins.backends.openai.stream_responses import ResponsesDecoder

    from complaint_llm.backends.wire import FileRule

Api = Literal["chat", "responses"]


SCHEMA_REFUSALS = SchemaRefusals(
    codes=frozenset(("invalid_json_schema",)),
    places=("response_format", "text.format"),
    unspecific=frozenset(("invalid_request_error", "BadRequestError", "400", "bad_request", "invalid-argument")),
)
"""The code of OpenAI's Responses, the places of both its APIs, and what services call a request that is just bad:
OpenAI and most others, vLLM, numbers as codes, xAI."""


class ApiModule(Protocol):
    """The requests of one of the two APIs: a module of pure functions."""

    PARAMETERS: Mapping[str, Any]

    def encode(self, request: Request, family: Family, files: FileRule | None = None) -> WireRequest: ...


class CompatibleBackend(HTTPBackend):
    """A service with OpenAI's chat completions, and where ``apis`` says so its Responses.

    Any thread may call it; nothing of it changes but its connections.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream", "tools", "images", "structured", "embeddings"))
    needs_model: ClassVar[bool] = True
    apis: ClassVar[tuple[Api, ...]] = ("chat",)
    """What the service offers; the first is the default."""
    model_data: ClassVar[Path | Mapping[str, Any]] = EMPTY
    """Capability data of the service's models: see complaint_llm.backends.wire.parameters and the wires' own facts."""

    schema_refusals: ClassVar[SchemaRefusals] = SCHEMA_REFUSALS

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take away what the service lacks, where its data stands in the class (a provider that is only data)."""
        super().__init_subclass__(**kwargs)
        if isinstance(cls.model_data, Mapping):
            cls.capabilities -= frozenset(cls.model_data.get("facts", {}).get("lacks", ()))

    def __init__(self, *, api: Api | None = None, **keys: Any) -> None:
        super().__init__(**keys)
        self.api: Api = api or self.apis[0]
        if self.api not in self.apis:
            raise ConfigError(f"{self.id}: api is {' or '.join(map(repr, self.apis))}, not {api!r}")
        self._wire = _wire(self.api)
        self._models = ModelTable(_read(self.model_data), self._wire.PARAMETERS, fixed_names=self.api == "responses")
        self._unsupported = UnsupportedParameters(self.options.unsupported_parameters, self.log)

    @property
    def api_name(self) -> str:
        return self.api

    def structured_output(self, request: Request) -> Means:
        wanted = request.response_format
        if "structured" not in self.capabilities:
            return "json"
        if wanted is None or wanted.schema is None:
            return "native"
        from complaint_llm_plugins.backends.openai.strict import sent_schema  # cold start: schemas

        sent = sent_schema(wanted, self._models.family(request.model).quirks)
        # A schema beyond what strict mode understands is not held to by the service.
        if sent.schema is None or (wanted.strict and sent.strict is False):
            return "json"
        return "native" if sent.lossless else "partly"

    def answer_limits(self, model: str) -> AnswerLimits:
        return AnswerLimits(sends_maximum=self._models.family(model).takes_maximum)

    def encode(self, request: Request) -> WireRequest:
        family = self._models.family(request.model)
        refused = family.unsupported_names(request.params)
        if refused:
            self._unsupported.check(refused, request.model or "")
        has_files = any(documents_in(request.messages))
        return self._wire.encode(request, family, self.file_rule(request.model) if has_files else None)

    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        return self.decoder(request).decode(payload)

    def decoder(self, request: Request) -> ChatDecoder | ResponsesDecoder:
        if self.api == "responses":
            # cold start: the other API
            from complaint_llm_plugins.backends.openai.stream_responses import ResponsesDecoder

            return ResponsesDecoder(request, self._models.family(request.model), self.error_inside)
        return ChatDecoder(request, self._models.family(request.model), self.error_inside)

    def decode_error(self, status: int | None, payload: Any) -> WireError:
        from complaint_llm_plugins.backends.openai.errors import read_error  # cold start: errors

        return read_error(status, payload)

    def encode_embedding(self, request: EmbeddingRequest) -> WireRequest:
        from complaint_llm_plugins.backends.openai import wire_embeddings  # cold start: vectors

        return wire_embeddings.encode(request)

    def decode_embedding(self, payload: Any, request: EmbeddingRequest) -> EmbeddingOutput:
        from complaint_llm_plugins.backends.openai import wire_embeddings  # cold start: vectors

        return wire_embeddings.decode(payload, self.error_inside)


def _wire(api: Api) -> ApiModule:
    if api == "responses":
        from complaint_llm_plugins.backends.openai import wire_responses  # cold start: the other API

        return wire_responses
    return wire_chat


def _read(models: Path | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(models, Path):
        return models
    read: Mapping[str, Any] = json.loads(models.read_bytes())
    return read
