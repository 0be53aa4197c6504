"""The google backend against a server that others wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.backends import GoogleBackend
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.messages import Done, Message, TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart

if TYPE_CHECKING:
    from tests.peers import AIMock

TOOL = {
    "name": "search",
    "description": "Search the law.",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
}


def backend(aimock: AIMock, **keys: Any) -> GoogleBackend:
    given = {"base_url": aimock.url, "api_key": "test-key-1", "model": "gemini-3.8-flash", "max_retries": 0, **keys}
    return GoogleBackend(**given)


def test_a_prompt_is_answered_with_text_and_a_finish_reason(aimock: AIMock) -> None:
    """The whole way: encode, transport, decode."""
    aimock.says("The clause is void.")
    with backend(aimock, temperature=0.2, stop=["END"]) as gemini:
        output = gemini.infer("Is the clause valid?", max_tokens=50, system="Be brief.")
    assert output.content == "The clause is void."
    assert output.finish_reason == "stop"
    assert output.backend == "google"


def test_the_key_travels_in_a_header_and_never_in_the_url(aimock: AIMock) -> None:
    """x-goog-api-key, not ?key=."""
    aimock.says("Yes.")
    with backend(aimock) as gemini:
        gemini.generate("Is it?")
    sent = aimock.journal()[-1]
    assert "x-goog-api-key" in {name.lower() for name in sent["headers"]}
    assert "key" not in sent["path"]


def test_a_stream_brings_the_same_text_in_pieces_and_ends_with_done(aimock: AIMock) -> None:
    """Pieces joined are the whole."""
    text = "Ärzte und Anwälte: " * 20
    aimock.says(text)
    with backend(aimock) as gemini:
        events = list(gemini.infer_stream("Tell me"))
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(pieces) > 3
    assert "".join(pieces) == text
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.output.content, done.output.finish_reason) == (text, "stop")


def test_a_tool_call_comes_whole_and_its_result_goes_back(aimock: AIMock) -> None:
    """Both directions, plain and streamed."""
    aimock.answers({"match": {}, "response": {"toolCalls": [{"name": "search", "arguments": '{"q": "rent"}'}]}})
    with backend(aimock) as gemini:
        output = gemini.infer("Find it.", [TOOL])
        events = list(gemini.infer_stream("Find it.", [TOOL]))
        [call] = output.tool_calls
        assert (call.name, call.arguments) == ("search", {"q": "rent"})
        assert output.finish_reason == "tool_calls"
        assert [type(event) for event in events] == [ToolCallStart, ToolCallDelta, ToolCallEnd, Done]
        aimock.reset()
        aimock.says("Section 5.")
        turns = [Message("user", "Find it."), output.message(), Message("tool", "found", tool_call_id=call.id)]
        assert gemini.generate(turns) == "Section 5."


def test_a_single_text_is_embedded(aimock: AIMock) -> None:
    """embedContent."""
    aimock.answers({"match": {"inputText": "rent"}, "response": {"embedding": [0.25, -0.5, 1.0]}})
    with backend(aimock, embedding_model="gemini-embedding-001") as gemini:
        assert gemini.embed("rent") == [0.25, -0.5, 1.0]


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"status": "UNAUTHENTICATED"}, AuthenticationError),
        (403, {"status": "PERMISSION_DENIED"}, PermissionDeniedError),
        (404, {"status": "NOT_FOUND"}, ModelNotFoundError),
        (429, {"status": "RESOURCE_EXHAUSTED"}, RateLimitError),
        (500, {"status": "INTERNAL"}, ServerError),
        (503, {"status": "UNAVAILABLE"}, ServerError),
    ],
)
def test_errors_have_their_class(aimock: AIMock, status: int, error: Any, kind: type[BackendError]) -> None:
    """Status and code together say what happened."""
    aimock.says("never")
    aimock.fails_once(status, {"message": "no", **error})
    with backend(aimock) as gemini, pytest.raises(kind) as caught:
        gemini.generate("Hello")
    assert type(caught.value) is kind
    assert caught.value.status == status


def test_a_connection_that_breaks_in_a_stream_is_an_error_with_what_came(aimock: AIMock) -> None:
    """Never a quiet end."""
    cut = {"chunkSize": 5, "truncateAfterChunks": 12, "latency": 5}
    aimock.answers({"match": {}, "response": {"content": "word " * 200}, **cut})
    with backend(aimock) as gemini:
        stream = gemini.stream_generate("Tell me")
        with pytest.raises(StreamInterruptedError) as caught:
            list(stream)
    assert caught.value.partial.startswith("word word")
