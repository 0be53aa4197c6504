"""Everything that answers is a Backend.

A provider's backend answers one attempt (``answer``, ``answer_stream``, ``answer_embedding``); the public methods
(``asking``) carry deadline, retries, limits and fallback through the one attempt loop, the same for a backend used
alone, a composed one and the Mediator. Any thread may call any method.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

from complaint_llm.backends.answers.empty_answer import check_answered
from complaint_llm.backends.answers.provider_state import sealed, with_own_state
from complaint_llm.backends.asking import Asking
from complaint_llm.backends.guarded import Guarded
from complaint_llm.backends.model_catalog import ModelFacts
from complaint_llm.backends.options import COMMON_KEYS, Options, key_rules, read_options, resolve_aliases
from complaint_llm.backends.wire.call_ids import StreamedNewIds, known_ids, with_new_ids
from complaint_llm.backends.wire.schema_refusal import Means, NativeSchemas
from complaint_llm.exceptions import BackendError, InvalidRequestError, ResponseFormatError
from complaint_llm.messages import EmbeddingOutput, InferenceOutput, ModelInfo, StreamEvent
from complaint_llm.own_copy import own_fields
from complaint_llm.request import EmbeddingRequest, Request, as_messages
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import Estimate

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_llm.backends.answers.structured import Check
    from complaint_llm.json_schema.given_keys import KeyRules
    from complaint_llm.routing.cache.response_cache import Cache
    from complaint_llm.routing.target import EventStream, RetryPolicy, Target

T = TypeVar("T")

Capability = Literal["stream", "tools", "images", "structured", "embeddings"]


class Backend(Guarded):
    """The base of all backends.

    Constructors take the config keys of the type by name. Raises TypeError for an unknown key and ConfigError, with a
    line for each, for values that a config file may not have either.
    """

    type: ClassVar[str] = ""
    """The type's name in a config."""
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    """What this backend can do beyond text in, text out."""
    interruptible: ClassVar[bool] = False
    """Whether ``answer`` keeps to ``request.deadline`` and ``request.cancel`` by itself. If not, it runs on a worker
    thread that is abandoned at the deadline."""
    demo: ClassVar[bool] = False
    """Whether it answers without a model (a mock), which must never pass for one."""
    default_location: ClassVar[Literal["local", "remote"]] = "remote"
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = None
    """The JSON Schema of the type's own keys (or its file), which constructors hold their arguments to."""

    _made_with: tuple[Sequence[Any], Mapping[str, Any]]

    def __new__(cls, *given: Any, **keys: Any) -> Self:
        made = super().__new__(cls)
        made._made_with = given, {key: value for key, value in keys.items() if key not in COMMON_KEYS}
        return made

    def __init__(self, **keys: Any) -> None:
        super().__init__()
        given = resolve_aliases(keys)
        self._check_keys({**self._made_with[1], **given})
        self.options: Options = read_options(given, self._made_up_id())
        self.log = logging.getLogger(f"complaint_llm.backend.{self.options.id}")
        self.facts = ModelFacts(self.type, self.capabilities, self.options, self.price_provider)
        self._identities: dict[str | None, str] = {}
        self._native_schemas = NativeSchemas(self.structured_output, self.refuses_schema, self.log)
        self.guard_alone()
        self._router = Router(cache=self._own_cache())

    # -- what an author writes -----------------------------------------------------------------------------------

    def answer(self, request: Request) -> InferenceOutput:
        """Answer once: one attempt, nothing more. Raises a BackendError.

        The default collects ``answer_stream``; write at least one of the two.
        """
        if type(self).answer_stream is Backend.answer_stream:
            from complaint_llm.backends.adapters import answer_as_written

            return answer_as_written(self, request)
        from complaint_llm.backends.streams import collect

        return collect(self.answer_stream(request))

    def answer_stream(self, request: Request) -> Iterable[StreamEvent]:
        """Answer once, piece by piece; the last event is ``Done``. The default hands the whole answer out at once."""
        if type(self).answer is Backend.answer:
            from complaint_llm.backends.adapters import stream_as_written

            return stream_as_written(self, request)
        from complaint_llm.backends.streams import as_events

        return as_events(self.answer(request))

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        """Embed all texts of the request, once."""
        raise InvalidRequestError("has no embeddings: choose a backend with an embedding_model", sent=False)

    def structured_output(self, request: Request) -> Means:
        """What the provider does for ``request.response_format``: holds answers to it ("native"), to a part of it
        ("partly"), only to be JSON ("json"), or nothing ("none").

        For the last two the schema is asked for in words. Unless "native", an answer that does not fit is asked for
        once more.
        """
        return "native" if "structured" in self.capabilities else "none"

    def refuses_schema(self, error: BackendError) -> bool:
        """Whether ``error`` is, or may be, the provider's refusal of the schema itself (too large, a keyword it lacks).

        Then the request is sent once more with the schema in words; if that is answered, so are further ones.
        """
        return False

    def model_info(self) -> ModelInfo:
        """What is known of this backend's model. Prices are None where unknown."""
        return self.facts.of(self.options.model or "")

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
        """Raise a BackendError if this backend cannot work; with ``connect`` it is contacted, but no prompt is sent."""

    def load(self) -> None:
        """Make ready what answering needs, such as a local model; otherwise the first request does it."""

    def is_loaded(self) -> bool:
        """Whether that was done."""
        return True

    def unload(self) -> None:
        """Give back what ``load`` took; the next request loads it again."""

    def supports_function_calling(self) -> bool:
        """Whether tools can be given."""
        return "tools" in self.capabilities

    def supports_streaming(self) -> bool:
        """Whether answers arrive piece by piece rather than whole."""
        kind = type(self)
        own = kind.stream_generate is not Asking.stream_generate or kind.generate_stream is not Asking.generate_stream
        return own or "stream" in self.capabilities

    # -- what the attempt loop calls: see routing.target.Target ---------------------------------------------

    @property
    def timeout(self) -> float | None:
        return self.options.timeout

    @property
    def retry(self) -> RetryPolicy:
        return self.options.retry

    @property
    def weight(self) -> float:
        return self.options.weight

    @property
    def caches(self) -> bool:
        """Whether its answers may be kept and given again."""
        return self.options.cache_enabled

    @property
    def cache_ttl(self) -> float | None:
        return self.options.cache_ttl

    @property
    def cancellable(self) -> bool:
        return self.interruptible

    @property
    def local(self) -> bool:
        """Whether data stays on this machine by type or by an explicit ``"location": "local"``."""
        return (self.options.location or self.default_location) == "local"

    def targets(self, request: Request | EmbeddingRequest) -> Sequence[Target]:
        """The backends that may answer, in the order to try them: this one, or a composed one's parts."""
        return (self,)

    def fixed_content(self) -> Mapping[str, Any]:
        """What this backend puts into each request whatever is asked, by the config's keys for it."""
        return {"extra_body": self.options.extra_body}

    def lacks(self, request: Request | EmbeddingRequest) -> str | None:
        if request.privacy == "local":
            from complaint_llm.privacy import fixed_elsewhere

            found = fixed_elsewhere(self.fixed_content())
            if found is not None:
                return found
        can = self.capabilities
        if isinstance(request, EmbeddingRequest):
            return None if "embeddings" in can else "no embeddings"
        if request.tools and "tools" not in can:
            return "no tools"
        if "images" not in can and any(
            not isinstance(m.content, str) and any(p.type == "image" for p in m.content) for m in request.messages
        ):
            return "no images"
        return None

    def estimate(self, request: Request | EmbeddingRequest) -> Estimate:
        """What an attempt may use at most; see ``routing.target.Estimate``."""
        return self.facts.estimate(request)

    @property
    def embedding_model(self) -> str | None:
        """The model whose vectors it gives: ``embedding_model``, else ``model`` where that is known to embed."""
        options = self.options
        if "embeddings" not in self.capabilities:
            return None
        if options.embedding_model is not None or options.model is None:
            return options.embedding_model
        from complaint_llm.backends.embedding_space import known_to_embed

        return options.model if known_to_embed(options.model) else None

    def context_window(self, request: Request | EmbeddingRequest) -> int | None:
        """How many tokens a prompt may have, where the model is known; of texts to embed nothing is known."""
        if isinstance(request, EmbeddingRequest):
            return None
        return self.facts.of(request.model or self.options.model or "").context_window

    def cache_identity(self, request: Request) -> str | None:
        """What an answer depends on beside the request; None where answers are not cached."""
        options = self.options
        if not options.cache_enabled:
            return None
        model = request.model or options.model
        known = self._identities.get(model)
        if known is None:
            from complaint_llm.backends.identity import cache_identity

            known = cache_identity(self, model, *self._made_with)
            if len(self._identities) < 256:  # bounded: model names come from callers
                self._identities[model] = known
        return known

    def answer_settings(self) -> Mapping[str, Any]:
        """The settings of this backend that shape its answers, by name; no keys, limits, addresses or timeouts."""
        from complaint_llm.backends.identity import shaping_settings

        return shaping_settings(self, *self._made_with)

    def attempt(self, request: Request) -> InferenceOutput:
        bound = self.bind(request)
        try:
            return self._on_a_worker(lambda: self._shaped(request, bound), bound)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises becomes one kind of error here
            named = self._named(error)
            raise named from named.__cause__

    def _on_a_worker(self, work: Callable[[], T], request: Request | EmbeddingRequest) -> T:
        """Run what cannot be interrupted where it can be left behind at the deadline."""
        if self.interruptible:
            return work()
        from complaint_llm.routing.threads.worker import run_abandonable

        return run_abandonable(work, request.deadline, request.cancel, self.id)

    def _shaped(self, given: Request, bound: Request) -> InferenceOutput:
        """One answer, of the shape that is asked for."""
        if bound.response_format is None:
            output = self._answered(bound)
        else:
            from complaint_llm.backends.answers.structured import answer_structured

            output = self._native_schemas.asked(
                given, bound, lambda means: answer_structured(self._answered, given, bound, means)
            )
        if given.checks is None:
            return output
        from complaint_llm.backends.answers.answer_check import checked

        return checked(given, output)

    def _answered(self, request: Request) -> InferenceOutput:
        """One finished answer: asked for whole, or collected from a stream where the config says ``"stream": true``."""
        if self.options.stream and "stream" in self.capabilities:
            from complaint_llm.backends.streams import collect

            return self._finished(collect(self.answer_stream(request._replace(stream=True))), request)
        return self._finished(self.answer(request), request)

    def attempt_stream(self, request: Request) -> EventStream:
        from complaint_llm.backends.streams import AttemptStream

        bound = self.bind(request)
        check = None
        try:
            if bound.response_format is None:
                events = self._opened(bound)
            else:
                from complaint_llm.backends.answers.structured import Check, prepared

                check = Check(bound)
                events = self._native_schemas.asked(request, bound, lambda means: self._opened(prepared(bound, means)))
        except Exception as error:  # noqa: BLE001
            named = self._named(error)
            raise named from named.__cause__
        return AttemptStream(
            events, self._named, lambda output: self._finished(_read(check, output, bound), bound)
        )

    def _opened(self, request: Request) -> Iterable[StreamEvent]:
        if self.interruptible:
            events = self.answer_stream(request)
        else:
            from complaint_llm.backends.answers.worker_stream import WorkerStream

            events = WorkerStream(lambda: self.answer_stream(request), request.deadline, request.cancel, self.id)
        known = known_ids(request.messages)
        return StreamedNewIds(events, known) if known else events

    def attempt_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        model = request.model or self.embedding_model
        if not model:
            raise InvalidRequestError("no embedding model: set embedding_model", backend=self.id, sent=False)
        bound = request._replace(model=model)
        try:
            output = self._on_a_worker(lambda: self.answer_embedding(bound), bound)
            if len(output.vectors) != len(request.texts):
                raise ResponseFormatError(f"{len(output.vectors)} vectors for {len(request.texts)} texts", model=model)
        except Exception as error:  # noqa: BLE001
            named = self._named(error)
            raise named from named.__cause__
        cost = output.cost
        if cost is None and output.token_usage.total_tokens:
            cost = self.facts.cost(model, output.token_usage, request.extra_body)
        return output._replace(backend=self.id, model=output.model or model, cost=cost)

    # -- inside --------------------------------------------------------------------------------------------------

    def _own_cache(self) -> Cache | None:
        if not self.options.cache_enabled:
            return None
        from complaint_llm.routing.cache.response_cache import DEFAULT_SIZE, Cache

        return Cache(ttl=self.options.cache_ttl, size=self.options.cache_size or DEFAULT_SIZE)

    def bind(self, request: Request) -> Request:
        """The request as it is sent: this backend's own defaults under what the call gave."""
        options, model = self.options, request.model or self.options.model
        if model is None and self.needs_model:
            raise InvalidRequestError('no model: set "model" or pass model=', backend=self.id, sent=False)
        messages = request.messages
        if options.system is not None and all(message.role != "system" for message in messages):
            messages = as_messages(messages, options.system)
        if any(message.extra for message in messages):
            messages = with_own_state(messages, self.service_name())
        params = request.params
        if options.params:
            params = {**options.params, **params} if params else options.params
        extra = request.extra_body
        if options.extra_body:
            extra = {**options.extra_body, **extra} if extra else options.extra_body
        return request._replace(messages=messages, model=model, params=params, extra_body=extra)

    needs_model: ClassVar[bool] = False
    """Whether a call without any model name is a mistake."""

    def _finished(self, output: InferenceOutput, request: Request) -> InferenceOutput:
        if not isinstance(output, InferenceOutput):
            raise ResponseFormatError(f"it gave a {type(output).__name__}, not an InferenceOutput", model=request.model)
        check_answered(output, request.model)
        asked = request.model or ""
        cost = output.cost
        if cost is None and output.token_usage.total_tokens:
            cost = self.facts.cost(asked, output.token_usage, request.extra_body)
        if output.tool_calls:
            output = with_new_ids(output, known_ids(request.messages))
        own = output._replace(**own_fields(output), backend=self.id, model=output.model or asked, cost=cost)
        return sealed(own, self.service_name()) if own.extra else own

    def service_name(self) -> str:
        """Whose state the answers carry (``Message.extra``): no backend of another name gets it back."""
        return f"{self.type}:{self.id}"

    def price_provider(self) -> str | None:
        """The provider's id in the price list, None where the list cannot know what this backend costs."""
        return None

    def _named(self, error: Exception) -> BackendError:
        """The error with this backend's name on it; a foreign exception as a BackendError with its cause."""
        if isinstance(error, BackendError):
            error.backend = error.backend or self.id
            error.model = error.model or self.options.model
            return error
        wrapped = BackendError(f"failed inside the plugin: {type(error).__name__}: {error}", backend=self.id)
        wrapped.__cause__ = error
        return wrapped

    @classmethod
    def _made_up_id(cls) -> str:
        return cls.type or cls.__name__

    @classmethod
    def _check_keys(cls, keys: Mapping[str, Any]) -> None:
        """Raise ConfigError for values that a config may not have. The rules are prepared once for each class."""
        rules = vars(cls).get("_key_rules")
        if rules is None:
            rules = cls._key_rules = key_rules(cls.options_schema)
        rules.check(keys, cls._made_up_id())

    _key_rules: ClassVar[KeyRules]


def _read(check: Check | None, output: InferenceOutput, bound: Request) -> InferenceOutput:
    """A streamed answer as what was asked for, with its quotes and what its checks find."""
    output = output if check is None else check(output)
    return output if bound.checks is None else bound.checks.examine(output)


BaseBackend = Backend
