"""A Gemini backend, its requests and its answers, for tests of the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from complaint_llm.backends import GoogleBackend
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.messages import (
    InferenceOutput,
    StreamEvent,
    Tool,
)
from complaint_llm.request import EmbeddingRequest, Request, as_messages
from complaint_llm.transport.sse import SSEParser

TOOL = Tool("search", "Search the law.", {"type": "object", "properties": {"q": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["wage", "rent"]}}, "required": ["kind"]}
ANSWER: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Let me see.", "thought": True},
                    {"text": "I will look."},
                    {"functionCall": {"name": "search", "args": {"q": "rent"}}, "thoughtSignature": "c2ln"},
                    {"functionCall": {"id": "own-2", "name": "search"}},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
            "avgLogprobs": -0.5,
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 3,
        "toolUsePromptTokenCount": 5,
        "totalTokenCount": 115,
    },
    "modelVersion": "gemini-3.8-flash-001",
    "responseId": "r1",
}


def piece(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    reason = {"finishReason": more.pop("finishReason")} if "finishReason" in more else {}
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **reason}], **more}


STREAM: list[dict[str, Any]] = [
    piece({"text": "Let me see.", "thought": True}, usageMetadata={"promptTokenCount": 100}),
    piece({"text": "I will "}, modelVersion="gemini-3.8-flash-001"),
    piece({"text": "löök. \u2028"}),
    piece({"functionCall": {"name": "search", "args": {"q": "rent"}}, "thoughtSignature": "c2ln"}),
    piece({"text": ""}, finishReason="STOP", usageMetadata=ANSWER["usageMetadata"]),
]


def gemini(**keys: Any) -> GoogleBackend:
    return GoogleBackend(**{"api_key": "test-google-key", "base_url": "http://127.0.0.1:1", **keys})


def request(prompt: Any = "Hello", model: str = "gemini-3.8-flash", **fields: Any) -> Request:
    return Request(as_messages(prompt), Deadline(5), CancelToken(), model, **fields)


def encoded(asked: Request, **keys: Any) -> Any:
    return gemini(**keys).encode(asked).body


def decoded(payload: Any, asked: Request | None = None) -> InferenceOutput:
    output: InferenceOutput = gemini().decode(payload, asked or request())
    return output


def sse(events: Iterable[Any]) -> bytes:
    return b"".join(f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n".encode() for event in events)


def events_of(chunks: Iterable[bytes], asked: Request | None = None) -> list[StreamEvent]:
    decoder, parser = gemini().decoder(asked or request(stream=True)), SSEParser()
    found: list[StreamEvent] = []
    for chunk in chunks:
        for event in parser.feed(chunk):
            found.extend(decoder.feed(event))
    for event in parser.finish():
        found.extend(decoder.feed(event))
    found.extend(decoder.end())
    return found


def embedding(*texts: str, **extra: Any) -> EmbeddingRequest:
    return EmbeddingRequest(texts, Deadline(5), CancelToken(), "gemini-embedding-001", extra)
