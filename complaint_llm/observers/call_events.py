"""Tells the observers how the calls of a client began and ended."""

from __future__ import annotations

from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING

from complaint_llm.messages import TokenUsage
from complaint_llm.observers.call_end import CallEnd, CallStart
from complaint_llm.observers.observer import Kind, RequestEvent
from complaint_llm.observers.texts_digest import in_hex
from complaint_llm.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.messages import EmbeddingOutput, InferenceOutput
    from complaint_llm.observers.event_queue import EventQueue
    from complaint_llm.routing.target import AnyRequest

NO_TOKENS = TokenUsage()
# Made from one tuple: by fields it takes a call twice as long.
_start: Callable[[tuple[object, ...]], CallStart] = partial(tuple.__new__, CallStart)
_end: Callable[[tuple[object, ...]], CallEnd] = partial(tuple.__new__, CallEnd)


class CallEvents:
    """What ``queue`` is told of the calls of one client; ``has_guards``, whether guards stand before them.

    A call is begun, and ended once. Its thread hands over what it has at hand: events are made where they are told.
    """

    __slots__ = ("_digests", "_put", "_requests")

    def __init__(self, queue: EventQueue, *, has_guards: bool = False) -> None:
        self._requests = queue.requests
        self._put = queue.put
        self._digests = queue.digests and not has_guards

    def begin(self, kind: Kind, request: AnyRequest, asked: str | None, batch: str | None = None) -> CallStart:
        """A call begins; ``asked`` is the backend that it names, ``batch`` the batch that it is of."""
        task = texts = None
        if isinstance(request, Request):
            if request.checks is not None:
                task = request.checks.task
            if self._digests:
                texts = request.messages
        start = _start((kind, request.deadline, task, request.matter, asked, batch, texts, monotonic()))
        return self._tell_request(start, request) if self._requests else start

    def end_with_answer(self, start: CallStart, output: InferenceOutput, first_piece: float | None = None) -> None:
        """It ended with this answer, the first piece of which came so many seconds after its beginning."""
        about = output.metadata
        cached = demo = False
        guards: tuple[str, ...] = ()
        if about:
            cached, demo = bool(about.get("cached")), bool(about.get("demo"))
            guards = tuple(each["name"] for each in about.get("guards", ()))
        self._put(_end((
            start, monotonic(), time(), output.attempts, None, None, output.backend, output.model, output.token_usage,
            output.cost, output.finish_reason, cached, demo, first_piece, guards,
        )))  # fmt: skip

    def end_with_vectors(self, start: CallStart, output: EmbeddingOutput) -> None:
        """It ended with these vectors."""
        self._put(_end((
            start, monotonic(), time(), output.attempts, None, None, output.backend, output.model, output.token_usage,
            output.cost, None, False, False, None, (),
        )))  # fmt: skip

    def end_with_error(self, start: CallStart, error: BaseException, first_piece: float | None = None) -> None:
        """It ended with this error."""
        status, backend, model = (getattr(error, name, None) for name in ("status", "backend", "model"))
        self._put(_end((
            start, monotonic(), time(), getattr(error, "attempts", ()), type(error).__name__, status, backend, model,
            NO_TOKENS, None, None, False, False, first_piece, (),
        )))  # fmt: skip

    def _tell_request(self, start: CallStart, request: AnyRequest) -> CallStart:
        """The same call, of which the observers are told that it begins."""
        digest = start.digest
        self._put(
            RequestEvent(
                call=start.deadline.call_id,
                time=time(),
                kind=start.kind,
                messages=len(request.messages if isinstance(request, Request) else request.texts),
                tools=len(request.tools) if isinstance(request, Request) else 0,
                asked=start.asked,
                model=request.model,
                task=start.task,
                matter=start.matter,
                private=request.privacy is not None,
                batch=start.batch,
                digest=in_hex(digest),
            )
        )
        return start._replace(texts=digest, began=monotonic())


class StreamEvents:
    """The same of one stream, whose end is told once. The thread that reads it uses it, and a finalizer."""

    __slots__ = ("_ended", "_events", "_first_piece", "_start")

    def __init__(self, events: CallEvents, start: CallStart) -> None:
        self._events = events
        self._start = start
        self._first_piece: float | None = None
        self._ended = False

    def saw_piece(self) -> None:
        """A piece was handed out."""
        if self._first_piece is None:
            self._first_piece = monotonic() - self._start.began

    def end_with_answer(self, output: InferenceOutput) -> None:
        """It ended with this answer."""
        if not self._ended:
            self._ended = True
            self._events.end_with_answer(self._start, output, self._first_piece)

    def end_with_error(self, error: BaseException) -> None:
        """It ended with this error."""
        if not self._ended:
            self._ended = True
            self._events.end_with_error(self._start, error, self._first_piece)
