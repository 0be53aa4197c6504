"""Requests as a wire gets them, and the bodies and events of OpenAI's chat completions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from complaint_llm.backends import StreamDecoder
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.messages import Done, InferenceOutput, StreamEvent
from complaint_llm.request import Request, as_messages
from complaint_llm.transport.sse import SSEParser


def ask(prompt: Any = "Is the clause valid?", *, model: str | None = "m", **fields: Any) -> Request:
    """One attempt's request, as a wire gets it."""
    return Request(as_messages(prompt), Deadline(60), CancelToken(), model, **fields)


def chat(content: Any = "No.", *, finish_reason: Any = "stop", usage: Any = None, **message: Any) -> dict[str, Any]:
    """A chat completion's body."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": finish_reason,
                "logprobs": None,
            }
        ],
        "usage": usage or {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def chunk(delta: dict[str, Any] | None = None, finish_reason: Any = None, **more: Any) -> dict[str, Any]:
    """One chunk of a streamed chat completion."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "served-model",
        "choices": choices,
        **more,
    }


def sse(*events: Any) -> bytes:
    """The bytes of an event stream: JSON values, or texts as they are."""
    lines = [event if isinstance(event, str) else json.dumps(event, ensure_ascii=False) for event in events]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def read(decoder: StreamDecoder, pieces: Iterable[bytes]) -> list[StreamEvent]:
    """The events of a stream that arrives in these pieces."""
    parser = SSEParser()
    events: list[StreamEvent] = []
    for piece in pieces:
        for event in parser.feed(piece):
            events.extend(decoder.feed(event))
    for event in parser.finish():
        events.extend(decoder.feed(event))
    events.extend(decoder.end())
    return events


def done(events: list[StreamEvent]) -> InferenceOutput:
    """The whole answer at the end of the events."""
    last = events[-1]
    assert isinstance(last, Done), last
    return last.output
