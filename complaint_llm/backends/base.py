"""What authors of backends write: one attempt, and what the backend can do.

Deadline, retries, limits, cache, fallback and counting belong to the host; the public methods (``Client``) carry them
for a backend that is used alone as for one behind a Mediator. Any thread may call any method.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from complaint_llm.backends.answer_limits import AnswerLimits
from complaint_llm.backends.attempt import AttemptMaker
from complaint_llm.backends.model_catalog import ModelCatalog
from complaint_llm.backends.options import COMMON_KEYS, Options, key_rules, read_options, resolve_aliases
from complaint_llm.backends.replaced import check_replaced
from complaint_llm.backends.type_handling import type_handling_of
from complaint_llm.backends.wire.schema_refusal import Means
from complaint_llm.client.calls import Calls
from complaint_llm.client.client import Client
from complaint_llm.client.privacy import fixed_elsewhere
from complaint_llm.client.requests import DEFAULT_TIMEOUT, RequestReader
from complaint_llm.client.route import Route
from complaint_llm.client.target import BackendTarget
from complaint_llm.exceptions import BackendError, InvalidRequestError
from complaint_llm.handling import Handling, Requirements, TypeHandling, provider_handling
from complaint_llm.messages import EmbeddingOutput, InferenceOutput, ModelInfo, StreamEvent
from complaint_llm.request import EMPTY, EmbeddingRequest, Request
from complaint_llm.routing.policies.bound import FREE
from complaint_llm.routing.router import Router

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_llm.backends.wire.documents import FileRule
    from complaint_llm.json_schema.given_keys import KeyRules
    from complaint_llm.routing.cache.response_cache import Cache
    from complaint_llm.routing.policies.bound import Bound
    from complaint_llm.routing.target import Estimate

Capability = Literal["stream", "tools", "images", "structured", "embeddings"]


class Backend(Client):
    """The base of all backends.

    Constructors take the config keys of the type by name. Raises TypeError for an unknown key and ConfigError, with a
    line for each, for values that a config file may not have either.
    """

    type: ClassVar[str] = ""
    """The type's name in a config."""
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    """What this backend can do beyond text in, text out."""
    document_types: frozenset[str] = frozenset()
    """The media types of files that it is given as they are; of any other document it is shown the text."""
    interruptible: ClassVar[bool] = False
    """Whether ``answer`` keeps to ``request.deadline`` and ``request.cancel`` by itself. If not, it runs on a worker
    thread that is abandoned at the deadline."""
    demo: ClassVar[bool] = False
    """Whether it answers without a model (a mock), which must never pass for one."""
    default_location: ClassVar[Literal["local", "remote"]] = "remote"
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = None
    """The JSON Schema of the type's own keys (or its file), which constructors hold their arguments to."""
    handling_data: ClassVar[Mapping[str, Any] | Path] = EMPTY
    """What the type's provider does with what is sent, with source and day (or a JSON file of it); docs/privacy.md."""
    needs_model: ClassVar[bool] = False
    """Whether a call without any model name is a mistake."""
    costs_nothing: ClassVar[bool] = False
    """Whether nobody bills its answers, unless ``pricing`` says otherwise."""

    _made_with: tuple[Sequence[Any], Mapping[str, Any]]
    _key_rules: ClassVar[KeyRules]

    def __init_subclass__(cls, **keys: Any) -> None:
        super().__init_subclass__(**keys)
        check_replaced(cls)

    def __new__(cls, *given: Any, **keys: Any) -> Self:
        made = super().__new__(cls)
        made._made_with = given, {key: value for key, value in keys.items() if key not in COMMON_KEYS}
        return made

    def __init__(self, **keys: Any) -> None:
        given = resolve_aliases(keys)
        self._check_keys({**self._made_with[1], **given})
        self.options: Options = read_options(given, self._made_up_id())
        self.log = logging.getLogger(f"complaint_llm.backend.{self.options.id}")
        self.model_catalog = ModelCatalog(self.type, self.capabilities, self.options, self.price_provider)
        self.attempt_maker = AttemptMaker(self)
        self._identities: dict[str | None, str] = {}

    @property
    def id(self) -> str:
        """The name by which configs, attempts and errors call this backend."""
        return self.options.id

    @property
    def timeout(self) -> float | None:
        """Seconds for a call, None where the config says nothing."""
        return self.options.timeout

    # -- what an author writes -----------------------------------------------------------------------------------

    def answer(self, request: Request) -> InferenceOutput:
        """Answer once: one attempt, nothing more. Raises a BackendError.

        The default collects ``answer_stream``; write at least one of the two.
        """
        if type(self).answer_stream is Backend.answer_stream:
            from complaint_llm.backends.adapters import answer_as_written  # cold start: adapters

            return answer_as_written(self, request)
        from complaint_llm.backends.streams import collect  # cold start: streams

        return collect(self.answer_stream(request))

    def answer_stream(self, request: Request) -> Iterable[StreamEvent]:
        """Answer once, piece by piece; the last event is ``Done``. The default hands the whole answer out at once."""
        if type(self).answer is Backend.answer:
            from complaint_llm.backends.adapters import stream_as_written  # cold start: adapters

            return stream_as_written(self, request)
        from complaint_llm.backends.streams import as_events  # cold start: streams

        return as_events(self.answer(request))

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        """Embed all texts of the request, once."""
        raise InvalidRequestError("has no embeddings: choose a backend with an embedding_model", sent=False)

    def prepare_attempt(self, request: Request | EmbeddingRequest) -> None:
        """Make ready what an attempt needs, before each; raises a BackendError. What takes long pauses the deadline."""

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

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> str | None:
        """Raise a BackendError if this backend cannot work; with ``connect`` it is contacted, but no prompt is sent.
        May give what it saw, a phrase for people."""
        return None

    def list_models(self, timeout: float = 10.0) -> Sequence[ModelInfo] | None:
        """The models that can be asked here, as the service lists them; None: there is no list. Raises BackendError."""
        return None

    def load(self) -> None:
        """Make ready what answering needs, such as a local model; otherwise the first request does it."""

    def is_loaded(self) -> bool:
        """Whether that was done."""
        return True

    def unload(self) -> None:
        """Give back what ``load`` took; the next request loads it again."""

    def close_resources(self) -> None:
        """Free what this backend owns. Called once by ``close``."""

    # -- what it can do, and what that costs: an author overrides what is different -------------------------------

    def model_info(self) -> ModelInfo:
        """What is known of this backend's model. Prices are None where unknown."""
        return self.model_catalog.of(self.options.model or "")

    def supports_function_calling(self) -> bool:
        """Whether tools can be given."""
        return "tools" in self.capabilities

    def supports_streaming(self) -> bool:
        """Whether answers arrive piece by piece rather than whole."""
        kind = type(self)
        own = kind.stream_generate is not Client.stream_generate or kind.generate_stream is not Client.generate_stream
        return own or "stream" in self.capabilities

    @property
    def local(self) -> bool:
        """Whether data stays on this machine by type or by an explicit ``"location": "local"``. It does not change
        while the backend is there: guards and documents go by what was seen first."""
        return (self.options.location or self.default_location) == "local"

    def lacks(self, request: Request | EmbeddingRequest) -> str | None:
        """What this backend cannot do for the request, as a phrase ("no images"), or None."""
        if request.privacy == "local":
            found = fixed_elsewhere(self.fixed_content())
            if found is not None:
                return found
        can = self.capabilities
        if isinstance(request, EmbeddingRequest):
            return None if "embeddings" in can else "no embeddings"
        if request.tools and "tools" not in can:
            return "no tools"
        parts: set[str] = set()
        for message in request.messages:
            if not isinstance(message.content, str):
                parts.update(part.type for part in message.content)
        if "image" in parts and "images" not in can:
            return "no images"
        return self.file_rule(request.model).fault(request) if "document" in parts else None

    def file_rule(self, model: str | None) -> FileRule:
        """Which files it takes as they are where it is asked for ``model``, and how much of them."""
        from complaint_llm.backends.wire.documents import FileRule  # cold start: documents

        return FileRule(types=self.document_types)

    @property
    def host(self) -> str | None:
        """The host that it sends to, or the program that it runs, for people; None where nothing is sent."""
        address = getattr(self, "base_url", None)
        return urlsplit(address).hostname if isinstance(address, str) else None

    @property
    def at_own_provider(self) -> bool:
        """Whether it asks the provider that the type's ``handling_data`` is about."""
        return self.type_handling.holds_at(self.host)

    @property
    def type_handling(self) -> TypeHandling:
        """What the type's data says. Raises PluginError for data of another shape."""
        return type_handling_of(type(self))

    def handling(self, requires: Requirements | None = None) -> Handling:
        """What is known of what is done with what it is asked; under ``requires`` the switches of the provider's that
        are sent then count. At an address that the type's data does not name nothing is known but what the entry says.
        """
        of_type = self.type_handling
        known = of_type if not self.local and self.at_own_provider else TypeHandling()
        return provider_handling(known, self.options.handling, requires, here=self.local)

    def fixed_content(self) -> Mapping[str, Any]:
        """What this backend puts into each request whatever is asked, by the config's keys for it."""
        return {"extra_body": self.options.extra_body}

    def service_name(self) -> str:
        """Whose state the answers carry (``Message.extra``): no backend of another name gets it back."""
        return f"{self.type}:{self.id}"

    def price_provider(self) -> str | None:
        """The provider's id in the price list, None where the list cannot know what this backend costs."""
        return None

    def answer_limits(self, model: str) -> AnswerLimits:
        """How long this model's answers can be, and whether the service is told ``max_tokens``; for budgets, which ask
        once a model."""
        return AnswerLimits()

    def estimate(self, request: Request | EmbeddingRequest) -> Estimate:
        """What an attempt may use at most; see ``routing.target.Estimate``."""
        return self.model_catalog.estimate(request)

    def cost_bound(self, request: Request | EmbeddingRequest) -> Bound:
        """The most that an attempt can cost, for budgets; see ``routing.policies.bound.Bound``."""
        if self.costs_nothing and self.options.pricing is None:
            return FREE
        if isinstance(request, EmbeddingRequest):
            return self.model_catalog.embedding_cost_bound(request)
        return self.model_catalog.cost_bound(request, self.answer_limits)

    @property
    def embedding_model(self) -> str | None:
        """The model whose vectors it gives: ``embedding_model``, else ``model`` where that is known to embed."""
        options = self.options
        if "embeddings" not in self.capabilities:
            return None
        if options.embedding_model is not None or options.model is None:
            return options.embedding_model
        from complaint_llm.client.embedding_space import known_to_embed  # cold start: the list of models

        return options.model if known_to_embed(options.model) else None

    def model_to_embed(self) -> str | None:
        """The model that is asked for vectors where a call names none."""
        return self.embedding_model

    def context_window(self, request: Request | EmbeddingRequest) -> int | None:
        """How many tokens a prompt may have, where the model is known; of texts to embed nothing is known."""
        if isinstance(request, EmbeddingRequest):
            return None
        return self.model_catalog.of(request.model or self.options.model or "").context_window

    def cache_identity(self, request: Request) -> str | None:
        """What an answer depends on beside the request; None where answers are not cached."""
        options = self.options
        if not options.cache_enabled:
            return None
        model = request.model or options.model
        known = self._identities.get(model)
        if known is None:
            from complaint_llm.backends.identity import cache_identity  # cold start: the cache

            known = cache_identity(self, model, *self._made_with)
            if len(self._identities) < 256:  # bounded: model names come from callers
                self._identities[model] = known
        return known

    def answer_settings(self) -> Mapping[str, Any]:
        """The settings of this backend that shape its answers, by name; no keys, limits, addresses or timeouts."""
        from complaint_llm.backends.identity import shaping_settings  # cold start: batches

        return shaping_settings(self, *self._made_with)

    def as_backend_error(self, error: Exception) -> BackendError:
        """The error with this backend's name on it; a foreign exception as a BackendError with its cause."""
        if isinstance(error, BackendError):
            error.backend = error.backend or self.id
            error.model = error.model or self.options.model
            return error
        wrapped = BackendError(f"failed inside the plugin: {type(error).__name__}: {error}", backend=self.id)
        wrapped.__cause__ = error
        return wrapped

    # -- what the host asks --------------------------------------------------------------------------------------

    @property
    def backend_target(self) -> BackendTarget:
        """What is kept for this backend however it is reached: limits, breaker, load, budget."""
        found = vars(self).get("_target")
        if found is None:
            # Of two threads that come first, both take one.
            found = vars(self).setdefault("_target", BackendTarget.of(self))
        target: BackendTarget = found
        return target

    def stand_behind(self, target: BackendTarget) -> None:
        """Be the backend of a target that was there before it. An id that its class did not hand on counts."""
        vars(self)["_target"] = target
        if self.id != target.id:
            self.options = self.options._replace(id=target.id)

    def as_member(self) -> Route:
        """The route to it."""
        return Route(self.backend_target)

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        found: Calls | None = vars(self).get("_calls")
        return found is not None and found.closed

    def _client(self) -> Calls:
        found: Calls | None = vars(self).get("_calls")
        if found is None:
            made = Calls(
                Route(self.backend_target),
                Router(cache=self._own_cache()),
                RequestReader(timeout=self.options.timeout or DEFAULT_TIMEOUT),
                free=self._free,
                interruptible=self.interruptible,
            )
            found = vars(self).setdefault("_calls", made)  # of two threads that come first, both take one
        return found

    def _free(self) -> None:
        try:
            self.close_resources()
        finally:
            self.backend_target.close_account()

    def _own_cache(self) -> Cache | None:
        if not self.options.cache_enabled:
            return None
        from complaint_llm.routing.cache.memory import DEFAULT_SIZE  # cold start: the cache
        from complaint_llm.routing.cache.response_cache import Cache

        return Cache(ttl=self.options.cache_ttl, size=self.options.cache_size or DEFAULT_SIZE)

    def __repr__(self) -> str:
        model = f" model={self.options.model!r}" if self.options.model else ""
        return f"<{type(self).__name__} {self.id!r}{model}>"

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


BaseBackend = Backend
