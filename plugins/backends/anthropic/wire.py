"""The Messages API: requests into bodies, bodies and event streams into answers. Pure.

Source: the types of the anthropic SDK 2.11; platform.claude.com for errors and stop reasons.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.accumulator import StreamAccumulator
from complaint_llm.backends.http import WireError
from complaint_llm.backends.images import image_base64, remote_url
from complaint_llm.backends.shapes import count, mapping, optional_mapping, text, wrong
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ContentFilterError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import FinishReason, ImagePart, InferenceOutput, Message, TokenUsage, ToolCall
from complaint_llm.request import parse_arguments

if TYPE_CHECKING:
    from complaint_llm.messages import StreamEvent, Tool
    from complaint_llm.request import Request
    from complaint_llm.transport import ServerSentEvent

PATH = "/v1/messages"
MAX_TOKENS = 4096
"""What is asked for where neither the call nor the model's known maximum says: the API requires a number."""

PROVIDER = "anthropic"
"""The key under which thinking blocks travel in ``Message.extra``."""

ERRORS: Mapping[str, type[BackendError]] = {
    "invalid_request_error": InvalidRequestError,
    "request_too_large": InvalidRequestError,
    "authentication_error": AuthenticationError,
    "billing_error": QuotaExceededError,
    "permission_error": PermissionDeniedError,
    "not_found_error": ModelNotFoundError,
    "rate_limit_error": RateLimitError,
    "timeout_error": ServerError,
    "api_error": ServerError,
    "overloaded_error": ServerError,
    "contract_spend_limit_reached": QuotaExceededError,
    "enforced_spend_limit_reached": QuotaExceededError,
    "linked_organization_spend_limit_reached": QuotaExceededError,
    "linked_organization_billing_unavailable": QuotaExceededError,
    "organization_on_hold": PermissionDeniedError,
}
"""Error classes by ``error.details.error_code``, else by ``error.type``."""

STOP_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

Fail = Callable[[Any], BackendError]
"""Makes the error to raise of an error body that came inside an HTTP 200; secrets are cut out there."""

_BROKEN_ARGUMENTS = "INVALID_JSON"
"""The key that the API's documentation proposes for handing a model's broken argument text back to it."""


# -- requests ----------------------------------------------------------------------------------------------------------


def encode_messages(messages: Sequence[Message]) -> tuple[str, list[dict[str, Any]]]:
    """The system text and the turns. Results of tools that follow one another share one turn, as the API requires."""
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    after_tool = False
    for message in messages:
        role = message.role
        if role == "system":
            system.append(message.text)
            continue
        if role == "tool":
            block = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": _content(message.content)}
            if after_tool:
                turns[-1]["content"].append(block)
            else:
                turns.append({"role": "user", "content": [block]})
        elif role == "assistant":
            turns.append({"role": "assistant", "content": _assistant(message)})
        else:
            turns.append({"role": "user", "content": _content(message.content)})
        after_tool = role == "tool"
    return "\n\n".join(system), turns


def encode_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools as the API lists them."""
    return [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
        if tool.description
        else {"name": tool.name, "input_schema": tool.parameters}
        for tool in tools
    ]


def encode(request: Request, max_tokens: int, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The body without the parameters, which the model's family writes. ``schema`` is that of a structured output."""
    system, turns = encode_messages(request.messages)
    body: dict[str, Any] = {"model": request.model, "max_tokens": max_tokens, "messages": turns}
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = encode_tools(request.tools)
    if schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if request.stream:
        body["stream"] = True
    return body


def _content(content: str | tuple[Any, ...]) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    return [_image(part) if isinstance(part, ImagePart) else {"type": "text", "text": part.text} for part in content]


def _image(part: ImagePart) -> dict[str, Any]:
    url = remote_url(part)
    if url is not None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = image_base64(part)
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _assistant(message: Message) -> str | list[dict[str, Any]]:
    kept = message.extra.get(PROVIDER) if message.extra else None
    if isinstance(kept, list) and _says_the_same(kept, message):
        # Thinking blocks are signed and must come back unchanged, in their places.
        return kept
    if not message.tool_calls:
        return _content(message.content)
    blocks: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    blocks.extend(
        {
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": {_BROKEN_ARGUMENTS: call.arguments_raw} if call.arguments is None else dict(call.arguments),
        }
        for call in message.tool_calls
    )
    return blocks


def _says_the_same(blocks: Sequence[Any], message: Message) -> bool:
    """Whether the blocks are still those of the message; its author may have changed it since."""
    if not all(isinstance(block, dict) for block in blocks):
        return False
    said = "".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")
    calls = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    return said == message.text and calls == [call.id for call in message.tool_calls]


# -- answers -----------------------------------------------------------------------------------------------------------


def decode(payload: Any, metadata: Mapping[str, Any], fail: Fail) -> InferenceOutput:
    """The answer in a body. Raises ResponseFormatError, or ContentFilterError where the model refused."""
    body = mapping(payload, "the body")
    if body.get("type") == "error":
        raise fail(body)
    blocks = body.get("content")
    if not isinstance(blocks, list):
        raise wrong("content", blocks, "an array")
    said: list[str] = []
    thought: list[str] = []
    calls: list[ToolCall] = []
    keep = False
    for block in blocks:
        kind = mapping(block, "a content block").get("type")
        if kind == "text":
            said.append(text(block.get("text"), "text"))
        elif kind == "tool_use":
            calls.append(_tool_call(block))
        elif kind == "thinking":
            thought.append(text(block.get("thinking"), "thinking"))
            keep = True
        elif kind == "redacted_thinking":
            keep = True
    content = "".join(said)
    reason = body.get("stop_reason")
    return InferenceOutput(
        content,
        tuple(calls),
        "".join(thought) or None,
        None,
        _usage(optional_mapping(body.get("usage"), "usage")),
        _finish_reason(reason, body.get("stop_details"), bool(content or calls)),
        None,
        None,
        "",
        text(body.get("model"), "model"),
        (),
        None,
        metadata,
        {PROVIDER: blocks} if keep else None,
    )


def _tool_call(block: Mapping[str, Any]) -> ToolCall:
    arguments = block.get("input")
    if arguments is None:
        arguments = {}
    raw = json.dumps(arguments, ensure_ascii=False)
    name = text(block.get("name"), "a tool call's name")
    if not name:
        raise ResponseFormatError("a tool call without a name")
    parsed = arguments if isinstance(arguments, dict) else None
    return ToolCall(text(block.get("id"), "a tool call's id"), name, parsed, raw)


def _usage(given: Mapping[str, Any]) -> TokenUsage:
    """``input_tokens`` excludes what was read from or written to the cache; ``output_tokens`` includes thinking."""
    read = given.get("cache_read_input_tokens")
    cached = None if read is None else count(read, "usage")
    prompt = (
        count(given.get("input_tokens"), "usage")
        + (cached or 0)
        + count(given.get("cache_creation_input_tokens"), "usage")
    )
    completion = count(given.get("output_tokens"), "usage")
    details = optional_mapping(given.get("output_tokens_details"), "usage")
    thinking = details.get("thinking_tokens")
    reasoning = None if thinking is None else count(thinking, "usage")
    return TokenUsage(prompt, completion, prompt + completion, cached, reasoning)


def _finish_reason(reason: Any, details: Any, answered: bool) -> FinishReason | None:
    if reason is None:
        return None
    found = STOP_REASONS.get(text(reason, "stop_reason"))
    if found == "content_filter" and not answered:
        given = optional_mapping(details, "stop_details")
        why = given.get("explanation") or given.get("category") or "no reason given"
        raise ContentFilterError(f"the model refused: {text(why, 'stop_details')[:500]}", code="refusal")
    return found


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
            data = json.loads(event.data)
        except (ValueError, RecursionError) as cause:
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
        return self._answer.end_tool_call(count(data.get("index"), "index"))

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
        answer.usage = _usage(self._usage)
        answer.finish_reason = _finish_reason(*self._stop, bool(answer.content or answer.has_calls))
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

    def whole(self) -> dict[str, Any]:
        """The block as a plain answer would hold it."""
        block = dict(self._start)
        for field, pieces in self._pieces.items():
            begun = block.get(field)
            block[field] = (begun if isinstance(begun, str) else "") + "".join(pieces)
        if self.kind == "tool_use" and isinstance(block.get("input"), str):
            arguments = parse_arguments(block["input"])
            block["input"] = {_BROKEN_ARGUMENTS: block["input"]} if arguments is None else dict(arguments)
        return block


# -- errors ------------------------------------------------------------------------------------------------------------


def decode_error(payload: Any) -> WireError:
    """What an error body or an ``error`` event says."""
    if not isinstance(payload, Mapping):
        return WireError(str(payload))
    error = payload.get("error")
    if not isinstance(error, Mapping):
        return WireError(str(payload.get("message") or error or ""))
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, Mapping) else None
    known = [name for name in (code, error.get("type")) if isinstance(name, str)]
    kind = next((ERRORS[name] for name in known if name in ERRORS), None)
    return WireError(str(error.get("message") or ""), known[0] if known else None, kind)
