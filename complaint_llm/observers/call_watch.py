"""Watches one call and tells the observers how it began and ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm.observers.observer import AnswerEvent, AttemptEvent, Event, Kind, RequestEvent
from complaint_llm.request import Request

if TYPE_CHECKING:
    from complaint_llm.messages import Attempt, EmbeddingOutput, InferenceOutput
    from complaint_llm.observers.event_queue import EventQueue
    from complaint_llm.routing.target import AnyRequest


class CallWatch:
    """One call, from now to its end, which is told once. The thread that makes the call uses it."""

    __slots__ = ("_began", "_call", "_ended", "_first_piece", "_kind", "_matter", "_queue", "_task")

    def __init__(self, queue: EventQueue, kind: Kind, request: AnyRequest, asked: str | None) -> None:
        self._queue = queue
        self._kind: Kind = kind
        self._call = request.deadline.call_id
        self._matter = request.matter
        self._task: str | None = None
        self._began = time.monotonic()
        self._first_piece: float | None = None
        self._ended = False
        if isinstance(request, Request):
            messages, tools = len(request.messages), len(request.tools)
            if request.checks is not None:
                self._task = request.checks.task
        else:
            messages, tools = len(request.texts), 0
        queue.put(
            RequestEvent(
                call=self._call,
                time=time.time(),
                kind=kind,
                messages=messages,
                tools=tools,
                asked=asked,
                model=request.model,
                task=self._task,
                matter=self._matter,
                private=request.privacy is not None,
            )
        )

    def saw_piece(self) -> None:
        """A piece of a stream was handed out."""
        if self._first_piece is None:
            self._first_piece = time.monotonic() - self._began

    def end_with_answer(self, output: InferenceOutput) -> None:
        """The call ended with this answer."""
        metadata = output.metadata
        self._end(
            output.attempts,
            backend=output.backend or None,
            model=output.model or None,
            usage=output.token_usage,
            cost=output.cost,
            finish_reason=output.finish_reason,
            cached=bool(metadata.get("cached")),
            demo=bool(metadata.get("demo")),
            guards=tuple([each["name"] for each in metadata["guards"]]) if "guards" in metadata else (),
        )

    def end_with_vectors(self, output: EmbeddingOutput) -> None:
        """The call ended with these vectors."""
        self._end(
            output.attempts,
            backend=output.backend or None,
            model=output.model or None,
            usage=output.token_usage,
            cost=output.cost,
        )

    def end_with_error(self, error: BaseException) -> None:
        """The call ended with this error."""
        self._end(
            getattr(error, "attempts", ()),
            error=type(error).__name__,
            status=getattr(error, "status", None),
            backend=getattr(error, "backend", None),
            model=getattr(error, "model", None),
        )

    def _end(self, attempts: Sequence[Attempt], **how: Any) -> None:
        """Tell the attempts and ``how`` it ended, as fields of an AnswerEvent."""
        if self._ended:
            return
        self._ended = True
        events: list[Event] = [
            AttemptEvent(
                self._call,
                number,
                each.backend,
                # The class alone: what a provider says may hold the client's words.
                None if each.error is None else each.error.partition(":")[0],
                each.seconds,
                each.sent,
                each.maybe_received,
                self._matter,
            )
            for number, each in enumerate(attempts, 1)
        ]
        events.append(
            AnswerEvent(
                call=self._call,
                time=time.time(),
                kind=self._kind,
                seconds=time.monotonic() - self._began,
                first_piece=self._first_piece,
                task=self._task,
                matter=self._matter,
                **how,
            )
        )
        self._queue.put(*events)
