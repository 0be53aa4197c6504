"""Everything that answers is a Backend.

A provider's backend answers one attempt (``answer``, ``answer_stream``, ``answer_embedding``); the public methods are
here and carry deadline, retries, limits and fallback through the one attempt loop, the same for a backend used alone,
a composed one and the Mediator. Any thread may call any method.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from complaint_llm.backends.options import Options, read_options, resolve_aliases
from complaint_llm.backends.streams import LiveStream, TextStream
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, InvalidRequestError, ResponseFormatError
from complaint_llm.messages import (
    EmbeddingOutput,
    InferenceOutput,
    ModelInfo,
    Prompt,
    StreamEvent,
    TokenUsage,
    ToolLike,
)
from complaint_llm.request import (
    CALL_KEYS,
    GENERATION_KEYS,
    NOTHING,
    EmbeddingRequest,
    Request,
    as_messages,
    as_response_format,
    as_tools,
)
from complaint_llm.routing.admission import admission
from complaint_llm.routing.breaker import USUAL, BreakerSettings
from complaint_llm.routing.candidate import Estimate
from complaint_llm.routing.meter import Meter
from complaint_llm.routing.router import Router

if TYPE_CHECKING:
    from complaint_llm.routing.budget import Account
    from complaint_llm.routing.budget_book import Limits
    from complaint_llm.routing.cache import Cache
    from complaint_llm.routing.candidate import Candidate, EventStream, Policy, RetryPolicy

DEFAULT_TIMEOUT = 600.0
"""Seconds for a whole call: the official SDKs' default; reasoning models are silent for minutes."""

STATE_PATH = Path(".complaint_llm/state.db")
"""Where budgets are kept for backends that no config file assembled: in the working directory."""

Seal = Callable[[Request, InferenceOutput], InferenceOutput]
"""What is done to each answer of a Mediator before it is handed out."""

Capability = Literal["stream", "tools", "images", "structured", "embeddings"]


class Backend:
    """The base of all backends.

    Constructors take the config keys of the type by name. Raises TypeError for an unknown key and ConfigError for a
    value of a wrong type.
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

    def __init__(self, **keys: Any) -> None:
        self.options: Options = read_options(resolve_aliases(keys), self._made_up_id())
        self.log = logging.getLogger(f"complaint_llm.backend.{self.options.id}")
        self.meter = Meter()
        self._spending: Account | None = None
        self._policies: Sequence[Policy] = ()
        self.guard()
        self._router = Router(cache=self._own_cache())
        self._seal: Seal | None = None
        self._facts: dict[str, ModelInfo] = {}
        self._calls: set[CancelToken] = set()
        self._closed = False

    # -- what an author writes -----------------------------------------------------------------------------------

    def answer(self, request: Request) -> InferenceOutput:
        """Answer once: one attempt, nothing more. Raises a BackendError.

        The default collects ``answer_stream``; write at least one of the two.
        """
        if type(self).answer_stream is Backend.answer_stream:
            from complaint_llm.backends.adapted import answer_as_written

            return answer_as_written(self, request)
        from complaint_llm.backends.streams import collect

        return collect(self.answer_stream(request))

    def answer_stream(self, request: Request) -> Iterable[StreamEvent]:
        """Answer once, piece by piece; the last event is ``Done``. The default hands the whole answer out at once."""
        if type(self).answer is Backend.answer:
            from complaint_llm.backends.adapted import stream_as_written

            return stream_as_written(self, request)
        from complaint_llm.backends.streams import as_events

        return as_events(self.answer(request))

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        """Embed all texts of the request, once."""
        raise InvalidRequestError("has no embeddings: choose a backend with an embedding_model", sent=False)

    def structured_output(self, request: Request) -> Literal["native", "json", "none"]:
        """What the provider does for ``request.response_format``: holds answers to it, only to be JSON, or nothing.

        Unless "native", the schema is asked for in words, and an answer that does not fit once more.
        """
        return "native" if "structured" in self.capabilities else "none"

    def close_resources(self) -> None:
        """Free what this backend owns. Called once by ``close``."""

    # -- what users call -----------------------------------------------------------------------------------------

    def generate(self, prompt: Prompt, **params: Any) -> str:
        """The text of the answer to ``prompt`` (a text or messages). Raises BackendError; see ``infer``."""
        return self.infer(prompt, **params).content

    __call__ = generate

    def infer(
        self,
        messages: Prompt,
        tools: Sequence[ToolLike] = (),
        temperature: float | None = None,
        **params: Any,
    ) -> InferenceOutput:
        """The whole answer.

        ``params`` are the generation keys (``max_tokens``, ``top_p``, ...) and ``model``, ``backend`` (an id),
        ``system``, ``timeout`` (seconds), ``response_format``, ``privacy``, ``evidence``, ``extra_body``; an unknown
        one is a TypeError. Raises the backend's own error if one was tried, AllBackendsFailedError if several were.
        """
        request = self._request(messages, tools, temperature, params)
        self._calls.add(request.cancel)
        try:
            output = self._router.answer(request, self._candidates(request, params.get("backend")))
            return output if self._seal is None else self._seal(request, output)
        finally:
            self._calls.discard(request.cancel)

    def infer_stream(
        self,
        messages: Prompt,
        tools: Sequence[ToolLike] = (),
        temperature: float | None = None,
        **params: Any,
    ) -> LiveStream:
        """The answer as typed events, ending with ``Done``; on failure ``StreamError`` and then the error is raised."""
        request = self._request(messages, tools, temperature, params, stream=True)
        self._calls.add(request.cancel)
        try:
            stream = self._router.stream(request, self._candidates(request, params.get("backend")))
        except BaseException:
            self._calls.discard(request.cancel)
            raise
        seal = self._seal
        return LiveStream(
            stream,
            lambda: self._calls.discard(request.cancel),
            None if seal is None else lambda output: seal(request, output),
        )

    def stream_generate(self, prompt: Prompt, **params: Any) -> TextStream:
        """The pieces of the answer's text. Closing or abandoning the iterator frees the connection."""
        return TextStream(self.infer_stream(prompt, **params))

    generate_stream = stream_generate

    @overload
    def embed(self, text: str, **params: Any) -> list[float]: ...
    @overload
    def embed(self, text: Sequence[str], **params: Any) -> list[list[float]]: ...
    def embed(self, text: str | Sequence[str], **params: Any) -> list[float] | list[list[float]]:
        """The vector of a text, or the vectors of many in their order. Takes ``model``, ``backend``, ``timeout``,
        ``privacy`` and ``extra_body``."""
        unknown = params.keys() - {"model", "backend", "timeout", "privacy", "extra_body"}
        if unknown:
            raise TypeError(f"embed() got an unexpected parameter {min(unknown)!r}")
        texts = (text,) if isinstance(text, str) else tuple(text)
        if not texts:
            return []
        request = EmbeddingRequest(
            texts,
            Deadline(self._timeout(params)),
            self._token(),
            params.get("model"),
            params.get("extra_body") or NOTHING,
            params.get("privacy"),
        )
        self._calls.add(request.cancel)
        try:
            output = self._router.embed(request, self._candidates(request, params.get("backend")))
        finally:
            self._calls.discard(request.cancel)
        vectors = [list(vector) for vector in output.vectors]
        return vectors[0] if isinstance(text, str) else vectors

    def batch_generate(
        self,
        prompts: Iterable[Prompt],
        max_workers: int | None = None,
        *,
        batch_size: int | None = None,
        timeout: float | None = None,
        on_error: Literal["raise", "return"] = "raise",
        **params: Any,
    ) -> list[Any]:
        """The texts in the order of the prompts, asked by ``max_workers`` threads (``batch_size`` is a synonym).

        ``timeout`` is per prompt, in seconds. Every prompt runs; then failures raise BatchError with ``.results`` and
        ``.errors``, or with ``on_error="return"`` the exceptions stand in their places.
        """
        from complaint_llm.batch import batch_generate

        if timeout is not None:
            params["timeout"] = timeout
        workers = max_workers or batch_size or self._default_workers()
        return batch_generate(self._ask(params), prompts, max_workers=workers, on_error=on_error)

    def model_info(self) -> ModelInfo:
        """What is known of this backend's model. Prices are None where unknown."""
        return self._facts_of(self.options.model or "")

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
        own = kind.stream_generate is not Backend.stream_generate or kind.generate_stream is not Backend.generate_stream
        return own or "stream" in self.capabilities

    def close(self) -> None:
        """Cancel what is in flight (its callers get an error that says so) and free every connection. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for token in tuple(self._calls):
            token.cancel(f"{self.id} was closed")
        self.close_resources()
        if self._spending is not None:
            self._spending.close()
        if not self.interruptible:
            self._name_abandoned()

    def _name_abandoned(self) -> None:
        from complaint_llm.routing.worker import abandoned_workers

        for worker in abandoned_workers(self.id):
            self.log.warning("%s: closed while %s still runs; it cannot be interrupted", self.id, worker)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        model = f" model={self.options.model!r}" if self.options.model else ""
        return f"<{type(self).__name__} {self.id!r}{model}>"

    def guard(
        self, *, breaker: BreakerSettings = USUAL, state: Path = STATE_PATH, whole: Account | None = None
    ) -> None:
        """Put the policies in place anew: the backend's own limits, ``breaker``, and a Mediator's ``whole`` budget.

        ``state`` is where budgets are kept. Called before the first request, by whoever assembles backends.
        """
        options = self.options
        if options.budget is not None:
            from complaint_llm.routing.budget import Account

            self._spending = Account(options.id, as_limits(options.budget), state)
        policies = admission(
            options.id,
            meter=self.meter,
            breaker=breaker,
            rate_limit=options.rate_limit,
            window=options.rate_limit_window,
            tokens_per_minute=options.tokens_per_minute,
            max_concurrency=options.max_concurrency,
            on_rate_limit=options.retry.on_rate_limit,
            budget=self._spending,
            estimate=self.estimate,
        )
        if whole is not None:
            from complaint_llm.routing.budget import Budget

            policies = (Budget(whole, self.estimate), *policies)
        self._policies = policies

    # -- what the attempt loop calls: see routing.candidate.Candidate ---------------------------------------------

    @property
    def id(self) -> str:
        return self.options.id

    @property
    def timeout(self) -> float | None:
        return self.options.timeout

    @property
    def retry(self) -> RetryPolicy:
        return self.options.retry

    @property
    def policies(self) -> Sequence[Policy]:
        return self._policies

    @property
    def weight(self) -> float:
        return self.options.weight

    @property
    def caches(self) -> bool:
        """Whether its answers may be kept and given again."""
        return self.options.cache_enabled

    @property
    def cancellable(self) -> bool:
        return self.interruptible

    @property
    def local(self) -> bool:
        """Whether data stays on this machine by type or by an explicit ``"location": "local"``."""
        return (self.options.location or self.default_location) == "local"

    def candidates(self, request: Request | EmbeddingRequest) -> Sequence[Candidate]:
        """The backends that may answer, in the order to try them: this one, or a composed one's parts."""
        return (self,)

    def lacks(self, request: Request | EmbeddingRequest) -> str | None:
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
        """What an attempt may use at most; see ``routing.candidate.Estimate``."""
        if isinstance(request, EmbeddingRequest):
            prompt = sum(_tokens(text) for text in request.texts)
            info = self._facts_of(request.model or self.options.embedding_model or "")
            return Estimate(prompt, 0, info.calculate_cost(TokenUsage(prompt, 0, prompt)))
        prompt = sum(_tokens(message.text) + MESSAGE_TOKENS for message in request.messages)
        info = self._facts_of(request.model or self.options.model or "")
        most = request.params.get("max_tokens") or self.options.params.get("max_tokens") or info.max_output_tokens
        if most is None:
            return Estimate(prompt)
        return Estimate(prompt, most, info.calculate_cost(TokenUsage(prompt, most, prompt + most)))

    def cache_identity(self, request: Request) -> str | None:
        """What an answer depends on beside the request; None where answers are not cached."""
        if not self.options.cache_enabled:
            return None
        import json

        options = self.options
        model = request.model or options.model
        defaults = [dict(options.params), options.system, dict(options.extra_body), options.base_url]
        version = plugin_version(type(self).__module__)
        return json.dumps([self.id, self.type, version, model, *defaults], sort_keys=True, ensure_ascii=False)

    def attempt(self, request: Request) -> InferenceOutput:
        bound = self.bind(request)
        ask = self.answer if bound.response_format is None else self._answer_structured
        try:
            if self.interruptible:
                output = ask(bound)
            else:
                from complaint_llm.routing.worker import run_abandonable

                output = run_abandonable(lambda: ask(bound), bound.deadline, bound.cancel, self.id)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises becomes one kind of error here
            named = self._named(error)
            raise named from named.__cause__
        return self._finished(output, bound)

    def attempt_stream(self, request: Request) -> EventStream:
        from complaint_llm.backends.streams import AttemptStream

        bound = self.bind(request)
        check = None
        try:
            if bound.response_format is not None:
                from complaint_llm.backends.structured import Check, prepared

                check = Check(bound.response_format)
                bound = prepared(bound, self.structured_output(bound))
            if self.interruptible:
                events = self.answer_stream(bound)
            else:
                from complaint_llm.backends.worker_stream import WorkerStream

                events = WorkerStream(lambda: self.answer_stream(bound), bound.deadline, bound.cancel, self.id)
        except Exception as error:  # noqa: BLE001
            named = self._named(error)
            raise named from named.__cause__
        return AttemptStream(
            events, self._named, lambda output: self._finished(output if check is None else check(output), bound)
        )

    def attempt_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        model = request.model or self.options.embedding_model
        if not model:
            raise InvalidRequestError("no embedding model: set embedding_model", backend=self.id, sent=False)
        try:
            output = self.answer_embedding(request._replace(model=model))
        except Exception as error:  # noqa: BLE001
            named = self._named(error)
            raise named from named.__cause__
        if len(output.vectors) != len(request.texts):
            raise ResponseFormatError(
                f"{len(output.vectors)} vectors for {len(request.texts)} texts", backend=self.id, model=model
            )
        return output._replace(backend=self.id, model=output.model or model)

    # -- inside --------------------------------------------------------------------------------------------------

    def _request(
        self,
        prompt: Prompt,
        tools: Sequence[ToolLike],
        temperature: float | None,
        params: Mapping[str, Any],
        *,
        stream: bool = False,
    ) -> Request:
        messages = as_messages(prompt, params.get("system") if params else None)
        token = self._token()
        if not params and temperature is None and not tools:
            return Request(messages, Deadline(self._timeout(params)), token, stream=stream, privacy=self._privacy())
        generation = {key: value for key, value in params.items() if key in GENERATION_KEYS and value is not None}
        if temperature is not None:
            generation["temperature"] = temperature
        for key in params:
            if key not in GENERATION_KEYS and key not in CALL_KEYS:
                known = ", ".join(sorted(GENERATION_KEYS | CALL_KEYS))
                raise TypeError(f"unexpected parameter {key!r}; known are {known}")
        given = params.get("response_format")
        privacy = params.get("privacy")
        if privacy not in (None, "local"):
            raise InvalidRequestError(f'privacy is "local" or nothing, not {privacy!r}', sent=False)
        evidence = tuple(params.get("evidence") or ())
        if evidence:
            self._check_evidence(evidence)
        return Request(
            messages,
            Deadline(self._timeout(params)),
            token,
            params.get("model"),
            generation or NOTHING,
            as_tools(tools) if tools else (),
            None if given is None else as_response_format(given),
            params.get("extra_body") or NOTHING,
            privacy or self._privacy(),
            evidence,
            stream,
        )

    def _own_cache(self) -> Cache | None:
        if not self.options.cache_enabled:
            return None
        from complaint_llm.routing.cache import DEFAULT_SIZE, Cache

        return Cache(ttl=self.options.cache_ttl, size=self.options.cache_size or DEFAULT_SIZE)

    def _check_evidence(self, cids: Sequence[str]) -> None:
        """Raise if evidence cannot be cited here: only a Mediator that keeps provenance can."""
        raise InvalidRequestError('evidence is cited in provenance: set MEDIATOR "provenance"', sent=False)

    def _candidates(self, request: Request | EmbeddingRequest, wanted: str | None) -> Sequence[Candidate]:
        found = self.candidates(request)
        if wanted is None:
            return found
        chosen = [candidate for candidate in found if candidate.id == wanted]
        if not chosen:
            known = ", ".join(candidate.id for candidate in found)
            raise InvalidRequestError(f"no backend {wanted!r} here; there are: {known}", sent=False)
        return chosen

    def bind(self, request: Request) -> Request:
        """The request as it is sent: this backend's own defaults under what the call gave."""
        options = self.options
        model = request.model or options.model
        if model is None and self.needs_model:
            raise InvalidRequestError('no model: set "model" or pass model=', backend=self.id, sent=False)
        messages = request.messages
        if options.system is not None and all(message.role != "system" for message in messages):
            messages = as_messages(messages, options.system)
        params = request.params
        if options.params:
            params = {**options.params, **params} if params else options.params
        extra = request.extra_body
        if options.extra_body:
            extra = {**options.extra_body, **extra} if extra else options.extra_body
        return request._replace(messages=messages, model=model, params=params, extra_body=extra)

    def _answer_structured(self, request: Request) -> InferenceOutput:
        from complaint_llm.backends.structured import answer_structured

        return answer_structured(self.answer, request, self.structured_output(request))

    needs_model: ClassVar[bool] = False
    """Whether a call without any model name is a mistake."""

    def _finished(self, output: InferenceOutput, request: Request) -> InferenceOutput:
        if not output.content and not output.tool_calls:
            why = f" (finish reason {output.finish_reason})" if output.finish_reason else ""
            raise ResponseFormatError(f"the answer is empty{why}", backend=self.id, model=request.model)
        asked = request.model or ""
        cost = output.cost
        if cost is None and output.token_usage.total_tokens:
            cost = self._facts_of(asked).calculate_cost(output.token_usage)
        return output._replace(backend=self.id, model=output.model or asked, cost=cost)

    def price_provider(self) -> str | None:
        """The provider's id in the price list, None where the list cannot know what this backend costs."""
        return None

    def _facts_of(self, model: str) -> ModelInfo:
        known = self._facts.get(model)
        if known is None:
            known = self._facts[model] = self._look_up(model)
        return known

    def _look_up(self, model: str) -> ModelInfo:
        provider = self.price_provider()
        found: ModelInfo | None = None
        if provider is not None:
            from complaint_llm.prices import model_facts, today

            found = model_facts(provider, model, today())
        info = (found or ModelInfo(model, self.type))._replace(provider=self.type, capabilities=self.capabilities)
        own = self.options.pricing
        if own is None:
            return info
        return info._replace(
            input_price=own.get("input"),
            output_price=own.get("output"),
            cached_input_price=own.get("cached_input"),
            price_up_to=None,
        )

    def _named(self, error: Exception) -> BackendError:
        """The error with this backend's name on it; a foreign exception as a BackendError with its cause."""
        if isinstance(error, BackendError):
            error.backend = error.backend or self.id
            error.model = error.model or self.options.model
            return error
        wrapped = BackendError(f"failed inside the plugin: {type(error).__name__}: {error}", backend=self.id)
        wrapped.__cause__ = error
        return wrapped

    def _token(self) -> CancelToken:
        if self._closed:
            raise BackendError("is closed", backend=self.id, sent=False)
        return CancelToken()

    def _timeout(self, params: Mapping[str, Any]) -> float:
        given = params.get("timeout")
        if given is None:
            return self._default_timeout()
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not given > 0:
            raise InvalidRequestError(f"timeout is a number of seconds above 0, not {given!r}", sent=False)
        return float(given)

    def _default_timeout(self) -> float:
        return self.options.timeout or DEFAULT_TIMEOUT

    def _default_workers(self) -> int:
        return 8

    def _privacy(self) -> Literal["local"] | None:
        return None

    def _ask(self, common: Mapping[str, Any]) -> Any:
        def ask(prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
            return self.infer(prompt, **{**common, **params})

        return ask

    @classmethod
    def _made_up_id(cls) -> str:
        return cls.type or cls.__name__


def as_limits(budget: float | Mapping[str, float]) -> Limits:
    """The limits of a ``budget`` key: a number is the total, in US dollars."""
    from complaint_llm.routing.budget_book import Limits

    return Limits(**budget) if isinstance(budget, Mapping) else Limits(total=budget)


MESSAGE_TOKENS = 4
"""Tokens that the frame of one message costs, about, in every provider's chat format."""


def _tokens(text: str) -> int:
    """Tokens of a text, roughly: four bytes each, as OpenAI's and Anthropic's help pages say of English."""
    return (len(text.encode("utf-8", "surrogatepass")) + 3) // 4


@lru_cache(maxsize=64)
def plugin_version(module: str) -> str:
    """The version of the distribution that a module came with; of a drop-in module its name."""
    from importlib.metadata import packages_distributions, version

    top = module.partition(".")[0]
    names = packages_distributions().get(top)
    return f"{names[0]} {version(names[0])}" if names else top


BaseBackend = Backend
