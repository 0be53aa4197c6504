"""On every wire, a server that does not stream is read all the same: its whole answer, or its error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from complaint_llm.backends import HTTPBackend
from complaint_llm.exceptions import BackendError, RateLimitError, ResponseFormatError
from complaint_llm.messages import Done, InferenceOutput, StreamEvent, TextDelta
from complaint_llm.testing import FaultyServer, Reply
from tests.wire_answers import WIRES, Said

TYPES = [
    "application/json", "Application/JSON; charset=utf-8", "text/plain", "", "text/event-stream", "text/html",
    "application/problem+json", "application/octet-stream", "text/event-stream; charset=utf-8", "application/x-ndjson",
    "application/jsonl",
]  # fmt: skip
PATHS = {"chat": "/v1", "responses": "/v1", "anthropic": "", "gemini": ""}
SAID = Said(text="Whole.\n\ndata: x", reasoning="", calls=(("c1", "f", '{"x": 1}'),))


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def backend_at(server: FaultyServer, name: str) -> HTTPBackend:
    usual = WIRES[name].backend
    keys = {"api_key": "sk-secret-1", "model": usual.options.model, "base_url": server.url + PATHS[name]}
    return type(usual)(**keys, **({"api": name} if name == "responses" else {}), max_retries=0)


def whole(events: list[StreamEvent]) -> InferenceOutput:
    last = events[-1]
    assert isinstance(last, Done)
    assert last.output is not None
    return last.output


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("name", WIRES)
def test_a_whole_answer_is_the_stream_of_it(
    server: FaultyServer, name: str, content_type: str, indent: int | None
) -> None:
    """Under any content type, on one line or several, and the next request goes out as usual."""
    body = json.dumps(WIRES[name].answer_body(SAID), indent=indent).encode()
    server.script(Reply(body=body, headers={"Content-Type": content_type}), Reply("again"))
    with backend_at(server, name) as backend:
        events = list(backend.infer_stream("Hello"))
        assert "".join(each.text for each in events if isinstance(each, TextDelta)) == SAID.text
        assert [(call.name, call.arguments) for call in whole(events).tool_calls] == [("f", {"x": 1})]
        assert whole(events).token_usage.total_tokens
        assert backend.generate("Hello") == "again"


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("name", WIRES)
def test_an_error_body_is_that_error(server: FaultyServer, name: str, content_type: str) -> None:
    """It came with an HTTP 200."""
    body = json.dumps({"error": {"message": "slowly, sk-secret-1", "code": 429}}, indent=1).encode()
    server.script(Reply(body=body, headers={"Content-Type": content_type}))
    with backend_at(server, name) as backend, pytest.raises(RateLimitError, match="slowly") as caught:
        list(backend.infer_stream("Hello"))
    assert "sk-secret-1" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"", b"[]", b"[1]", b'{"a": ', b"{}}", b'"text"', b"nothing here", b"null", b"[" * 5000, b'{"x": 1}'],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
@pytest.mark.parametrize("name", WIRES)
def test_what_is_neither_is_no_answer(server: FaultyServer, name: str, content_type: str, body: Any) -> None:
    """A page, half an answer, another JSON: an error, and never an empty answer."""
    server.script(Reply(body=body, headers={"Content-Type": content_type}))
    with backend_at(server, name) as backend, pytest.raises(BackendError) as caught:
        list(backend.infer_stream("Hello"))
    assert isinstance(caught.value, ResponseFormatError) or caught.value.status is None
