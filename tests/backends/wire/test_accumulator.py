"""The accumulator: pieces in, events and the whole answer out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire.accumulator import StreamAccumulator, confidence
from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.messages import (
    Done,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)


def test_pieces_become_events_and_the_answer() -> None:
    """What was set on the way is on the output."""
    answer = StreamAccumulator({"response_id": "r"})
    assert answer.reasoning("Hm.") == [ReasoningDelta("Hm.")]
    assert answer.text("Ye") == [TextDelta("Ye")]
    assert answer.text("s") == [TextDelta("s")]
    answer.usage, answer.raw_finish_reason, answer.model, answer.cost = TokenUsage(1, 2, 3), "stop", "m", 0.5
    answer.log_probability(0.0)
    answer.log_probability(0)
    (done,) = answer.done()
    assert isinstance(done, Done)
    assert done.token_usage == TokenUsage(1, 2, 3)
    output = done.output
    assert (output.content, output.reasoning, output.finish_reason, output.model) == ("Yes", "Hm.", "stop", "m")
    assert (output.cost, output.confidence, output.metadata) == (
        0.5,
        1.0,
        {"response_id": "r", "finish_reason": "stop"},
    )


def test_a_call_is_announced_once_its_name_is_known() -> None:
    """Arguments that came before are handed out then; a call without an id gets one."""
    answer = StreamAccumulator()
    assert answer.tool_call(0, arguments='{"a"') == []
    assert answer.tool_call(0, name="f") == [ToolCallStart("call_0", "f"), ToolCallDelta("call_0", '{"a"')]
    assert answer.tool_call(0, id="late", arguments=": 1}") == [ToolCallDelta("call_0", ": 1}")]
    assert answer.done()[0] == ToolCallEnd("call_0")
    assert answer.output().tool_calls == (ToolCall("call_0", "f", {"a": 1}, '{"a": 1}'),)


def test_a_call_ends_once() -> None:
    """By its own end, or with the stream."""
    answer = StreamAccumulator()
    answer.tool_call("x", "1", "f")
    assert answer.end_tool_call("x") == [ToolCallEnd("1")]
    assert answer.end_tool_call("x") == []
    assert answer.end_tool_call("never") == []
    assert [type(event) for event in answer.done()] == [Done]


def test_repeated_arguments_are_not_handed_out_twice() -> None:
    """Wires that repeat the whole argument text at the end; pieces that differ from it stand."""
    answer = StreamAccumulator()
    answer.tool_call(0, "1", "f", '{"a')
    assert answer.set_arguments(0, '{"a": 1}') == [ToolCallDelta("1", '": 1}')]
    assert answer.set_arguments(0, '{"a": 1}') == []
    assert answer.set_arguments(0, '{"b": 1}') == []
    assert answer.arguments(0) == '{"a": 1}'


@pytest.mark.parametrize(("logs", "found"), [([], None), ([-1.0, -3.0], 0.1353), ([0.5], 1.0)])
def test_confidence_is_the_geometric_mean_of_token_probabilities(logs: list[float], found: float | None) -> None:
    """None without tokens; rounding of a server never makes it more than certain."""
    assert confidence(logs) == (None if found is None else pytest.approx(found, abs=1e-4))


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["", "a", "b"]), st.sampled_from(["", "f"]), st.text(max_size=3))
    )
)
def test_the_deltas_of_a_call_are_its_arguments(fragments: list[tuple[int, str, str, str]]) -> None:
    """Whatever the order of fragments: each announced call starts once, ends once, and its pieces are the whole."""
    answer = StreamAccumulator()
    events: list[StreamEvent] = []
    for fragment in fragments:
        events += answer.tool_call(*fragment)
    if {key for key, *_ in fragments} != {key for key, _, name, _ in fragments if name}:
        with pytest.raises(ResponseFormatError, match="without a name"):
            answer.done()
        return
    events += answer.done()
    starts = [event for event in events if isinstance(event, ToolCallStart)]
    ends = [event for event in events if isinstance(event, ToolCallEnd)]
    calls = answer.output().tool_calls
    assert len(starts) == len(ends) == len(calls) == len({key for key, *_ in fragments})
    told = "".join(event.arguments_delta for event in events if isinstance(event, ToolCallDelta))
    assert sorted(told) == sorted("".join(call.arguments_raw for call in calls))
