"""The Responses API, encoded, decoded and streamed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import ContentFilterError, QuotaExceededError, ResponseFormatError, ServerError
from complaint_llm.messages import (
    Done,
    ImagePart,
    Message,
    ReasoningDelta,
    TextDelta,
    TextPart,
    TokenUsage,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from complaint_llm.request import as_response_format
from tests.wire_messages import ask, done, read, sse

GPT = OpenAIBackend(api_key="sk-secret-1", model="gpt-5.4", api="responses")
CALL_1 = ToolCall("c1", "f", {"x": 1}, '{"x":1}')
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque"}


def body(**fields: Any) -> dict[str, Any]:
    prompt = fields.pop("prompt", "Hello")
    sent = GPT.encode(ask(prompt, **{"model": "gpt-4o", **fields})).body
    assert sent is not None
    return dict(sent)


def response(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 10,
        "output_tokens": 4,
        "total_tokens": 14,
        "input_tokens_details": {"cached_tokens": 8},
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    return {"id": "resp_1", "model": "served", "status": status, "output": list(output), "usage": usage, **more}


def message(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, **more}]}


def test_nothing_is_stored_unasked() -> None:
    """The API stores by default: store false goes with every request."""
    assert body() == {"model": "gpt-4o", "input": [{"role": "user", "content": "Hello"}], "store": False}
    assert GPT.encode(ask()).path == "/responses"


def test_a_conversation_becomes_input_items() -> None:
    """Messages, images, calls and results."""
    prompt = [
        Message("system", "Be brief."),
        Message("user", (TextPart("Look"), ImagePart(url="https://example.org/a.png"))),
        Message("assistant", "Looking.", (CALL_1,)),
        Message("tool", "found", tool_call_id="c1"),
    ]  # fmt: skip
    sent = body(prompt=prompt, tools=(Tool("f", "Find"),))
    assert sent["input"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"},
            ],
        },
        {"role": "assistant", "content": "Looking."},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "found"},
    ]
    assert sent["tools"] == [
        {"type": "function", "name": "f", "description": "Find", "parameters": {"type": "object", "properties": {}},
         "strict": False}
    ]  # fmt: skip


def test_items_go_back_in_the_place_of_their_message() -> None:
    """Whole and in their order, but for the ids of calls, which are those of the conversation."""
    kept = [REASONING, {**message("Looking."), "id": "msg_1", "phase": "commentary"}, {**CALLED, "call_id": "c9"}]
    turn = Message("assistant", "Looking.", (CALL_1,), extra={"responses": kept})
    sent = body(prompt=[Message("user", "Look"), turn, Message("tool", "found", tool_call_id="c1")])["input"]
    assert sent[1:] == [*kept[:2], CALLED, {"type": "function_call_output", "call_id": "c1", "output": "found"}]


def test_parameters_have_this_wires_names() -> None:
    """max_output_tokens, reasoning.effort, and log-probabilities by include; stop and seed are not known here."""
    sent = body(params={"max_tokens": 9, "temperature": 0.1, "logprobs": True, "stop": "x", "seed": 1})
    assert sent["max_output_tokens"] == 9
    assert sent["temperature"] == 0.1
    assert sent["include"] == ["message.output_text.logprobs"]
    assert not {"stop", "seed", "max_tokens", "max_completion_tokens", "logprobs"} & sent.keys()
    reasoning = body(model="gpt-5.4", params={"reasoning_effort": "low"})
    assert reasoning["reasoning"] == {"effort": "low"}
    assert reasoning["include"] == ["reasoning.encrypted_content"]


def test_include_of_one_request_is_not_that_of_the_next() -> None:
    """Constants of the parameter table are never changed by a request."""
    both = {"model": "gpt-5.4", "params": {"logprobs": True}}
    assert body(**both)["include"] == body(**both)["include"]
    assert body(params={"logprobs": True})["include"] == ["message.output_text.logprobs"]


def test_a_schema_goes_into_text_format() -> None:
    """Flat, unlike chat completions."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    found = body(response_format=as_response_format(schema))["text"]["format"]
    assert (found["type"], found["name"], found["strict"]) == ("json_schema", "answer", True)
    assert found["schema"]["required"] == ["a"]
    assert body(response_format=as_response_format({"type": "json_object"}))["text"] == {
        "format": {"type": "json_object"}
    }


def test_an_answer_is_put_together_from_its_items() -> None:
    """Text, reasoning, calls, usage and what goes back with the next turn."""
    shown = {
        **REASONING,
        "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
    }
    call = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": "{"}
    output = GPT.decode(response(shown, message("Yes"), message("."), call), ask())
    assert (output.content, output.reasoning, output.model) == ("Yes.", "First.\n\nThen.", "served")
    assert output.tool_calls == (ToolCall("c1", "f", None, "{"),)
    assert output.token_usage == TokenUsage(10, 4, 14, 8, 3)
    assert output.finish_reason == "tool_calls"
    assert output.message().extra == {"responses": [shown, message("Yes"), message("."), call]}


def test_confidence_comes_from_the_text_parts() -> None:
    """Where log-probabilities were asked for."""
    found = response(message("Yes", logprobs=[{"token": "Yes", "logprob": -0.5}]))
    assert GPT.decode(found, ask(params={"logprobs": True})).confidence == pytest.approx(math.exp(-0.5))


def test_an_incomplete_response_says_why() -> None:
    """Cut by its limit, or held back by the filter."""
    cut = response(message("Ha"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert GPT.decode(cut, ask()).finish_reason == "length"
    held = response(status="incomplete", incomplete_details={"reason": "content_filter"})
    with pytest.raises(ContentFilterError):
        GPT.decode(held, ask())
    refused = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
    with pytest.raises(ContentFilterError, match="No"):
        GPT.decode(response(refused), ask())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "server_error", "message": "x"}, ServerError),
        ({"code": "insufficient_quota", "message": "x"}, QuotaExceededError),
        (None, ServerError),
    ],
)
def test_a_failed_response_is_an_error_although_http_said_200(error: Any, kind: type[Exception]) -> None:
    """In a body and at the end of a stream."""
    failed = response(status="failed", error=error)
    with pytest.raises(kind):
        GPT.decode(failed, ask())
    with pytest.raises(kind):
        read(GPT.decoder(ask()), [sse({"type": "response.failed", "response": failed})])


@pytest.mark.parametrize("payload", [None, [], {}, {"output": [1]}, {"output": [{"type": "message", "content": [3]}]}])
def test_a_body_of_wrong_shape_is_a_format_error(payload: Any) -> None:
    """Never a bug of ours."""
    with pytest.raises(ResponseFormatError):
        GPT.decode(payload, ask())


CALL = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": ""}
CALLED = {**CALL, "arguments": '{"x": 1}'}
STREAM = sse(
    {"type": "response.created", "response": response(status="in_progress")},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "First."},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "Then."},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Grüße, "},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "世界"},
    {"type": "response.output_item.added", "output_index": 2, "item": CALL},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "item_id": "fc", "delta": '{"x"'},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "item_id": "fc", "delta": ": 1}"},
    {"type": "response.output_item.done", "output_index": 2, "item": CALLED},
    {"type": "response.new_kind_of_event", "anything": 1},
    {"type": "response.completed", "response": response(REASONING, message("Grüße, 世界"), CALLED)},
)  # fmt: skip


def test_a_stream_gives_the_same_answer_in_events() -> None:
    """Events of unknown kinds are passed over."""
    events = read(GPT.decoder(ask(stream=True)), [STREAM])
    assert events[:-1] == [
        ReasoningDelta("First."),
        ReasoningDelta("\n\nThen."),
        TextDelta("Grüße, "),
        TextDelta("世界"),
        ToolCallStart("c1", "f"),
        ToolCallDelta("c1", '{"x"'),
        ToolCallDelta("c1", ": 1}"),
        ToolCallEnd("c1"),
    ]
    output = done(events)
    assert (output.content, output.reasoning) == ("Grüße, 世界", "First.\n\nThen.")
    assert output.tool_calls[0].arguments == {"x": 1}
    assert output.token_usage == TokenUsage(10, 4, 14, 8, 3)
    assert output.extra == {"responses": [REASONING, message("Grüße, 世界"), CALLED]}


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_events(cuts: list[int]) -> None:
    """Inside a character too."""
    places = sorted({0, len(STREAM), *cuts})
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(places)]
    assert read(GPT.decoder(ask(stream=True)), pieces) == read(GPT.decoder(ask(stream=True)), [STREAM])


def test_a_stream_without_its_last_event_has_no_done() -> None:
    """The end of the bytes is no proper end here, whatever came before."""
    cut = STREAM[: STREAM.index(b"response.completed")]
    assert not any(isinstance(event, Done) for event in read(GPT.decoder(ask()), [cut]))


def test_an_error_event_is_raised_with_its_code() -> None:
    """Its fields stand in the event itself, or in an object as the other wire has it."""
    for event in (
        {"type": "error", "code": "insufficient_quota", "message": "x", "sequence_number": 1},
        {"type": "error", "error": {"code": "insufficient_quota", "message": "x"}},
        {"error": {"code": "insufficient_quota", "message": "x"}},
    ):
        with pytest.raises(QuotaExceededError):
            read(GPT.decoder(ask()), [sse(event)])
