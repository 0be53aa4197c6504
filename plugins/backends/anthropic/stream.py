"""Answers of the Messages API, streamed or whole, into typed events and the whole answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm_plugins.backends.anthropic.citations import citation_of
from complaint_llm_plugins.backends.anthropic.wire import BROKEN_ARGUMENTS, PROVIDER, token_usage

from complaint_llm.backends.wire import (
    Fail,
    JSONStreamDecoder,
    StreamAccumulator,
    as_count,
    as_object,
    as_optional_object,
    as_text,
    parse_arguments,
    text_or_empty,
    value_without_halves,
    wrong_shape,
)
from complaint_llm.exceptions import ResponseFormatError

if TYPE_CHECKING:
    from complaint_llm.messages import InferenceOutput, StreamEvent

PLAIN = frozenset(("text", "tool_use"))
"""Kinds of blocks that text and tool calls say all of; an answer with any other is kept for the next turn."""


class MessagesDecoder(JSONStreamDecoder):
    """Reads one answer; a whole one is a stream of whole blocks.

    Blocks of other kinds, such as those of the provider's own tools (``server_tool_use``, ``mcp_tool_use``), are no
    calls of ours: they are kept and go back with the next turn.
    """

    own_keys: ClassVar[frozenset[str]] = frozenset(("type", "content"))

    def __init__(
        self, metadata: Mapping[str, Any], fail: Fail, asked: str = "", documents: Sequence[str | None] = ()
    ) -> None:
        """``documents`` are the CIDs of the documents that were sent, in their order."""
        super().__init__(fail)
        self._documents = documents
        self._answer = StreamAccumulator(metadata, asked=asked)
        self._usage: dict[str, Any] = {}
        self._blocks: list[_Block] = []
        self._open: dict[int, _Block] = {}

    def read(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        """The events that this one means. An event of an unknown type means nothing, as the API's versioning asks."""
        handler = self._handlers.get(as_text(event.get("type"), "an event's type"))
        return handler(self, event) if handler is not None else ()

    def end_mark(self) -> Iterable[StreamEvent]:
        # OpenAI's mark, which some servers of this wire send instead of their own last event.
        return self._done() if self._answer.raw_finish_reason else ()

    def decode(self, payload: Any) -> InferenceOutput:
        """The answer in a body. Raises ResponseFormatError, or ContentFilterError where the model refused."""
        body = self.check_body(payload)
        blocks = body.get("content")
        if not isinstance(blocks, list):
            raise wrong_shape("content", blocks, "an array")
        self._head(body)
        for block in blocks:
            self._end(self._begin(as_object(block, "a content block"))[0])
        self._read_stop(body)
        self._close()
        return self._answer.output()

    def _message_start(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        self._head(as_object(event.get("message"), "message"))
        return ()

    def _head(self, message: Mapping[str, Any]) -> None:
        self._answer.model = text_or_empty(message.get("model"))
        self._count(message)

    def _start(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        block, events = self._begin(as_object(event.get("content_block"), "content_block"))
        self._open[as_count(event.get("index"), "index")] = block
        return events

    def _begin(self, start: Mapping[str, Any]) -> tuple[_Block, list[StreamEvent]]:
        block = _Block(len(self._blocks), start)
        self._blocks.append(block)
        if block.kind == "tool_use":
            name = as_text(start.get("name"), "a tool call's name")
            if not name:
                raise ResponseFormatError("a tool call without a name")
            return block, self._answer.tool_call(block.place, as_text(start.get("id"), "a tool call's id"), name)
        if block.kind in ("text", "thinking"):
            return block, self._piece(block, as_text(start.get(block.kind), block.kind))
        return block, []

    def _delta(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        block = self._open.get(as_count(event.get("index"), "index"))
        if block is None:
            raise ResponseFormatError("a piece of a content block that did not begin")
        delta = as_object(event.get("delta"), "delta")
        if delta.get("type") == "citations_delta":
            block.citations.append(delta.get("citation"))
        field = _DELTAS.get(as_text(delta.get("type"), "delta"))
        if field is None:
            return ()
        piece = as_text(delta.get(field), field)
        block.add(field, piece)
        return self._piece(block, piece) if field == _PIECES.get(block.kind) else ()

    def _piece(self, block: _Block, piece: str) -> list[StreamEvent]:
        if not piece:
            return []
        if block.kind == "text":
            return self._answer.text(piece)
        if block.kind == "thinking":
            return self._answer.reasoning(piece)
        return self._answer.tool_call(block.place, arguments=piece)

    def _block_stop(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        block = self._open.pop(as_count(event.get("index"), "index"), None)
        return () if block is None else self._end(block)

    def _end(self, block: _Block) -> list[StreamEvent]:
        if block.kind != "tool_use":
            return []
        arguments = block.whole_input()
        events = [] if arguments is None else self._answer.tool_call(block.place, arguments=arguments)
        return [*events, *self._answer.end_tool_call(block.place)]

    def _message_delta(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        self._count(event)
        self._read_stop(as_optional_object(event.get("delta"), "delta"))
        return ()

    def _count(self, event: Mapping[str, Any]) -> None:
        # The counts are cumulative: what is said later replaces what was said before; what is none makes all odd.
        given = event.get("usage")
        later = given if isinstance(given, Mapping) or given is None or given == [] else {"input_tokens": [given]}
        self._usage.update({key: value for key, value in (later or {}).items() if value is not None})

    def _read_stop(self, delta: Mapping[str, Any]) -> None:
        answer = self._answer
        answer.raw_finish_reason = text_or_empty(delta.get("stop_reason")) or answer.raw_finish_reason
        details = delta.get("stop_details")
        if isinstance(details, dict):
            answer.refusal = text_or_empty(details.get("explanation")) or text_or_empty(details.get("category"))

    def _message_stop(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        return self._done()

    def _done(self) -> list[StreamEvent]:
        self.over = True
        events = [event for block in self._open.values() for event in self._end(block)]
        self._close()
        return [*events, *self._answer.done()]

    def _close(self) -> None:
        answer = self._answer
        answer.usage = token_usage(self._usage)
        for block in self._blocks:
            for location in block.all_citations() if block.kind == "text" else ():
                citation = citation_of(location, self._documents)
                if citation is not None:
                    answer.cite(citation, block.text())
        if answer.finish_reason != "content_filter":
            answer.refusal = ""
        elif not answer.refusal:
            answer.refusal = "no reason given"
        if answer.finish_reason == "paused" or any(block.kind not in PLAIN for block in self._blocks):
            answer.extra = {PROVIDER: [block.as_plain() for block in self._blocks]}

    _handlers: ClassVar[Mapping[str, Callable[[MessagesDecoder, Mapping[str, Any]], Iterable[StreamEvent]]]] = {
        "content_block_delta": _delta,
        "content_block_start": _start,
        "content_block_stop": _block_stop,
        "message_start": _message_start,
        "message_delta": _message_delta,
        "message_stop": _message_stop,
    }


_DELTAS = {
    "text_delta": "text",
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}
"""Kinds of pieces and their field."""

_PIECES = {"text": "text", "thinking": "thinking", "tool_use": "partial_json"}
"""The field whose pieces are a block's own: others only stand in it."""


class _Block:
    """A content block whose pieces are coming in, kept to be handed back with the next turn."""

    __slots__ = ("_pieces", "_start", "citations", "kind", "place")

    def __init__(self, place: int, start: Mapping[str, Any]) -> None:
        self.place = place
        self.kind: Any = start.get("type") if isinstance(start.get("type"), str) else ""
        self.citations: list[Any] = []
        self._start = start
        self._pieces: dict[str, list[str]] = {}

    def add(self, field: str, piece: str) -> None:
        self._pieces.setdefault(field, []).append(piece)

    def whole_input(self) -> str | None:
        """A tool call's arguments where the block began with them and no piece followed, as in a whole answer."""
        if any(self._pieces.get("partial_json", ())):
            return None
        given = self._start.get("input")
        return "{}" if given is None else json.dumps(given, ensure_ascii=False)

    def text(self) -> str:
        """The text of a block of text."""
        begun = self._start.get("text")
        return "".join((begun if isinstance(begun, str) else "", *self._pieces.get("text", ())))

    def all_citations(self) -> list[Any]:
        """Those that it began with, and those that came."""
        begun = self._start.get("citations")
        return [*(begun if isinstance(begun, list) else ()), *self.citations]

    def as_plain(self) -> dict[str, Any]:
        """The block as a plain answer would hold it."""
        block = dict(self._start)
        for field, pieces in self._pieces.items():
            said = "".join(pieces)
            if field == "partial_json":
                if said:
                    arguments = parse_arguments(said)
                    block["input"] = {BROKEN_ARGUMENTS: said} if arguments is None else dict(arguments)
            else:
                begun = block.get(field)
                block[field] = (begun if isinstance(begun, str) else "") + said
        if self.citations:
            block["citations"] = self.all_citations()
        plain: dict[str, Any] = value_without_halves(block)
        return plain
