"""Answers of the Gemini API, whole and streamed, in typed events and one output."""

from __future__ import annotations

import itertools
import json
import pickle
from math import exp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire.finish_reasons import FINISH_REASONS
from complaint_llm.exceptions import (
    ContentFilterError,
    InvalidRequestError,
    PermissionDeniedError,
    ResponseFormatError,
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
from tests.plugins.google.gemini import (
    ANSWER,
    STREAM,
    decoded,
    encoded,
    events_of,
    piece,
    request,
    sse,
)

# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_gives_text_reasoning_calls_usage_and_reason_apart() -> None:
    output = decoded(ANSWER)
    assert output.content == "I will look."
    assert output.reasoning == "Let me see."
    assert output.tool_calls == (
        ToolCall("call_0", "search", {"q": "rent"}, '{"q": "rent"}'),
        ToolCall("own-2", "search", {}, "{}"),
    )
    assert output.finish_reason == "tool_calls"
    assert output.model == "gemini-3.8-flash-001"
    assert output.token_usage == TokenUsage(105, 10, 115, 40, 3)
    assert output.confidence is None
    assert pickle.loads(pickle.dumps(output)) == output


def test_the_official_sdks_answer_model_decodes() -> None:
    need_peer("google-genai")
    from google.genai import types as official

    made = official.GenerateContentResponse.model_validate(ANSWER)
    payload = json.loads(made.model_dump_json(by_alias=True, exclude_none=True))
    assert decoded(payload).tool_calls == decoded(ANSWER).tool_calls


def test_confidence_comes_from_log_probabilities_only_where_they_were_asked_for() -> None:
    asked = request(params={"logprobs": True})
    assert decoded(ANSWER, asked).confidence == pytest.approx(exp(-0.5))
    chosen = {"chosenCandidates": [{"token": "a", "logProbability": -1.0}, {"token": "b", "logProbability": -2.0}]}
    payload = {"candidates": [{**ANSWER["candidates"][0], "logprobsResult": chosen}]}
    assert decoded(payload, asked).confidence == pytest.approx(exp(-1.5))
    done = events_of([sse([payload])], asked)[-1]
    assert isinstance(done, Done)
    assert done.output.confidence == pytest.approx(exp(-1.5))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("OTHER", None), ("NEW_ONE", None)],
)
def test_finish_reasons_are_the_neutral_ones(reason: str, expected: str | None) -> None:
    """The provider's own word stands beside it."""
    output = decoded(piece({"text": "a"}, finishReason=reason))
    assert (output.finish_reason, output.metadata["finish_reason"]) == (expected, reason)


def test_the_finish_reasons_of_the_official_sdk_are_known() -> None:
    need_peer("google-genai")
    from google.genai.types import FinishReason

    failures = {"OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
    failures |= {"MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "PUP_LIMITED_DISABLED"}
    images_only = {"FINISH_REASON_UNSPECIFIED", "IMAGE_OTHER", "NO_IMAGE"}
    known = {reason.value for reason in FinishReason} - failures - images_only
    assert {reason.lower() for reason in known} <= FINISH_REASONS.keys()


@pytest.mark.parametrize(
    ("payload", "kind", "said"),
    [
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, ContentFilterError, "PROHIBITED_CONTENT"),
        ({"candidates": [{"finishReason": "SAFETY"}]}, ContentFilterError, "SAFETY"),
        ({"candidates": [{"finishReason": "RECITATION", "finishMessage": "a book"}]}, ContentFilterError, "a book"),
        ({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}, ResponseFormatError, "MALFORMED_FUNCTION"),
        ({"candidates": [{"finishReason": "MISSING_THOUGHT_SIGNATURE"}]}, InvalidRequestError, "MISSING_THOUGHT"),
        ({"candidates": [{"finishReason": "PUP_LIMITED_DISABLED"}]}, PermissionDeniedError, "PUP"),
        ({"candidates": []}, ResponseFormatError, "no candidate"),
        ({}, ResponseFormatError, "no candidate"),
    ],
)
def test_a_200_without_an_answer_is_the_error_that_it_tells_of(payload: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        decoded(payload)
    assert type(caught.value) is kind


def test_an_answer_cut_before_its_first_word_is_left_to_the_caller() -> None:
    output = decoded({"candidates": [{"finishReason": "MAX_TOKENS"}]})
    assert (output.content, output.finish_reason) == ("", "length")


def test_signed_parts_go_back_unchanged_with_the_next_turn() -> None:
    said = decoded(ANSWER).message()
    turns = encoded(request([Message("user", "Find it."), said]))["contents"]
    assert turns[1]["parts"] == ANSWER["candidates"][0]["content"]["parts"]
    json.dumps(said.extra)


@pytest.mark.parametrize(("model", "signed"), [("gemini-3.8-flash", True), ("gemini-2.5-flash", False)])
def test_a_call_that_another_provider_made_gets_the_stand_in_signature_where_one_is_demanded(
    model: str, signed: bool
) -> None:
    calls = (ToolCall("toolu_1", "search", {}, "{}"), ToolCall("toolu_2", "search", {}, "{}"))
    parts = encoded(request([Message("user", "x"), Message("assistant", "", calls)], model))["contents"][1]["parts"]
    assert ["thoughtSignature" in part for part in parts] == [signed, False]


# -- streams ----------------------------------------------------------------------------------------------------------


def test_a_stream_gives_typed_events_and_the_whole_answer_at_its_end() -> None:
    events = events_of([sse(STREAM)])
    assert events[:-1] == [
        ReasoningDelta("Let me see."),
        TextDelta("I will "),
        TextDelta("löök. \u2028"),
        ToolCallStart("call_0", "search"),
        ToolCallDelta("call_0", '{"q": "rent"}'),
        ToolCallEnd("call_0"),
    ]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.token_usage == TokenUsage(105, 10, 115, 40, 3)
    assert done.output.content == "I will löök. \u2028"
    assert done.output.reasoning == "Let me see."
    assert done.output.finish_reason == "tool_calls"
    assert done.output.extra is not None


@given(st.lists(st.integers(0, len(sse(STREAM))), max_size=40))
def test_however_the_bytes_are_cut_the_events_are_the_same(cuts: list[int]) -> None:
    data = sse(STREAM)
    places = [0, *sorted(cuts), len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(places)]
    assert events_of(chunks) == events_of([data])


def test_a_stream_without_a_finish_reason_is_not_finished() -> None:
    for length in range(len(STREAM)):
        assert not any(isinstance(event, Done) for event in events_of([sse(STREAM[:length])]))


def test_an_error_event_is_raised_as_what_it_says_with_the_secret_cut_out() -> None:
    event = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy, test-google-key"}}
    with pytest.raises(ServerError, match="busy") as caught:
        events_of([sse([STREAM[0], event])])
    assert caught.value.status == 503
    assert "test-google-key" not in str(caught.value)


def test_a_block_in_the_middle_of_a_stream_is_an_error_only_without_text() -> None:
    done = events_of([sse([STREAM[1], {"candidates": [{"finishReason": "SAFETY"}]}])])[-1]
    assert isinstance(done, Done)
    assert done.output.finish_reason == "content_filter"
    with pytest.raises(ContentFilterError):
        events_of([sse([{"candidates": [{"finishReason": "SAFETY"}]}])])
