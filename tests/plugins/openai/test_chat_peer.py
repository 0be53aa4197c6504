"""The openai backend's chat completions against a server that others wrote."""

from __future__ import annotations

import pytest
from peers import AIMock

from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import AuthenticationError, QuotaExceededError, RateLimitError, ServerError
from complaint_llm.messages import Done, TextDelta


def backend(aimock: AIMock, **keys: object) -> OpenAIBackend:
    return OpenAIBackend(**{"base_url": f"{aimock.url}/v1", "api_key": "test-key-1", "model": "gpt-5.4-mini", "max_retries": 0, **keys})


def test_a_prompt_is_answered_with_text_usage_and_finish_reason(aimock: AIMock) -> None:
    """The whole way: encode, transport, decode."""
    aimock.says("The clause is void.")
    with backend(aimock) as gpt:
        output = gpt.infer("Is the clause valid?", max_tokens=50)
    assert output.content == "The clause is void."
    assert output.finish_reason == "stop"
    assert output.backend == "openai"
    assert output.token_usage.total_tokens == output.token_usage.prompt_tokens + output.token_usage.completion_tokens > 0
    body = aimock.last_body()
    assert body["max_completion_tokens"] == 50
    assert "max_tokens" not in body


def test_a_stream_brings_the_same_text_in_pieces_and_ends_with_done(aimock: AIMock) -> None:
    """Pieces joined are the whole; usage arrives in Done."""
    text = "Ärzte und Anwälte: " * 20
    aimock.says(text)
    with backend(aimock) as gpt:
        events = list(gpt.infer_stream("Tell me"))
    pieces = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(pieces) > 3
    assert "".join(pieces) == text
    done = events[-1]
    assert isinstance(done, Done)
    assert done.output.content == text
    assert done.token_usage.completion_tokens > 0


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "invalid_api_key", AuthenticationError),
        (429, "rate_limit_exceeded", RateLimitError),
        (429, "insufficient_quota", QuotaExceededError),
        (500, "server_error", ServerError),
    ],
)
def test_errors_of_the_service_have_their_class(aimock: AIMock, status: int, code: str, kind: type[Exception]) -> None:
    """Status and code together say what happened."""
    aimock.says("never")
    aimock.fails_once(status, {"message": "no", "type": "x", "code": code})
    with backend(aimock) as gpt, pytest.raises(kind) as caught:
        gpt.generate("Hello")
    assert type(caught.value) is kind
    assert caught.value.code == code
