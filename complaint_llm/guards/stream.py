"""A stream whose pieces are changed by guards before they are handed out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from complaint_llm.messages import (
    Done,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

if TYPE_CHECKING:
    from complaint_llm.guards.guard import PieceRestorer
    from complaint_llm.routing.target import EventStream

Restorers = Callable[[Literal["text", "json"]], Sequence["PieceRestorer"]]


class RestoredStream:
    """The events of ``stream``. Text, reasoning and the arguments of each call are changed by restorers of their own;
    what one holds back comes before whatever ends its text. ``is_json``: the text is.

    One thread iterates, any thread may close it.
    """

    def __init__(self, stream: EventStream, restorers: Restorers, *, is_json: bool = False) -> None:
        self._stream = stream
        self._restorers = restorers
        self._texts = _Pieces(restorers("json" if is_json else "text"))
        self._reasoning = _Pieces(restorers("text"))
        self._calls: dict[str, _Pieces] = {}
        self._ready: deque[StreamEvent] = deque()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        while not self._ready:
            self._take(next(self._stream))
        return self._ready.popleft()

    def close(self) -> None:
        """Free the stream."""
        self._stream.close()

    def _take(self, event: StreamEvent) -> None:
        if isinstance(event, TextDelta):
            self._flush_reasoning()
            self._hand_out(TextDelta(self._texts.feed(event.text)))
        elif isinstance(event, ReasoningDelta):
            self._hand_out(ReasoningDelta(self._reasoning.feed(event.text)))
        elif isinstance(event, ToolCallDelta):
            pieces = self._calls.setdefault(event.id, _Pieces(self._restorers("json")))
            self._hand_out(event._replace(arguments_delta=pieces.feed(event.arguments_delta)))
        else:
            if isinstance(event, (ToolCallStart, Done)):
                self._flush_reasoning()
                self._hand_out(TextDelta(self._texts.flush()))
            if isinstance(event, ToolCallEnd) and event.id in self._calls:
                self._hand_out(ToolCallDelta(event.id, self._calls.pop(event.id).flush()))
            self._ready.append(event)

    def _flush_reasoning(self) -> None:
        self._hand_out(ReasoningDelta(self._reasoning.flush()))

    def _hand_out(self, event: TextDelta | ReasoningDelta | ToolCallDelta) -> None:
        said = event.arguments_delta if isinstance(event, ToolCallDelta) else event.text
        if said:
            self._ready.append(event)


class _Pieces:
    """One text, changed by several restorers, one after the other."""

    def __init__(self, restorers: Sequence[PieceRestorer]) -> None:
        self._restorers = restorers

    def feed(self, piece: str) -> str:
        for restorer in self._restorers:
            piece = restorer.feed(piece)
        return piece

    def flush(self) -> str:
        rest = ""
        for restorer in self._restorers:
            rest = (restorer.feed(rest) if rest else "") + restorer.flush()
        return rest
