"""Watches one call and tells the observers how it began and ended."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic, time
from typing import TYPE_CHECKING

from complaint_llm.messages import TokenUsage
from complaint_llm.observers.call_end import CallEnd
from complaint_llm.observers.observer import AnswerEvent, Kind, RequestEvent
from complaint_llm.observers.texts_digest import texts_digest
from complaint_llm.request import Request

if TYPE_CHECKING:
    from complaint_llm.messages import Attempt, EmbeddingOutput, InferenceOutput
    from complaint_llm.observers.event_queue import EventQueue
    from complaint_llm.routing.target import AnyRequest

NO_TOKENS = TokenUsage()


class CallWatch:
    """One call, from now to its end, which is told once. The thread that makes the call uses it.

    ``batch`` is the batch that it is of; ``has_guards``, whether guards stand before it.
    """

    __slots__ = ("_asked", "_batch", "_began", "_call", "_digest", "_ended", "_first_piece", "_kind", "_matter", "_queue", "_task")  # fmt: skip # noqa: E501

    def __init__(
        self,
        queue: EventQueue,
        kind: Kind,
        request: AnyRequest,
        asked: str | None,
        batch: str | None = None,
        has_guards: bool = False,
    ) -> None:
        self._queue = queue
        self._kind: Kind = kind
        self._call = request.deadline.call_id
        self._matter = request.matter
        self._asked = asked
        self._batch = batch
        self._task: str | None = None
        self._digest: str | None = None
        self._first_piece: float | None = None
        self._ended = False
        if isinstance(request, Request):
            self._task = None if request.checks is None else request.checks.task
            if queue.digests and not has_guards:
                self._digest = texts_digest(request.messages)
        if queue.requests:
            queue.put(self._request_event(request))
        self._began = monotonic()

    def saw_piece(self) -> None:
        """A piece of a stream was handed out."""
        if self._first_piece is None:
            self._first_piece = monotonic() - self._began

    def end_with_answer(self, output: InferenceOutput) -> None:
        """The call ended with this answer."""
        about = output.metadata
        cached = demo = False
        names: tuple[str, ...] = ()
        if about:
            cached, demo = bool(about.get("cached")), bool(about.get("demo"))
            names = tuple(each["name"] for each in about.get("guards", ()))
        given = output.backend or None, output.model or None, output.token_usage, output.cost
        self._end(output.attempts, None, None, *given, output.finish_reason, cached, demo, names)

    def end_with_vectors(self, output: EmbeddingOutput) -> None:
        """The call ended with these vectors."""
        backend, model = output.backend or None, output.model or None
        self._end(output.attempts, None, None, backend, model, output.token_usage, output.cost)

    def end_with_error(self, error: BaseException) -> None:
        """The call ended with this error."""
        self._end(
            getattr(error, "attempts", ()),
            type(error).__name__,
            getattr(error, "status", None),
            getattr(error, "backend", None),
            getattr(error, "model", None),
        )

    def _request_event(self, request: AnyRequest) -> RequestEvent:
        chats = isinstance(request, Request)
        return RequestEvent._make((
            self._call, time(), self._kind, len(request.messages if chats else request.texts),  # type: ignore[union-attr]
            len(request.tools) if chats else 0, self._asked, request.model, self._task, self._matter,  # type: ignore[union-attr]
            request.privacy is not None, self._batch, self._digest,
        ))  # fmt: skip

    def _end(
        self,
        attempts: Sequence[Attempt],
        error: str | None,
        status: int | None,
        backend: str | None,
        model: str | None,
        usage: TokenUsage = NO_TOKENS,
        cost: float | None = None,
        finish_reason: str | None = None,
        cached: bool = False,
        demo: bool = False,
        guards: tuple[str, ...] = (),
    ) -> None:
        """Tell of the attempts and of the end. In the order of the fields: names cost half of what this may cost."""
        if self._ended:
            return
        self._ended = True
        queue, sole = self._queue, None
        if len(attempts) == 1:
            (only,) = attempts
            if only.error is None and only.sent and error is None:
                sole = only.seconds
        end = AnswerEvent._make((
            self._call, time(), self._kind, monotonic() - self._began, error, status, backend, model, usage, cost,
            finish_reason, cached, demo, self._first_piece, guards, self._task, self._matter, self._asked, self._batch,
            self._digest, sole,
        ))  # fmt: skip
        queue.put(CallEnd(end, attempts) if sole is None or queue.sole_attempts else end)
