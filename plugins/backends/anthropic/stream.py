"""The event streams of the Messages API into typed events and, at the end, the whole answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm_plugins.backends.anthropic.wire import BROKEN_ARGUMENTS, PROVIDER, Fail, neutral_reason, token_usage

from complaint_llm import bounded_json
from complaint_llm.backends.accumulator import StreamAccumulator
from complaint_llm.backends.shapes import count, mapping, optional_mapping, text
from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.request import parse_arguments

if TYPE_CHECKING:
    from complaint_llm.messages import StreamEvent
    from complaint_llm.transport import ServerSentEvent


class Decoder:
    """Reads one event stream. Used by the one thread that reads it."""

    def __init__(self, metadata: Mapping[str, Any], fail: Fail) -> None:
        self._answer = StreamAccumulator(metadata)
        self._fail = fail
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}
        self._stop: tuple[Any, Any] = (None, None)
        self._handlers: Mapping[str, Callable[[Mapping[str, Any]], Iterable[StreamEvent]]] = {
            "content_block_delta": self._delta,
            "content_block_start": self._start,
            "content_block_stop": self._block_stop,
            "message_start": self._message_start,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
            "error": self._error,
        }

    def feed(self, event: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events that this one means. An event of an unknown type means nothing, as the API's versioning asks."""
        try:
            data = bounded_json.loads(event.data)
        except ValueError as cause:
            if event.data == "[DONE]":
                return ()  # OpenAI's mark, which some servers of this wire send after their own
            raise ResponseFormatError("an event of the stream is no JSON") from cause
        handler = self._handlers.get(text(mapping(data, "an event").get("type"), "an event's type"))
        return handler(data) if handler is not None else ()

    def end(self) -> Iterable[StreamEvent]:
        """Without ``message_stop`` the stream was cut."""
        return ()

    def _message_start(self, data: Mapping[str, Any]) -> Iterable[StreamEvent]:
        message = mapping(data.get("message"), "message")
        self._answer.model = text(message.get("model"), "model")
        self._usage.update(optional_mapping(message.get("usage"), "usage"))
        return ()

    def _start(self, data: Mapping[str, Any]) -> Iterable[StreamEvent]:
        place = count(data.get("index"), "index")
        block = mapping(data.get("content_block"), "content_block")
        self._blocks[place] = _Block(block)
        kind = block.get("type")
        if kind == "tool_use":
            name = text(block.get("name"), "a tool call's name")
            if not name:
                raise ResponseFormatError("a tool call without a name")
            return self._answer.tool_call(place, text(block.get("id"), "a tool call's id"), name)
        if kind == "text" and block.get("text"):
            return (self._answer.text(text(block["text"], "text")),)
        if kind == "thinking" and block.get("thinking"):
            return (self._answer.reasoning(text(block["thinking"], "thinking")),)
        return ()

    def _delta(self, data: Mapping[str, Any]) -> Iterable[StreamEvent]:
        place = count(data.get("index"), "index")
        block = self._blocks.get(place)
        if block is None:
            raise ResponseFormatError("a piece of a content block that did not begin")
        delta = mapping(data.get("delta"), "delta")
        field = _DELTAS.get(text(delta.get("type"), "delta"))
        if field is None:
            return ()
        source, target = field
        piece = text(delta.get(source), source)
        block.add(target, piece)
        if not piece or target == "signature":
            return ()
        if target == "text":
            return (self._answer.text(piece),)
        if target == "thinking":
            return (self._answer.reasoning(piece),)
        return self._answer.tool_call(place, arguments=piece)

    def _block_stop(self, data: Mapping[str, Any]) -> Iterable[StreamEvent]:
        place = count(data.get("index"), "index")
        block = self._blocks.get(place)
        given = None if block is None else block.whole_input()
        events = [] if given is None else self._answer.tool_call(place, arguments=given)
        return [*events, *self._answer.end_tool_call(place)]

    def _message_delta(self, data: Mapping[str, Any]) -> Iterable[StreamEvent]:
        # The counts are cumulative: what is said later replaces what was said before.
        later = optional_mapping(data.get("usage"), "usage")
        self._usage.update({key: value for key, value in later.items() if value is not None})
        delta = optional_mapping(data.get("delta"), "delta")
        if delta.get("stop_reason") is not None:
            self._stop = delta["stop_reason"], delta.get("stop_details")
        return ()

    def _message_stop(self, data: Mapping[str, Any]) -> Iterable[StreamEvent]:
        answer = self._answer
        answer.usage = token_usage(self._usage)
        answer.finish_reason = neutral_reason(*self._stop, bool(answer.content or answer.has_calls))
        blocks = list(self._blocks.values())
        if any(block.kind in ("thinking", "redacted_thinking") for block in blocks):
            answer.extra = {PROVIDER: [block.whole() for block in blocks]}
        return answer.done()

    def _error(self, data: Mapping[str, Any]) -> Iterable[StreamEvent]:
        raise self._fail(data)


_DELTAS = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("partial_json", "input"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
}
"""Kinds of pieces: their field, and the field of the block that they add to."""


class _Block:
    """A content block whose pieces are coming in, kept to be handed back with the next turn."""

    __slots__ = ("_pieces", "_start", "kind")

    def __init__(self, start: Mapping[str, Any]) -> None:
        self._start = start
        self._pieces: dict[str, list[str]] = {}
        self.kind = start.get("type")

    def add(self, field: str, piece: str) -> None:
        self._pieces.setdefault(field, []).append(piece)

    def whole_input(self) -> str | None:
        """A tool call's arguments where the block began with them and no piece followed (some compatible servers)."""
        given = self._start.get("input") if self.kind == "tool_use" and not self._pieces.get("input") else None
        return json.dumps(given, ensure_ascii=False) if given else None

    def whole(self) -> dict[str, Any]:
        """The block as a plain answer would hold it."""
        block = dict(self._start)
        for field, pieces in self._pieces.items():
            begun = block.get(field)
            block[field] = (begun if isinstance(begun, str) else "") + "".join(pieces)
        if self.kind == "tool_use" and isinstance(block.get("input"), str):
            arguments = parse_arguments(block["input"])
            block["input"] = {BROKEN_ARGUMENTS: block["input"]} if arguments is None else dict(arguments)
        return block
