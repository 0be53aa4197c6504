"""Streams of compatible services that are not quite OpenAI's, and answers that came where a stream was asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from complaint_llm.backends import OpenAIBackend, OpenRouterBackend
from complaint_llm.exceptions import (
    BackendError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.messages import TextDelta
from complaint_llm.testing import FaultyServer, Reply
from tests.wire_messages import ask, chat, chunk, done, read, sse

GPT = OpenAIBackend(api_key="sk-secret-1", model="gpt-5.4")
JSON = {"Content-Type": "application/json; charset=utf-8"}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def router(server: FaultyServer) -> OpenRouterBackend:
    return OpenRouterBackend(base_url=f"{server.url}/v1", api_key="sk-or-secret", model="m", max_retries=0)


def test_a_first_chunk_without_an_answer_does_not_name_the_model() -> None:
    """Azure begins with what its filter says of the prompt, all other fields empty; some gateways with a ping."""
    filtered = {"choices": [], "id": "", "model": "", "object": "", "prompt_filter_results": []}
    stream = sse(filtered, {}, chunk({"content": "No."}), chunk({}, "stop"), "[DONE]")
    output = done(read(GPT.decoder(ask(stream=True)), [stream]))
    assert (output.content, output.model, output.metadata["response_id"]) == ("No.", "served-model", "chatcmpl-1")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": {"message": "too long", "type": "BadRequestError", "code": 400}}, InvalidRequestError),
        ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}, InvalidRequestError),
        ({"error": {"message": "loading", "type": "unavailable_error", "code": 503}}, ServerError),
    ],
)
def test_a_number_as_an_errors_code_inside_a_stream_is_its_status(error: object, kind: type[BackendError]) -> None:
    """As vLLM and llama.cpp's server send it: what is the request's own fault is not sent again."""
    with pytest.raises(kind) as caught:
        read(GPT.decoder(ask(stream=True)), [sse(chunk({"content": "a"}), error, "[DONE]")])
    assert type(caught.value) is kind
    assert caught.value.retryable is (kind is ServerError)


@pytest.mark.parametrize(("code", "kind"), [(402, QuotaExceededError), (429, RateLimitError), (502, ServerError)])
def test_an_error_that_comes_as_json_where_a_stream_was_asked_for_is_that_error(
    server: FaultyServer, code: int, kind: type[BackendError]
) -> None:
    """OpenRouter answers so, with an HTTP 200."""
    body = json.dumps({"error": {"code": code, "message": "no"}}, indent=1).encode()
    server.script(Reply(body=b"\n" + body, headers=JSON))
    with router(server) as backend, pytest.raises(kind) as caught:
        list(backend.stream_generate("Hello"))
    assert caught.value.status == code


def test_a_whole_answer_where_a_stream_was_asked_for_is_a_stream_of_it(server: FaultyServer) -> None:
    """From a gateway that does not stream; the connection is free afterwards."""
    server.script(Reply(body=json.dumps(chat("Whole.")).encode(), headers=JSON))
    server.script(Reply("again"))
    with router(server) as backend:
        events = list(backend.infer_stream("Hello"))
        assert events[0] == TextDelta("Whole.")
        assert done(events).token_usage.total_tokens == 7
        assert backend.generate("Hello") == "again"


def test_a_stream_that_calls_itself_json_is_read_as_it_comes(server: FaultyServer) -> None:
    """Its first piece is handed out, although the stream breaks off after it."""
    server.script(Reply("one two", headers=JSON), Reply("one two three four", headers=JSON, cut_after=3, gap=0.05))
    with router(server) as backend:
        assert "".join(backend.stream_generate("Hello")) == "one two"
        pieces = backend.stream_generate("Hello")
        assert next(pieces).startswith("one")
        with pytest.raises(StreamInterruptedError):
            list(pieces)


def test_an_error_body_that_is_nested_beyond_reading_keeps_its_status(server: FaultyServer) -> None:
    server.script(Reply.raw(b"[" * 60_000, status=503))
    with router(server) as backend, pytest.raises(ServerError) as caught:
        backend.generate("Hello")
    assert (caught.value.status, caught.value.retryable) == (503, True)


def test_verbose_shows_the_error_that_came_instead_of_a_stream(
    server: FaultyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """As it shows that of a plain call."""
    caplog.set_level(logging.DEBUG, "complaint_llm")
    server.script(Reply.error(400, message="bad clause"))
    with (
        OpenRouterBackend(base_url=f"{server.url}/v1", api_key="k", model="m", verbose=True) as backend,
        pytest.raises(InvalidRequestError),
    ):
        list(backend.stream_generate("Hello"))
    assert [text for text in caplog.messages if "answered 400" in text and "bad clause" in text]
