"""The openai backend against a server that others wrote: chat completions, Responses, embeddings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.messages import Done, TextDelta, Tool, ToolCallEnd, ToolCallStart

if TYPE_CHECKING:
    from tests.peers import AIMock

APIS = pytest.mark.parametrize("api", ["chat", "responses"])
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


def backend(aimock: AIMock, **keys: Any) -> OpenAIBackend:
    fixed = {"base_url": f"{aimock.url}/v1", "api_key": "test-key-1", "model": "gpt-5.4-mini", "max_retries": 0}
    return OpenAIBackend(**{**fixed, **keys})


@APIS
def test_a_prompt_is_answered_with_text_usage_and_finish_reason(aimock: AIMock, api: str) -> None:
    """The whole way: encode, transport, decode."""
    aimock.says("The clause is void.", usage={"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12})
    with backend(aimock, api=api) as gpt:
        output = gpt.infer("Is the clause valid?", max_tokens=50)
    assert (output.content, output.finish_reason, output.backend) == ("The clause is void.", "stop", "openai")
    assert output.token_usage[:3] == (7, 5, 12)
    assert output.model == "gpt-5.4-mini"


@APIS
def test_a_stream_brings_the_same_text_in_pieces_and_ends_with_done(aimock: AIMock, api: str) -> None:
    """Pieces joined are the whole; usage arrives in Done."""
    text = "Ärzte und Anwälte: " * 20
    aimock.says(text, usage={"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12})
    with backend(aimock, api=api) as gpt:
        events = list(gpt.infer_stream("Tell me"))
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(pieces) > 3
    assert "".join(pieces) == text
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.output.content, done.output.finish_reason) == (text, "stop")
    assert done.token_usage[:3] == (7, 5, 12)


@APIS
def test_reasoning_comes_apart_from_the_answer(aimock: AIMock, api: str) -> None:
    """Whole and streamed."""
    aimock.says("Yes.", reasoning="Let me think.")
    with backend(aimock, api=api) as gpt:
        assert gpt.infer("Hm?")[:1] == ("Yes.",)
        assert gpt.infer("Hm?").reasoning == "Let me think."
        assert list(gpt.infer_stream("Hm?"))[-1].output.reasoning == "Let me think."


@APIS
def test_parallel_tool_calls_come_and_their_results_go_back(aimock: AIMock, api: str) -> None:
    """Two calls, whole and streamed, and the second turn that they lead to."""
    calls = [{"name": "find", "arguments": {"q": "Köln"}}, {"name": "look", "arguments": {}}]
    aimock.answers(
        {"match": {"hasToolResult": True}, "response": {"content": "Found 3."}},
        {"match": {}, "response": {"toolCalls": calls}},
    )
    tools = [Tool("find", "Find cases", {"type": "object", "properties": {"q": {"type": "string"}}}), Tool("look")]
    with backend(aimock, api=api) as gpt:
        first = gpt.infer("Search", tools)
        events = list(gpt.infer_stream("Search", tools))
        results = [{"role": "tool", "tool_call_id": call.id, "content": "3"} for call in first.tool_calls]
        second = gpt.infer([{"role": "user", "content": "Search"}, first.message(), *results], tools)
    assert [(call.name, call.arguments) for call in first.tool_calls] == [("find", {"q": "Köln"}), ("look", {})]
    assert first.finish_reason == "tool_calls"
    assert [event.name for event in events if isinstance(event, ToolCallStart)] == ["find", "look"]
    assert sum(isinstance(event, ToolCallEnd) for event in events) == 2
    assert second.content == "Found 3."


@APIS
def test_an_image_and_a_schema_reach_the_service(aimock: AIMock, api: str) -> None:
    """And the answer is parsed."""
    aimock.says('{"claim": "unpaid wages"}')
    schema = {"type": "object", "properties": {"claim": {"type": "string"}}}
    parts = [{"type": "text", "text": "Read"}, {"type": "image", "data": PNG}]
    with backend(aimock, api=api) as gpt:
        output = gpt.infer([{"role": "user", "content": parts}], response_format=schema)
    assert output.parsed == {"claim": "unpaid wages"}
    if api == "chat":  # of a Responses request the journal keeps only the text
        sent = json.dumps(aimock.last_body())
        assert "data:image/png;base64," in sent
        assert "json_schema" in sent


@APIS
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "invalid_api_key", AuthenticationError),
        (429, "rate_limit_exceeded", RateLimitError),
        (429, "insufficient_quota", QuotaExceededError),
        (500, "server_error", ServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_the_service_have_their_class(
    aimock: AIMock, api: str, status: int, code: str, kind: type[BackendError], stream: bool
) -> None:
    """Status and code together say what happened, before a stream begins too."""
    aimock.says("never")
    aimock.fails_once(status, {"message": "no", "type": "x", "code": code})
    with backend(aimock, api=api) as gpt, pytest.raises(kind) as caught:
        list(gpt.infer_stream("Hello")) if stream else gpt.infer("Hello")
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status) == (code, status)


def test_a_retried_rate_limit_is_answered_by_the_second_try(aimock: AIMock) -> None:
    """A backend used alone carries the retries."""
    aimock.says("Here.")
    aimock.fails_once(429, {"message": "slow", "code": "rate_limit_exceeded"})
    with backend(aimock, max_retries=1, retry_delay=0.01, max_retry_delay=0.02) as gpt:
        output = gpt.infer("Hello", timeout=20)
    assert output.content == "Here."
    assert [attempt.error is None for attempt in output.attempts] == [False, True]


@APIS
def test_a_cut_stream_is_interrupted_with_what_came(aimock: AIMock, api: str) -> None:
    """Never a quiet end."""
    aimock.answers(
        {"match": {}, "response": {"content": "x" * 400}, "chunkSize": 20, "latency": 20, "truncateAfterChunks": 9}
    )
    pieces: list[str] = []
    with backend(aimock, api=api) as gpt, pytest.raises(StreamInterruptedError) as caught:
        pieces.extend(gpt.stream_generate("Tell me"))
    assert pieces
    assert caught.value.partial == "".join(pieces)


def test_malformed_json_and_a_dropped_connection_are_told_apart(aimock: AIMock) -> None:
    """The one is an answer that is none, the other no answer."""
    aimock.says("x")
    with backend(aimock) as gpt:
        aimock.chaos(malformedRate=1)
        with pytest.raises(ResponseFormatError):
            gpt.infer("Hello")
        aimock.chaos(malformedRate=0, disconnectRate=1)
        with pytest.raises(BackendConnectionError):
            gpt.infer("Hello")


def test_texts_are_embedded_in_one_call_and_in_order(aimock: AIMock) -> None:
    """One vector for each text."""
    aimock.answers({"match": {}, "response": {"embedding": [0.25, -0.5, 1.0]}})
    with backend(aimock, model=None, embedding_model="text-embedding-3-small") as gpt:
        assert gpt.embed(["a", "b"]) == [[0.25, -0.5, 1.0]] * 2
        assert gpt.embed("a") == [0.25, -0.5, 1.0]
    assert len(aimock.journal()) == 2
