"""Streamed chat completions."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import ContentFilterError, RateLimitError, ResponseFormatError
from complaint_llm.messages import (
    Done,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    TokenUsage,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from tests.wire_messages import ask, chunk, done, read, sse

GPT = OpenAIBackend(api_key="sk-secret-1", model="gpt-5.4")
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}

WHOLE = sse(
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Hm, "}),
    chunk({"reasoning": "so."}),
    chunk({"content": "Grüße, "}),
    chunk({"content": "世界"}),
    chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "find", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"q": '}}]}),
    chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "look", "arguments": "{}"}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"x"}'}}]}),
    chunk({}, "tool_calls"),
    chunk(usage=USAGE),
    "[DONE]",
)


def events_of(*pieces: bytes, **fields: Any) -> list[StreamEvent]:
    return read(GPT.decoder(ask(stream=True, **fields)), pieces)


def test_a_stream_gives_text_reasoning_and_tool_calls_in_order_and_ends_with_done() -> None:
    """Fragments of two parallel calls that interleave stay apart."""
    events = events_of(WHOLE)
    assert events[:-1] == [
        ReasoningDelta("Hm, "),
        ReasoningDelta("so."),
        TextDelta("Grüße, "),
        TextDelta("世界"),
        ToolCallStart("a", "find"),
        ToolCallDelta("a", '{"q": '),
        ToolCallStart("b", "look"),
        ToolCallDelta("b", "{}"),
        ToolCallDelta("a", '"x"}'),
        ToolCallEnd("a"),
        ToolCallEnd("b"),
    ]
    output = done(events)
    assert (output.content, output.reasoning) == ("Grüße, 世界", "Hm, so.")
    assert [(call.name, call.arguments) for call in output.tool_calls] == [("find", {"q": "x"}), ("look", {})]
    assert output.token_usage == TokenUsage(5, 2, 7)
    assert (output.finish_reason, output.model) == ("tool_calls", "served-model")


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_events(cuts: list[int]) -> None:
    """TCP cuts where it likes, inside a character too."""
    places = sorted({0, len(WHOLE), *cuts})
    pieces = [WHOLE[a:b] for a, b in itertools.pairwise(places)]
    assert events_of(*pieces) == events_of(WHOLE)


def test_a_stream_without_its_end_has_no_done() -> None:
    """Cut before the finish reason: nothing says that it is whole."""
    cut = sse(chunk({"role": "assistant", "content": "Half"}))
    assert not any(isinstance(event, Done) for event in events_of(cut))


def test_a_finish_reason_without_the_done_marker_is_an_end() -> None:
    """Some services close the connection instead of sending [DONE]."""
    output = done(events_of(sse(chunk({"content": "All"}), chunk({}, "stop"))))
    assert (output.content, output.finish_reason) == ("All", "stop")


def test_what_follows_done_is_ignored() -> None:
    """A second marker or a late chunk cannot end the answer twice."""
    events = events_of(sse(chunk({"content": "All"}, "stop"), "[DONE]", "[DONE]", chunk({"content": "late"})))
    assert [type(event) for event in events] == [TextDelta, Done]


@pytest.mark.parametrize(
    "fragments",
    [
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
         {"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}],
        [{"id": "a", "function": {"name": "f", "arguments": "{}"}},
         {"id": "b", "function": {"name": "g", "arguments": "{}"}}],
    ],
)  # fmt: skip
def test_calls_that_share_an_index_are_told_apart_by_their_ids(fragments: list[dict[str, Any]]) -> None:
    """Some services number every call 0, or none."""
    output = done(events_of(sse(*(chunk({"tool_calls": [f]}) for f in fragments), chunk({}, "tool_calls"), "[DONE]")))
    assert [(call.id, call.name, call.arguments) for call in output.tool_calls] == [("a", "f", {}), ("b", "g", {})]


def test_an_error_in_the_stream_is_raised() -> None:
    """As a chunk of its own, after text came."""
    with pytest.raises(RateLimitError):
        events_of(sse(chunk({"content": "a"}), {"error": {"code": "rate_limit_exceeded", "message": "slow"}}))


def test_a_refusal_is_raised_at_its_end() -> None:
    """The pieces of the refusal are put together."""
    with pytest.raises(ContentFilterError, match="I cannot"):
        events_of(sse(chunk({"refusal": "I "}), chunk({"refusal": "cannot"}), chunk({}, "stop"), "[DONE]"))


@pytest.mark.parametrize(
    "data",
    ["{", "[]", "1", '{"choices": 3}', '{"choices": [{"delta": {"content": 4}}]}', '{"choices": [{"delta": []}]}',
     '{"choices": [{"delta": {"tool_calls": [7]}}]}', "[" * 100_000],
)  # fmt: skip
def test_a_chunk_of_wrong_shape_is_a_format_error(data: str) -> None:
    """Nothing else leaves the decoder."""
    with pytest.raises(ResponseFormatError):
        events_of(sse(data))


def test_confidence_is_collected_over_the_chunks() -> None:
    """Each chunk brings the log-probabilities of its own tokens."""
    chunks = [chunk({"content": text}) for text in ("a", "b")]
    for place, found in enumerate(chunks):
        found["choices"][0]["logprobs"] = {"content": [{"token": "x", "logprob": -0.1 * (place + 1)}]}
    output = done(events_of(sse(*chunks, chunk({}, "stop"), "[DONE]"), params={"logprobs": True}))
    assert output.confidence == pytest.approx(2.718281828**-0.15)
