"""Collects one stream: pieces go in, the events to hand out come back, and at the end the whole answer.

Every wire's stream decoder owns one, used by the one thread that reads the stream. Pieces are checked by the wire: what
comes in here has the right types.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import exp
from typing import Any

from complaint_llm.messages import (
    Done,
    FinishReason,
    InferenceOutput,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from complaint_llm.request import parse_arguments

NO_USAGE = TokenUsage()


def confidence(log_probabilities: list[float]) -> float | None:
    """exp of the mean token log-probability (natural logarithm); None without any token."""
    return min(1.0, exp(sum(log_probabilities) / len(log_probabilities))) if log_probabilities else None


class _Call:
    """A tool call whose fragments are coming in. It is announced once both its id and its name are known."""

    __slots__ = ("ended", "id", "name", "pieces", "started")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.started = False
        self.ended = False


class StreamAccumulator:
    """The pieces of one streamed answer.

    The wire sets ``model``, ``usage``, ``finish_reason``, ``metadata``, ``extra`` and ``cost`` when it learns of them.
    """

    __slots__ = (
        "_calls",
        "_reasoning",
        "_text",
        "cost",
        "extra",
        "finish_reason",
        "log_probabilities",
        "metadata",
        "model",
        "usage",
    )

    def __init__(self, metadata: Mapping[str, Any] | None = None) -> None:
        self.model = ""
        self.usage: TokenUsage = NO_USAGE
        self.finish_reason: FinishReason | None = None
        self.metadata: dict[str, Any] = dict(metadata) if metadata else {}
        self.extra: Mapping[str, Any] | None = None
        self.cost: float | None = None
        self.log_probabilities: list[float] = []
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[Hashable, _Call] = {}

    @property
    def content(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def has_calls(self) -> bool:
        """Whether a tool call has begun."""
        return bool(self._calls)

    def text(self, piece: str) -> TextDelta:
        """The next piece of text."""
        self._text.append(piece)
        return TextDelta(piece)

    def reasoning(self, piece: str) -> ReasoningDelta:
        """The next piece of reasoning text."""
        self._reasoning.append(piece)
        return ReasoningDelta(piece)

    def tool_call(self, key: Hashable, id: str = "", name: str = "", arguments: str = "") -> list[StreamEvent]:
        """A fragment of the tool call that the wire knows by ``key`` (an index, an item id).

        ``id`` and ``name`` count once, from whichever fragment has them first; ``arguments`` are appended. Nothing is
        handed out before the name is known; a call without an id gets one.
        """
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call()
        call.id = call.id or id
        call.name = call.name or name
        if arguments:
            call.pieces.append(arguments)
        if call.started:
            return [ToolCallDelta(call.id, arguments)] if arguments else []
        return self._start(key, call) if call.name else []

    def set_arguments(self, key: Hashable, arguments: str) -> list[StreamEvent]:
        """The whole argument text, for wires that repeat it at the end: what was not handed out yet comes as a piece.

        Where it differs from the pieces that came, the pieces stand, since they were handed out already.
        """
        had = self.arguments(key)
        return self.tool_call(key, arguments=arguments[len(had) :]) if arguments.startswith(had) else []

    def arguments(self, key: Hashable) -> str:
        """The argument text of the tool call so far."""
        call = self._calls.get(key)
        return "".join(call.pieces) if call is not None else ""

    def end_tool_call(self, key: Hashable) -> list[StreamEvent]:
        """The tool call's arguments are complete. Calls that are not ended so end with the stream."""
        call = self._calls.get(key)
        if call is None or call.ended:
            return []
        events = [] if call.started else self._start(key, call)
        call.ended = True
        events.append(ToolCallEnd(call.id))
        return events

    def done(self) -> list[StreamEvent]:
        """The proper end: ends of open tool calls, then ``Done`` with the whole answer."""
        events: list[StreamEvent] = []
        for key in self._calls:
            events.extend(self.end_tool_call(key))
        output = self.output()
        events.append(Done(output.token_usage, output))
        return events

    def output(self) -> InferenceOutput:
        """The whole answer as it is now."""
        return InferenceOutput(
            "".join(self._text),
            tuple(self._tool_call(call) for call in self._calls.values()),
            "".join(self._reasoning) or None,
            confidence(self.log_probabilities),
            self.usage,
            self.finish_reason,
            None,
            self.cost,
            "",
            self.model,
            (),
            None,
            self.metadata,
            self.extra,
        )

    def _start(self, key: Hashable, call: _Call) -> list[StreamEvent]:
        call.id = call.id or f"call_{key}"
        call.started = True
        events: list[StreamEvent] = [ToolCallStart(call.id, call.name)]
        if call.pieces:
            events.append(ToolCallDelta(call.id, "".join(call.pieces)))
        return events

    @staticmethod
    def _tool_call(call: _Call) -> ToolCall:
        raw = "".join(call.pieces)
        return ToolCall(call.id, call.name, parse_arguments(raw), raw)
