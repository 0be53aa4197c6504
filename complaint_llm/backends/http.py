"""A backend behind an HTTP API: one request, one answer or one event stream.

Authors write ``encode`` and ``decode`` (and ``decoder`` for streams), or, for a simple API, ``prepare_request`` and
``parse_response``. Everything else (connections, deadlines, errors, secrets) is done here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from complaint_llm import bounded_json
from complaint_llm.backends.advice import with_advice
from complaint_llm.backends.answers.provider_state import service_at
from complaint_llm.backends.base import Backend
from complaint_llm.backends.http_messages import (
    HTTPResponse,
    WireRequest,
    json_bytes,
    load_answer,
    parsed_answer,
    read_all,
    request_name,
    split_texts,
)
from complaint_llm.backends.usual_key import usual_key
from complaint_llm.backends.wire.error_bodies import (
    error_fields,
    error_words,
    inside_status,
    known_kind,
    without_secrets,
)
from complaint_llm.backends.wire.schema_refusal import SchemaRefusals
from complaint_llm.backends.wire.status_table import WireError, make_error
from complaint_llm.bounded_json import MAX_ITEMS
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ConfigError,
    InvalidRequestError,
    ResponseFormatError,
)
from complaint_llm.messages import EmbeddingOutput, InferenceOutput, ModelInfo, StreamEvent
from complaint_llm.model_info import INCOMPLETE
from complaint_llm.prices import provider_of
from complaint_llm.request import EMPTY, EmbeddingRequest, Request
from complaint_llm.secrets import Redactor, Secret
from complaint_llm.transport import Response, Transport
from complaint_llm.transport.failures import without_frames

if TYPE_CHECKING:
    from complaint_llm.backends.service_models import ServiceModels
    from complaint_llm.backends.wire.documents import FileData, FileRule, FileRules
    from complaint_llm.backends.wire.event_stream import StreamDecoder, StreamFormat

MOST_DIMENSIONS = 16_384
"""Numbers of one vector; the largest known models have 8,192."""


class HTTPBackend(Backend):
    """The base of backends that speak HTTP. ``base_url`` is the config's, else ``default_base_url``.

    The simple way::

        class Gateway(HTTPBackend):
            def prepare_request(self, prompt, **params):
                return {"endpoint": "/ask", "payload": {"question": prompt, **params}}

            def parse_response(self, response):
                return response.json()["answer"]

        Gateway(base_url="http://127.0.0.1:8091").generate("Is the clause valid?")
    """

    interruptible: ClassVar[bool] = True
    default_base_url: ClassVar[str] = ""
    address_variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables that may hold the base URL where the config gives none."""
    key_variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables that usually hold the key; the first that is set counts where no ``api_key`` is given."""
    needs_key: ClassVar[bool] = False
    document_data: ClassVar[FileData] = ()
    """Which files the service takes as they are: see complaint_llm.backends.wire.documents."""
    documented_base_url: ClassVar[str | None] = None
    """The address of the service that ``document_data`` tells of; None: ``default_base_url``."""

    def __init__(self, **keys: Any) -> None:
        super().__init__(**keys)
        base_url = self.address()
        if not base_url:
            raise ConfigError(f"{self.id}: no base_url: give the address of the API")
        self.base_url = base_url.rstrip("/")
        self.api_key: Secret | None = self.options.api_key or usual_key(self.key_variables)
        headers: dict[str, str | Secret] = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            **self.auth_headers(),
            **self.options.custom_headers,
        }
        self._file_rules: FileRules | None = None
        self.redact = Redactor([self.api_key, *(v for v in headers.values() if isinstance(v, Secret))])
        self.transport = Transport(
            self.base_url,
            headers=headers,
            connect_timeout=self.options.connection_timeout,
            local_only=self.local,
            redact=self.redact,
        )

    @property
    def at_own_provider(self) -> bool:
        # What is known of a provider says nothing of another server that is asked in its place.
        named = self.type_handling.hosts
        own = self.default_base_url if self.documented_base_url is None else self.documented_base_url
        usual = urlsplit(own).hostname
        return self.type_handling.holds_at(self.host) if named else usual is not None and self.host == usual

    # -- what an author writes -----------------------------------------------------------------------------------

    def address(self) -> str:
        """The URL that paths are put after, known before anything else of this backend is made; without it ConfigError.

        The config's, else that of the first set of ``address_variables``, else ``default_base_url``.
        """
        given = self.options.base_url or next(filter(None, map(os.environ.get, self.address_variables)), None)
        return given or self.default_base_url

    def auth_headers(self) -> Mapping[str, str | Secret]:
        """The headers that carry the key: a bearer token unless overridden."""
        return {} if self.api_key is None else {"Authorization": Secret(f"Bearer {self.api_key.reveal()}")}

    def encode(self, request: Request) -> WireRequest:
        """The HTTP request for one attempt. Pure."""
        from complaint_llm.backends.wire.prompts import as_prompt  # cold start: the simple way

        prepared = self.prepare_request(as_prompt(request.messages), **request.params)
        return WireRequest(
            prepared["endpoint"],
            prepared.get("payload"),
            prepared.get("headers", EMPTY),
            prepared.get("method", "POST"),
        )

    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        """The answer in a parsed JSON body. Pure. Raises ResponseFormatError, or the error that the body tells of."""
        raise InvalidRequestError(f"{type(self).__name__} has neither decode nor parse_response", sent=False)

    stream_format: ClassVar[StreamFormat] = "sse"
    """How the service cuts a stream: "sse" for server-sent events, "ndjson" for a line of JSON each. The decoder gets
    both as events."""

    def decoder(self, request: Request) -> StreamDecoder:
        """Reads an event stream. Only called where ``capabilities`` has "stream"."""
        raise InvalidRequestError(f"{type(self).__name__} has no decoder", sent=False)

    def decode_error(self, status: int | None, payload: Any) -> WireError:
        """What an error body (parsed JSON, or a text that is none) says; ``status`` is None inside an answer."""
        fields = error_fields(payload)
        code, kind = (None if value is None else str(value) for value in (fields.get("code"), fields.get("type")))
        return WireError(error_words(fields), code or kind)

    schema_refusals: ClassVar[SchemaRefusals] = SchemaRefusals()
    """How the provider says that a schema is refused, for those that take schemas."""

    def refuses_schema(self, error: BackendError) -> bool:
        return self.schema_refusals.may_be_meant(error)

    def error_inside(self, payload: Any, status: int | None = None) -> BackendError:
        """The error to raise for an error body that came inside an HTTP 200; ``status`` where it is known otherwise
        than from the body."""
        status = status or inside_status(payload)
        found = self.decode_error(status, payload)
        if found.kind is None and status is None:
            found = found._replace(kind=known_kind(payload))
        return with_advice(make_error(status, found, EMPTY, redact=self.redact), self)

    def encode_embedding(self, request: EmbeddingRequest) -> WireRequest:
        """The HTTP request that embeds the texts. Only called where ``capabilities`` has "embeddings"."""
        raise InvalidRequestError(f"{type(self).__name__} has no embeddings", sent=False)

    def decode_embedding(self, payload: Any, request: EmbeddingRequest) -> EmbeddingOutput:
        """The vectors in a parsed JSON body."""
        raise InvalidRequestError(f"{type(self).__name__} has no embeddings", sent=False)

    embedding_batch: ClassVar[int] = 2048
    """How many texts one embedding request may hold."""
    embedding_bytes: ClassVar[int | None] = None
    """How many bytes of text it may hold, where the provider limits its tokens: a token has at least a byte."""

    def prepare_request(self, prompt: str, **params: Any) -> Mapping[str, Any]:
        """The simple way: ``{"endpoint", "payload"}`` and optionally ``"method"`` and ``"headers"`` for a prompt."""
        raise InvalidRequestError(f"{type(self).__name__} has neither encode nor prepare_request", sent=False)

    def parse_response(self, response: HTTPResponse) -> str | InferenceOutput:
        """The simple way: the answer in a successful response. Written together with ``prepare_request``."""
        raise InvalidRequestError(f"{type(self).__name__} has neither decode nor parse_response", sent=False)

    # -- one attempt ---------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> InferenceOutput:
        self._check_key()
        response = self._send(self.encode(request), request)
        if type(self).parse_response is not HTTPBackend.parse_response:
            return parsed_answer(self.parse_response, HTTPResponse(response, self.redact))
        return self.decode(load_answer(response, self.redact), request)

    def answer_stream(self, request: Request) -> Iterable[StreamEvent]:
        if "stream" not in self.capabilities:
            return super().answer_stream(request)
        from complaint_llm.backends.wire.event_stream import MEDIA_TYPES, HTTPEventStream  # cold start: streams

        self._check_key()
        wire = self.encode(request)
        body = self._body(wire)
        stream = self.transport.stream(
            wire.method,
            wire.path,
            body,
            headers={"Accept": MEDIA_TYPES[self.stream_format], **self._headers(wire, body, request)},
            deadline=request.deadline,
            cancel=request.cancel,
            local_only=request.privacy == "local",
        )
        self.backend_target.observe_headers(stream.headers)
        if stream.status >= 400:
            raise self.response_error(self._log_response(wire, read_all(stream)))
        return HTTPEventStream(
            stream,
            self.decoder(request),
            self.stream_format,
            lambda response: self._events_of_json(wire, response, request),
        ).open()

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        self._check_key()
        vectors: list[tuple[float, ...]] = []
        prompt_tokens, complete = 0, True
        model = ""
        for texts in split_texts(request.texts, self.embedding_batch, self.embedding_bytes):
            part = request._replace(texts=texts)
            items = MAX_ITEMS + len(texts) * MOST_DIMENSIONS
            try:
                response = self._send(self.encode_embedding(part), request)
                output = self.decode_embedding(load_answer(response, self.redact, items), part)
            except BackendError as error:
                # The parts before it are billed, whatever became of this one.
                error.maybe_received = error.maybe_received or bool(vectors)
                raise
            if len(output.vectors) != len(part.texts):
                raise ResponseFormatError(f"{len(output.vectors)} vectors for {len(part.texts)} texts")
            vectors.extend(output.vectors)
            prompt_tokens += output.token_usage.prompt_tokens
            complete = complete and output.token_usage.is_complete
            model = output.model
        usage = output.token_usage._replace(prompt_tokens=prompt_tokens, total_tokens=prompt_tokens)
        if not complete:
            usage = usage._replace(unpriced=INCOMPLETE)
        return EmbeddingOutput(tuple(vectors), usage, model=model)

    models_path: ClassVar[str] = "/models"
    """Where the API lists its models: what ``check`` asks for, to see that address and key are right."""
    lists_all_models: ClassVar[bool] = True
    """Whether a model that is not in that list cannot be asked (a deployment's name, for one, is in none)."""

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> str | None:
        """Raises AuthenticationError without a needed key; with ``connect`` also if the key is refused,
        ModelNotFoundError if the API's list of models does not have the config's, and BackendConnectionError,
        BackendTimeoutError or ServerError if the API does not answer."""
        self._check_key()
        return self._model_list(timeout).check() if connect else None

    def list_models(self, timeout: float = 10.0) -> Sequence[ModelInfo] | None:
        self._check_key()
        return self._model_list(timeout).infos()

    def _model_list(self, timeout: float) -> ServiceModels:
        from complaint_llm.backends.service_models import ServiceModels  # cold start: for those who look

        return ServiceModels(self, timeout)

    def response_error(self, response: Response) -> BackendError:
        """The error that a failed response tells of."""
        text = response.body[:65536].decode("utf-8", "replace")
        try:
            payload: Any = bounded_json.loads(text)
        except ValueError:
            payload = text
        found = make_error(
            response.status, self.decode_error(response.status, payload), response.headers, redact=self.redact
        )
        return with_advice(found, self)

    @property
    def document_types(self) -> frozenset[str]:  # type: ignore[override]
        """What the service's documentation says of the model that the config names; a class may say it itself."""
        return self.file_rule(self.options.model).types

    def file_rule(self, model: str | None) -> FileRule:
        """What the service's documentation says of the model. Of what answers at any other address than the service's
        own nothing is known: it is given text, unless the config says ``"documents": "native"``."""
        from complaint_llm.backends.wire.documents import NO_FILES, FileRules  # cold start: documents

        if type(self).document_types is not HTTPBackend.document_types:
            return super().file_rule(model)
        if self._file_rules is None:
            self._file_rules = FileRules(self.document_data)
        own = self.default_base_url if self.documented_base_url is None else self.documented_base_url
        elsewhere = bool(own) and service_at(own) != service_at(self.base_url)
        if elsewhere and self.options.documents != "native":
            return NO_FILES
        asked = model or self.options.model
        return self._file_rules.rule(asked, self.api_name, self.model_catalog.of(asked or "").context_window)

    @property
    def api_name(self) -> str | None:
        """Which of the service's APIs it speaks, where there are several."""
        return None

    def service_name(self) -> str:
        """Known by the address: what one service signed, another on the same wire refuses."""
        return service_at(self.base_url)

    def price_provider(self) -> str | None:
        """Known by the address: a proxy or a server on this machine has no list price."""
        return provider_of(self.base_url)

    def close_resources(self) -> None:
        self.transport.close()

    # -- inside --------------------------------------------------------------------------------------------------

    def _send(self, wire: WireRequest, request: Request | EmbeddingRequest) -> Response:
        body = self._body(wire)
        response = self.transport.request(
            wire.method,
            wire.path,
            body,
            headers=self._headers(wire, body, request),
            deadline=request.deadline,
            cancel=request.cancel,
            local_only=request.privacy == "local",
        )
        self.backend_target.observe_headers(response.headers)
        if self.options.verbose:
            self._log_response(wire, response)
        if response.status >= 400:
            raise self.response_error(response)
        return response

    def _headers(self, wire: WireRequest, body: bytes | None, request: Request | EmbeddingRequest) -> Mapping[str, str]:
        name = self.options.idempotency_header
        if name is None:
            return wire.headers
        return {name: request_name(f"{request.deadline.call_id} {self.id} ", body), **wire.headers}

    def _log_response(self, wire: WireRequest, response: Response) -> Response:
        if self.options.verbose:
            self.log.debug("%s answered %d: %s", wire.path, response.status, self._text_to_log(response.body))
        return response

    def _events_of_json(self, wire: WireRequest, response: Response, request: Request) -> Iterable[StreamEvent]:
        """Of an answer that came in one piece where a stream was asked for."""
        from complaint_llm.backends.streams import as_events  # cold start: streams

        return as_events(self.decode(load_answer(self._log_response(wire, response), self.redact), request))

    def _body(self, wire: WireRequest) -> bytes | None:
        body = json_bytes(wire.body)
        if self.options.verbose and body is not None:
            self.log.debug("%s %s: %s", wire.method, wire.path, self._text_to_log(body))
        return body

    def _text_to_log(self, body: bytes) -> str:
        # Cut after the secrets are: half a key is one, too.
        return self.redact(body[:65536].decode("utf-8", "replace"))[:4096]

    def as_backend_error(self, error: Exception) -> BackendError:
        # Frames hold the answer in their locals. Those of a foreign exception stay: they lead to a plugin's mistake.
        if isinstance(error, BackendError):
            without_frames(error)
        return without_secrets(super().as_backend_error(error), self.redact)

    def _check_key(self) -> None:
        if self.needs_key and self.api_key is None:
            wanted = " or ".join(self.key_variables) or "api_key"
            raise AuthenticationError(f"no key: set api_key or {wanted}", sent=False)


__all__ = [
    "HTTPBackend",
    "HTTPResponse",
    "WireError",
    "WireRequest",
]
