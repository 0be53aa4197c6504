"""An Anthropic backend, its requests and its answers, for tests of the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from complaint_llm.backends import AnthropicBackend
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.messages import (
    InferenceOutput,
    StreamEvent,
    Tool,
)
from complaint_llm.request import Request, as_messages
from complaint_llm.transport.sse import SSEParser

TOOL = Tool("search", "Search the law.", {"type": "object", "properties": {"q": {"type": "string"}}})
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
        {"type": "text", "text": "I will look."},
        {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"q": "rent"}},
        {"type": "tool_use", "id": "toolu_2", "name": "search", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 1000,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    },
}
STREAM: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            **ANSWER,
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "see."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "I will "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "löök. \u2028"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"q": "r'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": 'ent"}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "some_event_of_the_future", "delta": 7},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"cache_creation_input_tokens": 1000, "output_tokens": 7, "input_tokens": None},
    },
    {"type": "message_stop"},
]


def claude(**keys: Any) -> AnthropicBackend:
    return AnthropicBackend(**{"api_key": "sk-ant-test-key", "base_url": "http://127.0.0.1:1", **keys})


def request(prompt: Any = "Hello", model: str = "claude-sonnet-4-5", **fields: Any) -> Request:
    return Request(as_messages(prompt), Deadline(5), CancelToken(), model, **fields)


def encoded(asked: Request, **keys: Any) -> Any:
    return claude(**keys).encode(asked).body


def decoded(payload: Any, asked: Request | None = None) -> InferenceOutput:
    output: InferenceOutput = claude().decode(payload, asked or request())
    return output


def sse(events: Iterable[Any]) -> bytes:
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode() for event in events
    )


def events_of(chunks: Iterable[bytes]) -> list[StreamEvent]:
    decoder, parser = claude().decoder(request(stream=True)), SSEParser()
    found: list[StreamEvent] = []
    for chunk in chunks:
        for event in parser.feed(chunk):
            found.extend(decoder.feed(event))
    for event in parser.finish():
        found.extend(decoder.feed(event))
    found.extend(decoder.end())
    return found
