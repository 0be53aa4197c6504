"""Answers of the Messages API, whole and streamed, in typed events and one output."""

from __future__ import annotations

import itertools
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire.finish_reasons import FINISH_REASONS
from complaint_llm.exceptions import (
    ContentFilterError,
    RateLimitError,
    ServerError,
)
from complaint_llm.messages import (
    Done,
    Message,
    ReasoningDelta,
    TextDelta,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from tests.peers import need_peer
from tests.plugins.anthropic.claude import ANSWER, STREAM, decoded, encoded, events_of, request, sse

# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_gives_text_reasoning_calls_usage_and_reason_apart() -> None:
    output = decoded(ANSWER)
    assert output.content == "I will look."
    assert output.reasoning == "Let me see."
    assert output.tool_calls == (
        ToolCall("toolu_1", "search", {"q": "rent"}, '{"q": "rent"}'),
        ToolCall("toolu_2", "search", {}, "{}"),
    )
    assert output.finish_reason == "tool_calls"
    assert output.model == "claude-sonnet-4-5-20250929"
    assert output.token_usage == TokenUsage(1110, 7, 1117, 100, 3, cache_write_tokens=1000)
    assert pickle.loads(pickle.dumps(output)) == output


def test_without_a_cache_count_nothing_is_said_of_it() -> None:
    output = decoded({**ANSWER, "usage": {"input_tokens": 3, "output_tokens": 2}})
    assert output.token_usage == TokenUsage(3, 2, 5, None, None)


def test_the_official_sdks_answer_model_decodes() -> None:
    need_peer("anthropic")
    from anthropic.types import Message as OfficialMessage

    payload = json.loads(OfficialMessage.model_validate(ANSWER).model_dump_json())
    assert decoded(payload).tool_calls == decoded(ANSWER).tool_calls


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "paused"),
        ("a_reason_of_the_future", None),
    ],
)
def test_stop_reasons_are_the_neutral_ones(reason: str, expected: str | None) -> None:
    payload = {**ANSWER, "content": [{"type": "text", "text": "a"}], "stop_reason": reason}
    assert decoded(payload).finish_reason == expected


def test_every_stop_reason_of_the_official_sdk_is_known() -> None:
    need_peer("anthropic")
    from typing import get_args

    from anthropic.types import StopReason

    assert set(get_args(StopReason)) <= FINISH_REASONS.keys()


def test_a_refusal_without_an_answer_is_a_content_filter_error() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
    with pytest.raises(ContentFilterError, match="Not this"):
        decoded({**ANSWER, "content": [], "stop_reason": "refusal", "stop_details": details})


def test_signed_thinking_goes_back_unchanged_with_the_next_turn() -> None:
    said = decoded(ANSWER).message()
    turns = encoded(request([Message("user", "Find it."), said]))["messages"]
    assert turns[1]["content"] == ANSWER["content"]
    json.dumps(said.extra)


# -- streams ----------------------------------------------------------------------------------------------------------


def test_a_stream_gives_typed_events_and_the_whole_answer_at_its_end() -> None:
    events = events_of([sse(STREAM)])
    assert events[:-1] == [
        ReasoningDelta("Let me "),
        ReasoningDelta("see."),
        TextDelta("I will "),
        TextDelta("löök. \u2028"),
        ToolCallStart("toolu_1", "search"),
        ToolCallDelta("toolu_1", '{"q": "r'),
        ToolCallDelta("toolu_1", 'ent"}'),
        ToolCallEnd("toolu_1"),
    ]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.token_usage == TokenUsage(1110, 7, 1117, 100, None, cache_write_tokens=1000)
    assert done.output.content == "I will löök. \u2028"
    assert done.output.reasoning == "Let me see."
    assert done.output.finish_reason == "tool_calls"
    assert done.output.tool_calls[0].arguments == {"q": "rent"}
    assert done.output.extra == {
        "anthropic": [
            {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
            {"type": "text", "text": "I will löök. \u2028"},
            {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"q": "rent"}},
        ]
    }


@given(st.lists(st.integers(0, len(sse(STREAM))), max_size=40))
def test_however_the_bytes_are_cut_the_events_are_the_same(cuts: list[int]) -> None:
    data = sse(STREAM)
    places = [0, *sorted(cuts), len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(places)]
    assert events_of(chunks) == events_of([data])


def test_a_stream_without_its_last_event_is_not_finished() -> None:
    for length in range(len(STREAM)):
        assert not any(isinstance(event, Done) for event in events_of([sse(STREAM[:length])]))


def test_broken_argument_json_is_reported_as_such_and_can_go_back() -> None:
    broken = [
        {"type": "message_start", "message": {"model": "m", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a": '}},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {}},
        {"type": "message_stop"},
    ]
    done = events_of([sse(broken)])[-1]
    assert isinstance(done, Done)
    assert done.output.tool_calls == (ToolCall("t", "f", None, '{"a": '),)
    turn = encoded(request([Message("user", "x"), done.output.message()]))["messages"][1]["content"]
    assert turn[1]["input"] == {"INVALID_JSON": '{"a": '}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("overloaded_error", ServerError), ("rate_limit_error", RateLimitError), ("new", ServerError)],
)
def test_an_error_event_is_raised_as_what_it_says_with_the_secret_cut_out(kind: str, expected: type[Exception]) -> None:
    event: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": "busy, sk-ant-test-key"}}
    with pytest.raises(expected, match="busy") as caught:
        events_of([sse([*STREAM[:3], event])])
    assert "sk-ant-test-key" not in str(caught.value)


def test_a_refusal_in_a_stream_without_text_is_a_content_filter_error() -> None:
    delta = {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {"output_tokens": 1}}
    with pytest.raises(ContentFilterError):
        events_of([sse([STREAM[0], delta, {"type": "message_stop"}])])
