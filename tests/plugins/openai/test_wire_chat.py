"""Chat completions, encoded and decoded."""

from __future__ import annotations

import math
from typing import Any

import pytest

from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ContentFilterError,
    InvalidRequestError,
    ModelNotFoundError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import ImagePart, Message, TextPart, TokenUsage, Tool, ToolCall
from complaint_llm.request import Request, as_response_format
from tests.wire_messages import ask, chat

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


@pytest.fixture
def gpt() -> OpenAIBackend:
    return OpenAIBackend(api_key="sk-secret-1", model="gpt-5.4")


def body(backend: OpenAIBackend, request: Request) -> dict[str, Any]:
    sent = backend.encode(request).body
    assert sent is not None
    return dict(sent)


def test_a_plain_request_has_model_and_messages_only(gpt: OpenAIBackend) -> None:
    """Nothing is preset: what was not asked for is not sent."""
    wire = gpt.encode(ask("Hello"))
    assert (wire.method, wire.path) == ("POST", "/chat/completions")
    assert wire.body == {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_conversation_with_tools_goes_out_in_the_services_words(gpt: OpenAIBackend) -> None:
    """Calls, results and several parts keep their places."""
    call = ToolCall("call_1", "find_case", {"city": "Köln"}, '{"city":"Köln"}')
    request = ask(
        [
            Message("system", "Be brief."),
            Message("user", (TextPart("Look: "), ImagePart(data=PNG), ImagePart(url="https://example.org/a.png"))),
            Message("assistant", "", (call,)),
            Message("tool", "3 cases", tool_call_id="call_1"),
        ],
        tools=(Tool("find_case", "Find cases", {"type": "object", "properties": {"city": {"type": "string"}}}),),
    )
    sent = body(gpt, request)
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look: "},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAAAAAAAAA=="}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "find_case", "arguments": '{"city":"Köln"}'}}
            ],
        },
        {"role": "tool", "content": "3 cases", "tool_call_id": "call_1"},
    ]
    assert sent["tools"][0]["function"]["name"] == "find_case"


def test_an_image_outside_a_users_message_is_refused_before_sending(gpt: OpenAIBackend) -> None:
    """The API takes images from users only: better said here than by a 400."""
    with pytest.raises(InvalidRequestError) as caught:
        gpt.encode(ask([Message("user", "x"), Message("assistant", (ImagePart(data=PNG),))]))
    assert caught.value.sent is False


def test_streams_ask_for_their_usage(gpt: OpenAIBackend) -> None:
    """Usage of a stream comes only where it is asked for."""
    sent = body(gpt, ask(stream=True))
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}


def test_extra_body_is_laid_over_the_rest(gpt: OpenAIBackend) -> None:
    """What the library does not know can still be sent, and can change one key of an object."""
    sent = body(gpt, ask(stream=True, extra_body={"service_tier": "flex", "stream_options": {"include_usage": False}}))
    assert sent["service_tier"] == "flex"
    assert sent["stream_options"] == {"include_usage": False}


def test_a_schema_is_narrowed_and_sent_as_strict(gpt: OpenAIBackend) -> None:
    """The service guarantees the shape only for strict schemas."""
    schema = {"title": "Claim or not?", "type": "object", "properties": {"claim": {"type": "string", "default": "x"}}}
    sent = body(gpt, ask(response_format=as_response_format(schema)))
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "Claim_or_not_",
            "strict": True,
            "schema": {
                "title": "Claim or not?",
                "type": "object",
                "properties": {"claim": {"type": "string"}},
                "required": ["claim"],
                "additionalProperties": False,
            },
        },
    }


def test_json_mode_is_asked_for_by_its_name(gpt: OpenAIBackend) -> None:
    """Any JSON object."""
    sent = body(gpt, ask(response_format=as_response_format({"type": "json_object"})))
    assert sent["response_format"] == {"type": "json_object"}


def test_an_answer_has_text_usage_and_the_model_that_served_it(gpt: OpenAIBackend) -> None:
    """Cached tokens are part of the prompt's, reasoning tokens part of the completion's."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    output = gpt.decode(chat("No.", usage=usage), ask())
    assert (output.content, output.model, output.finish_reason) == ("No.", "served-model", "stop")
    assert output.token_usage == TokenUsage(100, 30, 130, 64, 20)
    assert output.metadata["response_id"] == "chatcmpl-1"
    assert output.confidence is None


def test_reasoning_outside_the_completion_is_added_to_it(gpt: OpenAIBackend) -> None:
    """Where the total says so: one meaning of completion_tokens everywhere."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 45,
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    assert gpt.decode(chat("x", usage=usage), ask()).token_usage == TokenUsage(10, 35, 45, None, 30)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_text_stands_apart_from_the_answer(gpt: OpenAIBackend, field: str) -> None:
    """Both names that services use."""
    output = gpt.decode(chat("Yes.", **{field: "Let me see."}), ask())
    assert (output.content, output.reasoning) == ("Yes.", "Let me see.")


def test_content_in_parts_is_text_and_reasoning(gpt: OpenAIBackend) -> None:
    """Mistral's reasoning models answer in parts."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Yes"},
        {"type": "text", "text": "."},
    ]
    output = gpt.decode(chat(parts), ask())
    assert (output.content, output.reasoning) == ("Yes.", "Hm.")


def test_confidence_is_the_mean_token_probability_where_asked(gpt: OpenAIBackend) -> None:
    """exp of the mean log-probability; without logprobs=True it is never there."""
    answer = chat("No.")
    answer["choices"][0]["logprobs"] = {"content": [{"token": "No", "logprob": -0.2}, {"token": ".", "logprob": -0.4}]}
    output = gpt.decode(answer, ask(params={"logprobs": True}))
    assert output.confidence == pytest.approx(math.exp(-0.3))
    assert gpt.decode(answer, ask()).confidence is None


def test_parallel_tool_calls_keep_their_order_and_malformed_arguments_are_told(gpt: OpenAIBackend) -> None:
    """Argument text that is no JSON object gives arguments None and the text as it came."""
    calls = [
        {"id": "a", "type": "function", "function": {"name": "one", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "two", "arguments": '{"x": '}},
        {"type": "function", "function": {"name": "three", "arguments": {"y": 2}}},
    ]
    output = gpt.decode(chat(None, finish_reason="tool_calls", tool_calls=calls), ask())
    assert output.tool_calls == (
        ToolCall("a", "one", {"x": 1}, '{"x": 1}'),
        ToolCall("b", "two", None, '{"x": '),
        ToolCall("call_2", "three", {"y": 2}, '{"y": 2}'),
    )
    assert output.finish_reason == "tool_calls"


def test_a_refusal_and_a_filtered_answer_are_content_filter_errors(gpt: OpenAIBackend) -> None:
    """An answer without text that says why is told as what it is."""
    with pytest.raises(ContentFilterError, match="I cannot help"):
        gpt.decode(chat(None, refusal="I cannot help"), ask())
    with pytest.raises(ContentFilterError):
        gpt.decode(chat("", finish_reason="content_filter"), ask())
    assert gpt.decode(chat("Half", finish_reason="content_filter"), ask()).finish_reason == "content_filter"


def test_an_unknown_finish_reason_is_kept_beside(gpt: OpenAIBackend) -> None:
    """No guess: the neutral reason is None, the service's own word is in the metadata."""
    output = gpt.decode(chat("x", finish_reason="eos"), ask())
    assert output.finish_reason is None
    assert output.metadata["finish_reason"] == "eos"


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ({"code": "rate_limit_exceeded", "message": "slow"}, RateLimitError, True),
        ({"code": "insufficient_quota", "message": "paid?"}, QuotaExceededError, False),
        ({"type": "invalid_request_error", "message": "bad"}, InvalidRequestError, False),
        ({"type": "authentication_error", "message": "who"}, AuthenticationError, False),
        ({"code": "model_not_found", "message": "what"}, ModelNotFoundError, False),
        ({"message": "oops"}, ServerError, True),
    ],
)
def test_an_error_inside_an_http_200_is_an_error(
    gpt: OpenAIBackend, error: dict[str, Any], kind: type[BackendError], retryable: bool
) -> None:
    """By its code; without one the server's fault."""
    with pytest.raises(kind) as caught:
        gpt.decode({"error": error}, ask())
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "text",
        {},
        {"choices": []},
        {"choices": [1]},
        {"choices": [{"message": "x"}]},
        {"choices": [{"message": {"content": 5}}]},
        {"choices": [{"message": {"tool_calls": [{"function": {}}]}}]},
        {"choices": [{"message": {"tool_calls": 3, "content": "x"}}]},
    ],
)
def test_a_body_of_wrong_shape_is_a_format_error(gpt: OpenAIBackend, payload: Any) -> None:
    """Whatever is no valid answer is told as that, never as a bug of ours."""
    with pytest.raises(ResponseFormatError, match="wrong shape"):
        gpt.decode(payload, ask())


def test_secrets_are_cut_from_errors_inside_answers(gpt: OpenAIBackend) -> None:
    """A service that repeats the key in its message does not make us print it."""
    with pytest.raises(ServerError) as caught:
        gpt.decode({"error": {"message": "key sk-secret-1 is odd"}}, ask())
    assert "sk-secret-1" not in str(caught.value)
