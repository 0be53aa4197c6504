"""One attempt at one backend: what the call asks over the backend's defaults, and the answer as it is handed out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from complaint_llm.backends.answers.empty_answer import check_answered
from complaint_llm.backends.answers.provider_state import seal_state, with_own_state
from complaint_llm.backends.wire.call_ids import StreamedNewIds, known_ids, with_new_ids
from complaint_llm.backends.wire.schema_refusal import NativeSchemas
from complaint_llm.exceptions import InvalidRequestError, ResponseFormatError
from complaint_llm.handling import with_switches
from complaint_llm.messages import EmbeddingOutput, InferenceOutput, StreamEvent
from complaint_llm.own_copy import own_fields
from complaint_llm.request import EmbeddingRequest, Request, as_messages

if TYPE_CHECKING:
    from complaint_llm.backends.answers.structured import AnswerParser
    from complaint_llm.backends.base import Backend
    from complaint_llm.handling import Requirements
    from complaint_llm.routing.target import EventStream

T = TypeVar("T")
_extra_of = attrgetter("extra")


class AttemptMaker:
    """Makes the attempts at a backend. Any thread may call it.

    Every method raises a BackendError with the backend's name on it, whatever the backend's code raises.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._native_schemas = NativeSchemas(backend.structured_output, backend.refuses_schema, backend.log)

    def bind(self, request: Request) -> Request:
        """The request as it is sent: the backend's own defaults under what the call gave."""
        backend = self._backend
        options = backend.options
        model = request.model or options.model
        if model is None and backend.needs_model:
            raise InvalidRequestError('no model: set "model" or pass model=', backend=backend.id, sent=False)
        messages = request.messages
        if options.system is not None and all(message.role != "system" for message in messages):
            messages = as_messages(messages, options.system)
        if any(map(_extra_of, messages)):
            messages = with_own_state(messages, backend.service_name())
        params = request.params
        if options.params:
            params = {**options.params, **params} if params else options.params
        extra = request.extra_body
        if options.extra_body:
            extra = {**options.extra_body, **extra} if extra else options.extra_body
        if request.requires is not None:
            extra = self._with_switches(extra, request.requires)
        return request._replace(messages=messages, model=model, params=params, extra_body=extra)

    def answer(self, request: Request) -> InferenceOutput:
        """The whole answer."""
        try:
            self._backend.prepare_attempt(request)
            bound = self.bind(request)
            if self._backend.interruptible:
                return self._in_shape(request, bound)
            return self._on_a_worker(lambda: self._in_shape(request, bound), bound)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises becomes one kind of error here
            named = self._backend.as_backend_error(error)
            raise named from named.__cause__

    def stream(self, request: Request) -> EventStream:
        """The answer piece by piece."""
        from complaint_llm.backends.streams import AttemptStream  # cold start: streams

        check = None
        try:
            self._backend.prepare_attempt(request)
            bound = self.bind(request)
            if bound.response_format is None:
                events = self._open(bound)
            else:
                # cold start: schemas
                from complaint_llm.backends.answers.structured import AnswerParser, provider_request

                check = AnswerParser(bound)
                events = self._native_schemas.ask(
                    request, bound, lambda means: self._open(provider_request(bound, means))
                )
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises becomes one kind of error here
            named = self._backend.as_backend_error(error)
            raise named from named.__cause__
        return AttemptStream(
            events,
            self._backend.as_backend_error,
            lambda output: self._finish(_read_shape(check, output, bound), bound),
        )

    def embed(self, request: EmbeddingRequest) -> EmbeddingOutput:
        """The vectors of all texts."""
        backend = self._backend
        try:
            backend.prepare_attempt(request)
            model = request.model or backend.model_to_embed()
            if not model:
                raise InvalidRequestError("no embedding model: set embedding_model", backend=backend.id, sent=False)
            bound = request._replace(model=model)
            if request.requires is not None:
                bound = bound._replace(extra_body=self._with_switches(bound.extra_body, request.requires))
            if backend.interruptible:
                output = backend.answer_embedding(bound)
            else:
                output = self._on_a_worker(lambda: backend.answer_embedding(bound), bound)
            if len(output.vectors) != len(request.texts):
                raise ResponseFormatError(f"{len(output.vectors)} vectors for {len(request.texts)} texts", model=model)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises becomes one kind of error here
            named = backend.as_backend_error(error)
            raise named from named.__cause__
        cost = output.cost
        if cost is None and output.token_usage.total_tokens:
            cost = backend.model_catalog.cost(model, output.token_usage, request.extra_body)
        return output._replace(backend=backend.id, model=output.model or model, cost=cost)

    # -- inside --------------------------------------------------------------------------------------------------

    def _with_switches(self, extra_body: Mapping[str, Any], requires: Requirements) -> Mapping[str, Any]:
        """What is laid over the body, with what has the provider keep to the requirements above everything else."""
        backend = self._backend
        if backend.local or not backend.at_own_provider:
            return extra_body
        return with_switches(extra_body, backend.type_handling, requires)

    def _on_a_worker(self, work: Callable[[], T], request: Request | EmbeddingRequest) -> T:
        """Run what cannot be interrupted where it can be left behind at the deadline."""
        from complaint_llm.routing.threads.worker import run_abandonable  # cold start: threads

        return run_abandonable(work, request.deadline, request.cancel, self._backend.id)

    def _in_shape(self, given: Request, bound: Request) -> InferenceOutput:
        """One answer, of the shape that is asked for."""
        if bound.response_format is None:
            output = self._answer_once(bound)
        else:
            from complaint_llm.backends.answers.structured import answer_structured  # cold start: schemas

            output = self._native_schemas.ask(
                given, bound, lambda means: answer_structured(self._answer_once, given, bound, means)
            )
        if given.checks is None:
            return output
        from complaint_llm.client.answer_check import check_answer  # cold start: checks

        return check_answer(given, output)

    def _answer_once(self, request: Request) -> InferenceOutput:
        """One finished answer: asked for whole, or collected from a stream where the config says ``"stream": true``."""
        backend = self._backend
        if backend.options.stream and "stream" in backend.capabilities:
            from complaint_llm.backends.streams import collect  # cold start: streams

            return self._finish(collect(backend.answer_stream(request._replace(stream=True))), request)
        return self._finish(backend.answer(request), request)

    def _open(self, request: Request) -> Iterable[StreamEvent]:
        backend = self._backend
        if backend.interruptible:
            events = backend.answer_stream(request)
        else:
            from complaint_llm.backends.answers.worker_stream import WorkerStream  # cold start: threads

            events = WorkerStream(lambda: backend.answer_stream(request), request.deadline, request.cancel, backend.id)
        known = known_ids(request.messages)
        return StreamedNewIds(events, known) if known else events

    def _finish(self, output: InferenceOutput, request: Request) -> InferenceOutput:
        backend = self._backend
        if not isinstance(output, InferenceOutput):
            raise ResponseFormatError(f"it gave a {type(output).__name__}, not an InferenceOutput", model=request.model)
        check_answered(output, request.model)
        asked = request.model or ""
        cost = output.cost
        if cost is None and output.token_usage.total_tokens:
            cost = backend.model_catalog.cost(asked, output.token_usage, request.extra_body)
        if output.tool_calls:
            output = with_new_ids(output, known_ids(request.messages))
        own = output._replace(
            **own_fields(output), backend=backend.id, model=output.model or asked, cost=cost, shown=request.shown
        )
        return seal_state(own, backend.service_name()) if own.extra else own


def _read_shape(check: AnswerParser | None, output: InferenceOutput, bound: Request) -> InferenceOutput:
    """A streamed answer as what was asked for, with its quotes and what its checks find."""
    output = output if check is None else check(output)
    return output if bound.checks is None else bound.checks.examine(output)
