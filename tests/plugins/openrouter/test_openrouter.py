"""OpenRouter: errors inside an HTTP 200, who answered, what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.backends import OpenRouterBackend
from complaint_llm.backends.wire.status_table import make_error
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    ContentFilterError,
    InvalidRequestError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
)
from complaint_llm.messages import Message, Tool, ToolCallStart
from tests.wire_messages import ask, chat, chunk, done, read, sse

if TYPE_CHECKING:
    from tests.peers import AIMock

ROUTER = OpenRouterBackend(api_key="sk-or-secret", model="mistralai/mistral-large")


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (400, InvalidRequestError, False),
        (402, QuotaExceededError, False),
        (408, BackendTimeoutError, True),
        (429, RateLimitError, True),
        (502, ServerError, True),
        (503, ServerError, True),
        ("server_error", ServerError, True),
    ],
)
def test_an_error_inside_an_http_200_is_that_of_its_code(code: Any, kind: type[BackendError], retryable: bool) -> None:
    """In the body, in a choice of it, and in the stream."""
    error = {"error": {"code": code, "message": "Provider returned error", "metadata": {"provider_name": "X"}}}
    bodies = [error, {"id": "g", "choices": [{"index": 0, **error}]}]
    for body in bodies:
        with pytest.raises(kind) as caught:
            ROUTER.decode(body, ask())
        assert type(caught.value) is kind
        assert caught.value.retryable is retryable
    last = chunk({"content": ""}, "error", **error)
    with pytest.raises(kind):
        read(ROUTER.decoder(ask()), [sse(": OPENROUTER PROCESSING", chunk({"content": "a"}), last)[8:]])


def raised(status: int, metadata: dict[str, Any]) -> BackendError:
    body = {"error": {"code": status, "message": "no", "metadata": metadata}}
    return make_error(status, ROUTER.decode_error(status, body), {}, redact=str)


def test_metadata_tells_a_moderation_and_a_passing_limit_from_their_statuses() -> None:
    """A flagged prompt is a 403, a full budget of requests in flight a 402."""
    assert type(raised(403, {"reasons": ["violence"], "flagged_input": "..."})) is ContentFilterError
    assert type(raised(403, {})) is PermissionDeniedError
    assert type(raised(402, {})) is QuotaExceededError
    in_flight = raised(402, {"limit_source": "openrouter_in_flight_budget"})
    assert type(in_flight) is RateLimitError
    assert in_flight.retryable


def test_what_the_provider_behind_it_said_is_told() -> None:
    """ "Provider returned error" alone helps no one."""
    assert "overloaded_error" in str(raised(502, {"raw": '{"type":"overloaded_error"}'}))


def test_who_answered_and_what_it_cost_is_on_the_output() -> None:
    """The cost is the provider's own figure."""
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "cost": 0.00014}
    output = ROUTER.decode({**chat("Yes.", usage=usage), "provider": "Mistral"}, ask())
    assert (output.cost, output.metadata["provider"], output.model) == (0.00014, "Mistral", "served-model")
    streamed = done(
        read(ROUTER.decoder(ask()), [sse(chunk({"content": "Yes."}, "stop"), chunk(usage=usage), "[DONE]")])
    )
    assert streamed.cost == 0.00014


def test_reasoning_details_go_back_with_the_next_turn() -> None:
    """Whole and streamed; only what OpenRouter gave goes to OpenRouter."""
    details = [{"type": "reasoning.encrypted", "data": "opaque"}]
    whole = ROUTER.decode(chat("Yes.", reasoning_details=details), ask())
    pieces = [chunk({"reasoning_details": [details[0]]}), chunk({"content": "Yes."}, "stop"), "[DONE]"]
    streamed = done(read(ROUTER.decoder(ask()), [sse(*pieces)]))
    for output in (whole, streamed):
        body = ROUTER.encode(ask([Message("user", "a"), output.message()])).body or {}
        assert body["messages"][1] == {"role": "assistant", "content": "Yes.", "reasoning_details": details}


def test_reasoning_parameters_have_its_names() -> None:
    """One object for effort and budget."""
    body = ROUTER.encode(ask(params={"thinking_budget": 1000, "top_k": 5, "max_tokens": 9})).body or {}
    assert (body["reasoning"], body["top_k"], body["max_tokens"]) == ({"max_tokens": 1000}, 5, 9)


def test_it_answers(aimock: AIMock) -> None:
    """Whole and streamed, against a server that others wrote."""
    aimock.says("Yes.")
    with OpenRouterBackend(base_url=f"{aimock.url}/api/v1", api_key="sk-or-secret", model="openai/gpt-4o") as router:
        assert router.generate("Hm?") == "Yes."
        assert "".join(router.stream_generate("Hm?")) == "Yes."


def test_tool_calls_come_whole_and_streamed(aimock: AIMock) -> None:
    """Against a server that others wrote: the call, its arguments, and the turn after it."""
    aimock.answers(
        {"match": {"hasToolResult": True}, "response": {"content": "Found 3."}},
        {"match": {}, "response": {"toolCalls": [{"name": "find", "arguments": {"q": "wages"}}]}},
    )
    tools = [Tool("find", "Find cases", {"type": "object", "properties": {"q": {"type": "string"}}})]
    with OpenRouterBackend(base_url=f"{aimock.url}/api/v1", api_key="sk-or-secret", model="openai/gpt-4o") as router:
        first = router.infer("Search", tools)
        events = list(router.infer_stream("Search", tools))
        result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "3"}
        second = router.infer([{"role": "user", "content": "Search"}, first.message(), result], tools)
    assert [(call.name, call.arguments) for call in first.tool_calls] == [("find", {"q": "wages"})]
    assert [event.name for event in events if isinstance(event, ToolCallStart)] == ["find"]
    assert second.content == "Found 3."


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (402, QuotaExceededError), (429, RateLimitError), (500, ServerError)],
)
def test_errors_of_the_service_have_their_class(
    aimock: AIMock, status: int, kind: type[BackendError], stream: bool
) -> None:
    """Against a server that others wrote, whole and before a stream begins."""
    aimock.says("never")
    aimock.fails_once(status, {"message": "no", "type": "x", "code": str(status)})
    keys = {"base_url": f"{aimock.url}/api/v1", "api_key": "sk-or-secret", "model": "openai/gpt-4o", "max_retries": 0}
    with OpenRouterBackend(**keys) as router, pytest.raises(kind) as caught:
        list(router.infer_stream("Hm?")) if stream else router.infer("Hm?")
    assert type(caught.value) is kind
    assert caught.value.status == status
