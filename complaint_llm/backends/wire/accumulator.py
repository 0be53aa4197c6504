"""Collects one answer: pieces go in, the events to hand out come back, and at the end the whole answer.

Every wire reads its answers into one, streamed or whole (a whole answer is a stream of one piece), so that both mean
the same. Used by one thread. Pieces are checked by the wire: what comes in here has the right types.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import chain, count
from math import exp
from typing import Any

from complaint_llm.backends.wire.finish_reasons import neutral_finish_reason
from complaint_llm.backends.wire.surrogates import HalfJoiner, value_without_halves, without_halves
from complaint_llm.backends.wire.thinking import Piece, ThinkSplitter, split_unopened
from complaint_llm.exceptions import ContentFilterError, ResponseFormatError
from complaint_llm.messages import (
    Citation,
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
FILTERED = "the provider's content filter held the answer back"
MAX_LOGARITHM = 1e6
"""Beyond it a number is no logarithm of a probability: a token has at least that of the smallest float, -745."""


def confidence(log_probabilities: list[float]) -> float | None:
    """exp of the mean token log-probability (natural logarithm); None without any token."""
    return exp(min(0.0, sum(log_probabilities) / len(log_probabilities))) if log_probabilities else None


class _StreamedCall:
    """A tool call whose fragments are coming in. It is announced once both its id and its name are known."""

    __slots__ = ("ended", "halves", "id", "name", "pieces", "started")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.halves = HalfJoiner()
        self.started = False
        self.ended = False


class StreamAccumulator:
    """The pieces of one answer.

    The wire sets ``model``, ``usage``, ``raw_finish_reason``, ``refusal``, ``metadata``, ``extra`` and ``cost`` when it
    learns of them. ``raw_finish_reason`` is the wire's own word, ``refusal`` what the model or a filter says instead of
    an answer. ``asked`` is the name of the model that was asked for.
    """

    __slots__ = (
        "_calls",
        "_citations",
        "_commentary",
        "_halves",
        "_log_probabilities",
        "_reasoning",
        "_reasoning_halves",
        "_text",
        "_thinking",
        "cost",
        "extra",
        "metadata",
        "model",
        "raw_finish_reason",
        "refusal",
        "usage",
    )

    def __init__(self, metadata: Mapping[str, Any] | None = None, *, asked: str = "") -> None:
        self.model = ""
        self.usage: TokenUsage = NO_USAGE
        self.raw_finish_reason = ""
        self.refusal = ""
        self.metadata: dict[str, Any] = dict(metadata) if metadata else {}
        self.extra: Mapping[str, Any] | None = None
        self.cost: float | None = None
        self._log_probabilities: list[float] | None = []
        self._thinking = ThinkSplitter(asked)
        self._halves, self._reasoning_halves = HalfJoiner(), HalfJoiner()
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._commentary: list[str] = []
        self._citations: list[tuple[Citation, str | None]] = []
        self._calls: dict[Hashable, _StreamedCall] = {}

    @property
    def content(self) -> str:
        """The text that was handed out so far."""
        return "".join(self._text)

    @property
    def has_calls(self) -> bool:
        """Whether a tool call has begun."""
        return bool(self._calls)

    @property
    def finish_reason(self) -> FinishReason | None:
        """The neutral finish reason."""
        return neutral_finish_reason(self.raw_finish_reason, called=bool(self._calls))

    def text(self, piece: str) -> list[StreamEvent]:
        """The next piece of text, as it came: what in it is reasoning comes back as that."""
        if self._halves.held or not piece.isascii():
            piece = self._halves.feed(piece)
        if self._thinking.over or self._thinking.begins_as_text(piece):
            self._text.append(piece)
            return [TextDelta(piece)] if piece else []
        return self._deltas(self._thinking.feed(piece))

    def reasoning(self, piece: str) -> list[StreamEvent]:
        """The next piece of reasoning text, where the wire tells it from the answer."""
        self._thinking.reasoning_comes_apart()
        said = self._reasoning_halves.feed(piece)
        return self._deltas((Piece(said, True),)) if said else []

    def commentary(self, text: str) -> None:
        """What the model says it is about to do: beside the answer, in ``metadata["commentary"]``."""
        if text:
            self._commentary.append(without_halves(text))

    def cite(self, citation: Citation, said: str | None = None) -> None:
        """What a part of the text rests on. ``start`` and ``end`` are a slice of the text as it came; where they are
        not known, ``said`` is the part itself: those of several citations come in the order of the text."""
        self._citations.append((citation, said))

    def forget_text(self) -> None:
        """Start anew with text and reasoning, for wires that repeat them at the end, where they are not the pieces that
        came: the end counts, although the pieces were handed out."""
        self._thinking = ThinkSplitter()
        self._halves, self._reasoning_halves = HalfJoiner(), HalfJoiner()
        self._text.clear()
        self._reasoning.clear()

    def log_probability(self, given: Any) -> None:
        """The natural logarithm of the next token's probability. One that is no finite number makes the confidence
        unknown: it stands beside the answer and must not cost it."""
        known = isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given) < MAX_LOGARITHM
        if not known:
            self._log_probabilities = None
        elif self._log_probabilities is not None:
            self._log_probabilities.append(float(given))

    def tool_call(self, key: Hashable, id: str = "", name: str = "", arguments: str = "") -> list[StreamEvent]:
        """A fragment of the tool call that the wire knows by ``key`` (an index, an item id).

        ``id`` and ``name`` count once, from whichever fragment has them first; ``arguments`` are appended. Nothing is
        handed out before the name is known; a call gets an id of its own where it has none or that of another.
        """
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _StreamedCall()
        call.id = call.id or id
        call.name = call.name or name
        arguments = call.halves.feed(arguments)
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
        """The tool call's arguments are complete. Calls that are not ended so end with the answer.

        Raises ResponseFormatError for one without a name.
        """
        call = self._calls.get(key)
        if call is None or call.ended:
            return []
        rest = call.halves.rest()
        events = self.tool_call(key, arguments=rest) if rest else []
        if not call.name:
            raise ResponseFormatError("the answer has a tool call without a name")
        call.ended = True
        events.append(ToolCallEnd(call.id))
        return events

    def done(self) -> list[StreamEvent]:
        """The proper end: what was held back, ends of open tool calls, then ``Done`` with the whole answer.

        Raises ContentFilterError for a refusal without an answer, ResponseFormatError for a call without a name.
        """
        events = self._ending()
        output = self._output()
        events.append(Done(output.token_usage, output))
        return events

    def output(self) -> InferenceOutput:
        """The whole answer. Raises as ``done``."""
        self._ending()
        return self._output()

    def _output(self) -> InferenceOutput:
        content, reasoning = "".join(self._text), "".join(self._reasoning)
        split = split_unopened(content) if "</think>" in content and not self._thinking.found else None
        if split is not None:
            reasoning, content = "\n\n".join(filter(None, (reasoning, split.reasoning))), split.text
        if not content.strip() and not self._calls:
            self._raise_refusal()
        if self._commentary:
            self.metadata["commentary"] = "\n\n".join(self._commentary)
        if self.raw_finish_reason:
            self.metadata["finish_reason"] = self.raw_finish_reason
        return InferenceOutput(
            content,
            tuple(map(self._tool_call, self._calls.values())),
            reasoning=reasoning or None,
            confidence=confidence(self._log_probabilities) if self._log_probabilities else None,
            token_usage=self.usage,
            finish_reason=self.finish_reason,
            cost=self.cost,
            model=self.model,
            metadata=self.metadata,
            extra=self.extra,
            citations=tuple(self._placed_citations(content)) if self._citations else (),
        )

    def _placed_citations(self, content: str) -> Iterator[Citation]:
        """The citations, each once, with the places that they have in the text as it is handed out."""
        as_it_came = not self._thinking.found and "</think>" not in content
        reached, last = 0, (0, 0)
        for citation in dict.fromkeys(self._citations):
            start, end = citation[0].start, citation[0].end
            said = citation[1]
            if said:
                # Several citations of one part stand at the same place.
                at = last[0] if content[slice(*last)] == said else content.find(said, reached)
                start, end = (at, at + len(said)) if at >= 0 else (None, None)
                if at >= 0:
                    reached, last = at + len(said), (at, at + len(said))
            elif not as_it_came or start is None or end is None or end > len(content):
                start = end = None
            yield citation[0]._replace(start=start, end=end)

    def _raise_refusal(self) -> None:
        filtered = self.finish_reason == "content_filter"
        if not self.refusal and not filtered:
            return
        message = f"the model refused: {without_halves(self.refusal)[:500]}" if self.refusal else FILTERED
        raise ContentFilterError(message, code=self.raw_finish_reason if filtered else "refusal")

    def _ending(self) -> list[StreamEvent]:
        """What was held back, and the ends of open tool calls."""
        events = self.text(self._halves.rest()) if self._halves.held else []
        if not self._thinking.over:
            events.extend(self._deltas(self._thinking.finish()))
        if self._reasoning_halves.held:
            events.extend(self._deltas((Piece(self._reasoning_halves.rest(), True),)))
        for key in self._calls:
            events.extend(self.end_tool_call(key))
        return events

    def _deltas(self, pieces: Iterable[Piece]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for piece in pieces:
            if piece.is_reasoning:
                self._reasoning.append(piece.text)
                events.append(ReasoningDelta(piece.text))
            else:
                self._text.append(piece.text)
                events.append(TextDelta(piece.text))
        return events

    def _start(self, key: Hashable, call: _StreamedCall) -> list[StreamEvent]:
        used = {other.id for other in self._calls.values() if other.started}
        if not call.id or call.id in used:
            call.id = next(id for id in map("call_{}".format, chain((key,), count())) if id not in used)
        call.started = True
        events: list[StreamEvent] = [ToolCallStart(call.id, call.name)]
        if call.pieces:
            events.append(ToolCallDelta(call.id, "".join(call.pieces)))
        return events

    @staticmethod
    def _tool_call(call: _StreamedCall) -> ToolCall:
        raw = "".join(call.pieces)
        arguments = parse_arguments(raw)
        return ToolCall(call.id, call.name, arguments and value_without_halves(arguments), raw)


def plain_answer(text: str, **fields: Any) -> InferenceOutput:
    """The answer of a backend that gives its text alone; ``fields`` are those of the output."""
    answer = StreamAccumulator()
    answer.text(text)
    return answer.output()._replace(**fields)


def last_message(said: list[str]) -> StreamAccumulator:
    """The answer of an agent that says several things: the last is the answer, those before announce what it is about
    to do."""
    answer = StreamAccumulator()
    for each in said[:-1]:
        answer.commentary(each)
    answer.text(said[-1] if said else "")
    return answer
