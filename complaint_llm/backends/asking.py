"""What users call: from a prompt and parameters to a request, through the attempt loop, to an answer."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, overload

from complaint_llm.backends.embedding_space import in_one_space
from complaint_llm.backends.streams import LiveStream, TextStream
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, EvidenceError, InvalidRequestError
from complaint_llm.messages import EmbeddingOutput, InferenceOutput, Prompt, ToolLike
from complaint_llm.request import (
    EMPTY,
    EmbeddingRequest,
    Request,
    as_generation,
    as_messages,
    as_response_format,
    as_tools,
)
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from complaint_llm.backends.options import Options
    from complaint_llm.batch import Ask
    from complaint_llm.checks.check import Check
    from complaint_llm.routing.router import Router
    from complaint_llm.routing.target import Target
    from complaint_llm.tasks.task import Task

R = TypeVar("R", Request, EmbeddingRequest)

DEFAULT_TIMEOUT = 600.0
"""Seconds for a whole call: the official SDKs' default; reasoning models are silent for minutes."""

Seal = Callable[[Request, InferenceOutput, "Sequence[Target]"], InferenceOutput]
"""What is done to each answer of a Mediator before it is handed out; the targets are those that could give it."""


class _Calls:
    """The tokens of the calls under way, so that ``close`` can cancel them.

    Adding to a set and discarding from it are atomic: any thread may. A call enters its token and then looks whether it
    came too late, so ``close`` misses none.
    """

    __slots__ = ("__weakref__", "tokens")

    def __init__(self) -> None:
        self.tokens: set[CancelToken] = set()
        reset_in_child(self)

    def after_fork(self) -> None:
        """The calls are the parent's: to cancel one here would shut its connection down there."""
        self.tokens = set()


class Asking:
    """The public methods, the same for a provider's backend, a composed one and the Mediator.

    Any thread may call any method.
    """

    options: Options
    log: logging.Logger
    interruptible: ClassVar[bool]
    _router: Router

    def __init__(self) -> None:
        self._seal: Seal | None = None
        self._calls = _Calls()
        self._closed = False

    @property
    def id(self) -> str:
        """The name by which configs, attempts and errors call this backend."""
        return self.options.id

    @abstractmethod
    def targets(self, request: Request | EmbeddingRequest) -> Sequence[Target]:
        """The backends that may answer, in the order to try them."""

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
        ``system``, ``timeout`` (seconds), ``response_format``, ``privacy``, ``evidence``, ``extra_body``, ``task`` (an
        id, or a mapping; see ``tasks.apply.TaskCall``); an unknown one is a TypeError. Raises the backend's own error
        if one was tried, AllBackendsFailedError if several were.
        """
        return self._infer(self._router, messages, tools, temperature, params)

    def _infer(
        self,
        router: Router,
        messages: Prompt,
        tools: Sequence[ToolLike],
        temperature: float | None,
        params: Mapping[str, Any],
        cancel: CancelToken | None = None,
    ) -> InferenceOutput:
        request = self._request(messages, tools, temperature, params)
        self._calls.tokens.add(request.cancel)
        if cancel is not None:
            cancel.attach(request.cancel.cancel)
        try:
            if self._closed:
                raise self._is_closed()
            targets = self._targets(request, params.get("backend"))
            output = router.answer(request, targets)
            if request.checks is not None:
                output = self._settled(request, output)
            return output if self._seal is None else self._sealed_or_said(request, output, targets)
        finally:
            self._calls.tokens.discard(request.cancel)
            if cancel is not None:
                cancel.detach(request.cancel.cancel)

    def _sealed_or_said(
        self, request: Request, output: InferenceOutput, targets: Sequence[Target]
    ) -> InferenceOutput:
        assert self._seal is not None
        try:
            return self._seal(request, output, targets)
        except EvidenceError as error:
            error.output = output  # it was paid for, and is not lost with its record
            raise

    def infer_stream(
        self,
        messages: Prompt,
        tools: Sequence[ToolLike] = (),
        temperature: float | None = None,
        **params: Any,
    ) -> LiveStream:
        """The answer as typed events, ending with ``Done``; on failure ``StreamError`` and then the error is raised."""
        request = self._request(messages, tools, temperature, params, stream=True)
        self._calls.tokens.add(request.cancel)
        try:
            if self._closed:
                raise self._is_closed()
            targets = self._targets(request, params.get("backend"))
            stream = self._router.stream(request, targets)
        except BaseException:
            self._calls.tokens.discard(request.cancel)
            raise
        seal = self._seal

        def sealed(output: InferenceOutput) -> InferenceOutput:
            output = self._settled(request, output)
            return output if seal is None else seal(request, output, targets)

        return LiveStream(
            stream,
            lambda: self._calls.tokens.discard(request.cancel),
            None if seal is None and request.checks is None else sealed,
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
        """The vector of a text, or the vectors of many in their order; see ``embeddings``."""
        vectors = [list(vector) for vector in self.embeddings(text, **params).vectors]
        return vectors[0] if isinstance(text, str) else vectors

    def embeddings(self, texts: str | Sequence[str], **params: Any) -> EmbeddingOutput:
        """The vectors of a text or of many in their order, with the model that made them, its backend, usage and cost.

        All are of one model: the one of the first declared backend that has any (``embedding_model``, else ``model``
        where that is known to embed), whether or not it can be reached; another one is chosen by ``model`` or
        ``backend``. Takes ``timeout``, ``privacy`` and ``extra_body``, too. Raises as ``infer`` does.
        """
        unknown = params.keys() - {"model", "backend", "timeout", "privacy", "extra_body"}
        if unknown:
            raise TypeError(f"embeddings got an unexpected parameter {min(unknown)!r}")
        given = (texts,) if isinstance(texts, str) else tuple(texts)
        if not given:
            return EmbeddingOutput(())
        request = EmbeddingRequest(
            given,
            Deadline(self._timeout(params)),
            self._token(),
            self._model_of(params),
            self._extra_body(params),
            self._privacy_of(params),
        )
        self._kept_private(request)
        self._calls.tokens.add(request.cancel)
        try:
            if self._closed:
                raise self._is_closed()
            return self._router.embed(request, self._embedding_targets(request, params.get("backend")))
        finally:
            self._calls.tokens.discard(request.cancel)

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
        if isinstance(prompts, str):
            raise TypeError("prompts is one text: give a list of texts")
        if max_workers is not None and batch_size is not None:
            raise TypeError("max_workers and batch_size mean the same: give one of them")
        given = batch_size if max_workers is None else max_workers
        workers = self._default_workers() if given is None else given
        return batch_generate(self.asker(params), prompts, max_workers=workers, on_error=on_error)

    def close(self) -> None:
        """Cancel what is in flight (its callers get an error that says so) and free every connection. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for token in tuple(self._calls.tokens):
            token.cancel(f"{self.id} was closed")
        self.close_resources()
        if not self.interruptible:
            self._name_abandoned()

    def _name_abandoned(self) -> None:
        from complaint_llm.routing.threads.worker import abandoned_workers

        for worker in abandoned_workers(self.id):
            self.log.warning("%s: closed while %s still runs; it cannot be interrupted", self.id, worker)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: object, error: BaseException | None, frames: object) -> None:
        try:
            self.close()
        except Exception as fault:
            if error is None:
                raise
            # The error under way says more, and may carry answers: this one goes with it.
            error.add_note(f"besides, {self.id} could not be closed: {fault}")
            self.log.error("%s could not be closed: %s", self.id, fault)

    def __repr__(self) -> str:
        model = f" model={self.options.model!r}" if self.options.model else ""
        return f"<{type(self).__name__} {self.id!r}{model}>"

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
        checks = None
        if params and params.get("task") is not None:
            from complaint_llm.backends.answers.task_call import asked_for_task

            prompt, params, checks = asked_for_task(self.task, self._checks(), prompt, params)
        messages = as_messages(prompt, params.get("system") if params else None)
        token = self._token()
        if not params and temperature is None and not tools:
            plain = Request(messages, Deadline(self._timeout(params)), token, stream=stream, privacy=self._privacy())
            return self._kept_private(plain)
        generation = as_generation(params, temperature)
        given = params.get("response_format")
        evidence = tuple(params.get("evidence") or ())
        if evidence:
            self._check_evidence(evidence)
        request = Request(
            messages,
            Deadline(self._timeout(params)),
            token,
            self._model_of(params),
            generation,
            as_tools(tools) if tools else (),
            None if given is None else as_response_format(given),
            self._extra_body(params),
            self._privacy_of(params),
            evidence,
            stream,
            checks,
        )
        if checks is None and request.response_format is not None:
            from complaint_llm.backends.answers.task_call import with_quotes

            request = with_quotes(request)
        return self._kept_private(request)

    def task(self, id: str) -> Task:
        """The task of this id: one of the package's own. Raises ConfigError."""
        from complaint_llm.tasks.load import built_in

        return built_in(id)

    def _checks(self) -> Mapping[str, Check]:
        """All checks that a task may name."""
        from complaint_llm.checks.answer_checks import BUILT_IN

        return BUILT_IN

    def _settled(self, request: Request, output: InferenceOutput) -> InferenceOutput:
        """The answer, unless what its checks found is a failure."""
        from complaint_llm.backends.answers.answer_check import settled

        return settled(request, output)

    def _kept_private(self, request: R) -> R:
        """The request. Raises InvalidRequestError if it is private and whoever answers would fetch some of it."""
        if request.privacy is not None:
            from complaint_llm.privacy import content_elsewhere

            found = content_elsewhere(request)
            if found is not None:
                raise InvalidRequestError(found, sent=False)
        return request

    def _model_of(self, params: Mapping[str, Any]) -> str | None:
        given = params.get("model")
        if given is not None and not isinstance(given, str):
            raise InvalidRequestError(f"model is a text, not {type(given).__name__}", sent=False)
        return given

    def _extra_body(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        given = params.get("extra_body") or EMPTY
        if not isinstance(given, Mapping):
            raise InvalidRequestError(f"extra_body is a mapping, not {type(given).__name__}", sent=False)
        return given

    def _check_evidence(self, cids: Sequence[str]) -> None:
        """Raise if evidence cannot be cited here: only a Mediator that keeps provenance can."""
        raise InvalidRequestError('evidence is cited in provenance: set MEDIATOR "provenance"', sent=False)

    def _targets(self, request: Request | EmbeddingRequest, wanted: str | None) -> Sequence[Target]:
        found = self.targets(request)
        if wanted is None:
            return found
        chosen = [target for target in found if target.id == wanted]
        if not chosen:
            known = ", ".join(target.id for target in found)
            raise InvalidRequestError(f"no backend {wanted!r} here; there are: {known}", sent=False)
        return chosen

    def _embedding_targets(self, request: EmbeddingRequest, wanted: str | None) -> Sequence[Target]:
        """Those whose vectors are of one space; see ``embeddings``."""
        return in_one_space(self._targets(request, wanted), self._declared(request, wanted), request)

    def _declared(self, request: EmbeddingRequest, wanted: str | None) -> Sequence[Target]:
        """The targets in the order in which they are declared, without anybody's turn being taken."""
        return self._targets(request, wanted)

    def _token(self) -> CancelToken:
        if self._closed:
            raise self._is_closed()
        return CancelToken()

    def _is_closed(self) -> BackendError:
        return BackendError("is closed", backend=self.id, sent=False)

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

    def _privacy_of(self, params: Mapping[str, Any]) -> Literal["local"] | None:
        given = params.get("privacy")
        if given not in (None, "local"):
            raise InvalidRequestError(f'privacy is "local" or nothing, not {given!r}', sent=False)
        return given or self._privacy()

    def asker(self, common: Mapping[str, Any] = EMPTY, cancel: CancelToken | None = None) -> Ask:
        """What a batch asks each prompt with: ``common`` parameters under the prompt's own; ``cancel`` cancels all.

        Raises TypeError for an unknown parameter and InvalidRequestError for a wrong value now, before any prompt.
        """
        everywhere = dict(common)
        task = everywhere.pop("task", None)
        if task is not None:
            from complaint_llm.tasks.apply import TaskCall

            self.task(TaskCall.read(task).id)
        self._request("", everywhere.pop("tools", ()), everywhere.pop("temperature", None), everywhere)
        router = self._router.for_batches()

        def ask(prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
            given = {**common, **params}
            tools, temperature = given.pop("tools", ()), given.pop("temperature", None)
            return self._infer(router, prompt, tools, temperature, given, cancel)

        return ask
