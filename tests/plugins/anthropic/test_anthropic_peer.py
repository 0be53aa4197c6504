"""The anthropic backend against a server that others wrote, and its bodies against the official SDK's types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.backends import AnthropicBackend
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ModelNotFoundError,
    QuotaExceededError,
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


def backend(aimock: AIMock, **keys: Any) -> AnthropicBackend:
    given = {"base_url": aimock.url, "api_key": "test-key-1", "model": "claude-sonnet-4-5", "max_retries": 0, **keys}
    return AnthropicBackend(**given)


def test_a_prompt_is_answered_with_text_usage_and_finish_reason(aimock: AIMock) -> None:
    """The whole way: encode, transport, decode; the body is one that the official SDK would send."""
    aimock.says("The clause is void.")
    with backend(aimock, temperature=0.2, stop=["END"]) as claude:
        output = claude.infer("Is the clause valid?", max_tokens=50, system="Be brief.")
    assert output.content == "The clause is void."
    assert output.finish_reason == "stop"
    assert output.backend == "anthropic"
    assert output.token_usage.total_tokens == output.token_usage.prompt_tokens + output.token_usage.completion_tokens


def test_the_key_and_the_version_travel_in_headers(aimock: AIMock) -> None:
    """x-api-key and anthropic-version, never in the URL."""
    aimock.says("Yes.")
    with backend(aimock, version="2026-10-21") as claude:
        claude.generate("Is it?")
    sent = aimock.journal()[-1]
    headers = {name.lower(): value for name, value in sent["headers"].items()}
    assert headers["anthropic-version"] == "2026-10-21"
    assert "x-api-key" in headers
    assert "test-key-1" not in sent["path"]


def test_a_stream_brings_the_same_text_in_pieces_and_ends_with_done(aimock: AIMock) -> None:
    """Pieces joined are the whole; usage arrives in Done."""
    text = "Ärzte und Anwälte: " * 20
    aimock.says(text)
    with backend(aimock) as claude:
        events = list(claude.infer_stream("Tell me"))
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(pieces) > 3
    assert "".join(pieces) == text
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.output.content, done.output.finish_reason) == (text, "stop")


def tool_fixture() -> dict[str, Any]:
    return {"match": {}, "response": {"toolCalls": [{"name": "search", "arguments": '{"q": "rent"}'}]}}


def test_a_tool_call_comes_whole_and_its_result_goes_back(aimock: AIMock) -> None:
    """Both directions, plain and streamed."""
    aimock.answers(tool_fixture())
    with backend(aimock) as claude:
        output = claude.infer("Find it.", [TOOL])
        events = list(claude.infer_stream("Find it.", [TOOL]))
        [call] = output.tool_calls
        assert (call.name, call.arguments) == ("search", {"q": "rent"})
        assert output.finish_reason == "tool_calls"
        kinds = [type(event) for event in events]
        assert kinds[0] is ToolCallStart
        assert kinds[-2:] == [ToolCallEnd, Done]
        arguments = "".join(event.arguments_delta for event in events if isinstance(event, ToolCallDelta))
        assert arguments.replace(" ", "") == '{"q":"rent"}'
        aimock.reset()
        aimock.says("Section 5.")
        turns = [Message("user", "Find it."), output.message(), Message("tool", "found", tool_call_id=call.id)]
        assert claude.generate(turns) == "Section 5."


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"type": "authentication_error"}, AuthenticationError),
        (402, {"type": "billing_error"}, QuotaExceededError),
        (404, {"type": "not_found_error"}, ModelNotFoundError),
        (429, {"type": "rate_limit_error"}, RateLimitError),
        (500, {"type": "api_error"}, ServerError),
        (529, {"type": "overloaded_error"}, ServerError),
    ],
)
def test_errors_of_the_service_have_their_class(
    aimock: AIMock, status: int, error: Any, kind: type[BackendError]
) -> None:
    """Status and code together say what happened."""
    aimock.says("never")
    aimock.fails_once(status, {"message": "no", **error})
    with backend(aimock) as claude, pytest.raises(kind) as caught:
        claude.generate("Hello")
    assert type(caught.value) is kind
    assert caught.value.status == status


def test_a_connection_that_breaks_in_a_stream_is_an_error_with_what_came(aimock: AIMock) -> None:
    """Never a quiet end."""
    fixture = {
        "match": {},
        "response": {"content": "word " * 200},
        "chunkSize": 5,
        "truncateAfterChunks": 12,
        "latency": 5,
    }
    aimock.answers(fixture)
    with backend(aimock) as claude:
        stream = claude.stream_generate("Tell me")
        with pytest.raises(StreamInterruptedError) as caught:
            list(stream)
    assert caught.value.partial.startswith("word word")
