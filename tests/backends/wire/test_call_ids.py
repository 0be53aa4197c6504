"""Ids of tool calls are unique in a conversation and in the form that each service takes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.backends.streams import as_events
from complaint_llm.backends.wire.call_ids import (
    ANY_ID,
    IdForm,
    StreamedNewIds,
    id_form,
    known_ids,
    with_new_ids,
    with_wire_ids,
)
from complaint_llm.exceptions import ConfigError
from complaint_llm.messages import Done, InferenceOutput, Message, ToolCall, ToolCallDelta, ToolCallEnd, ToolCallStart

FORMS = {
    "any": ANY_ID,
    "anthropic": IdForm("[a-zA-Z0-9_-]+"),
    "mistral": IdForm("[a-zA-Z0-9]{9}", "{digest:.9}"),
    "kimi": IdForm(r"functions\.[^:]+:[0-9]+", "functions.{name}:{count}"),
    "chat": IdForm("(?s).{1,40}", "call_{digest:.24}"),
}
IDS = st.sampled_from(
    ["call_0", "call_1", "", "functions.f:0", "functions.f:1", "toolu_01", "abc123XYZ", "ä b\n", "x" * 70, "1/2"]
) | st.text(max_size=12)
TURNS = st.lists(st.lists(IDS, min_size=1, max_size=4), min_size=1, max_size=6)


def conversation(turns: list[list[str]]) -> list[Message]:
    """Each turn's calls, of which each result says which call it answers."""
    history = [Message("user", "q")]
    for turn, ids in enumerate(turns):
        history.append(Message("assistant", "", tuple(ToolCall(id, "f", {}, "{}") for id in ids)))
        history += [Message("tool", f"{turn} {place}", tool_call_id=id) for place, id in enumerate(ids)]
    return history


@pytest.mark.parametrize("name", sorted(FORMS))
@settings(max_examples=40, deadline=None)
@given(TURNS)
def test_ids_are_unique_fit_and_find_their_results(name: str, turns: list[list[str]]) -> None:
    """Empty, doubled, foreign and numbered ones alike."""
    form = FORMS[name]
    sent = with_wire_ids(conversation(turns), form)
    ids = [call.id for message in sent for call in message.tool_calls]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(form.pattern, id) for id in ids)
    answered = [message.tool_call_id for message in sent if message.role == "tool"]
    assert answered == ids


@pytest.mark.rows(4)
@pytest.mark.parametrize("name", sorted(FORMS))
@settings(max_examples=40, deadline=None)
@given(TURNS, TURNS)
def test_a_conversation_that_grows_keeps_its_ids(name: str, turns: list[list[str]], more: list[list[str]]) -> None:
    """So that the provider's cache of the prompt stays good."""
    before = with_wire_ids(conversation(turns), FORMS[name])
    assert list(with_wire_ids(conversation([*turns, *more]), FORMS[name]))[: len(before)] == list(before)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b-1", "call_9", "toolu_X"]), unique=True, min_size=1))
def test_ids_that_are_good_stay_what_they_are(ids: list[str]) -> None:
    """What a service gave it gets back."""
    history = conversation([ids])
    assert list(with_wire_ids(history, FORMS["anthropic"])) == history


def test_results_in_any_order_go_to_their_calls() -> None:
    """Where the ids of one message differ, the order of the results does not count."""
    calls = tuple(ToolCall(id, "f", {}, "{}") for id in ("a/1", "a/2", "a/3"))
    turn = [Message("assistant", "", calls), *(Message("tool", id, tool_call_id=id) for id in ("a/3", "a/1", "a/2"))]
    for form in FORMS.values():
        called, *results = with_wire_ids(turn, form)
        by_name = {call.id: old.id for call, old in zip(called.tool_calls, calls, strict=True)}
        assert [by_name[message.tool_call_id or ""] for message in results] == ["a/3", "a/1", "a/2"]


def test_a_result_that_answers_nothing_is_left_to_the_service() -> None:
    """It is sent in the service's form, so that the service's own words say what is wrong."""
    (sent,) = with_wire_ids([Message("tool", "x", tool_call_id="ä")], FORMS["mistral"])
    assert re.fullmatch("[a-zA-Z0-9]{9}", sent.tool_call_id or "")


def answer(ids: list[str]) -> InferenceOutput:
    return InferenceOutput("", tuple(ToolCall(id, "f", {}, "{}") for id in ids))


@settings(deadline=None)
@given(st.lists(IDS, max_size=5), st.sets(IDS))
def test_an_answers_calls_get_ids_that_its_conversation_has_not_had(ids: list[str], known: set[str]) -> None:
    """The others keep theirs."""
    found = [call.id for call in with_new_ids(answer(ids), known).tool_calls]
    assert len(set(found)) == len(ids)
    assert not set(found) & known
    assert "" not in found
    assert [new for new, old in zip(found, ids, strict=True) if new != old and old and old not in known] == [
        new for place, (new, old) in enumerate(zip(found, ids, strict=True)) if old and old not in known and new != old
        and (old in found[:place])
    ]  # fmt: skip


@settings(deadline=None)
@given(st.lists(IDS.filter(bool), unique=True, max_size=5), st.sets(IDS))
def test_a_streams_events_have_the_ids_of_the_whole_answer(ids: list[str], known: set[str]) -> None:
    """From the first event of a call to the answer at the end."""
    events = list(StreamedNewIds(as_events(answer(ids)), known))
    whole = [call.id for call in with_new_ids(answer(ids), known).tool_calls]
    assert [event.id for event in events if isinstance(event, ToolCallStart)] == whole
    assert [event.id for event in events if isinstance(event, ToolCallDelta)] == whole
    assert [event.id for event in events if isinstance(event, ToolCallEnd)] == whole
    last = events[-1]
    assert isinstance(last, Done)
    assert [call.id for call in last.output.tool_calls] == whole


def test_closing_the_events_closes_the_stream() -> None:
    """Whoever stops listening frees the connection."""

    class Stream:
        closed = False

        def __iter__(self) -> Any:
            return iter(())

        def close(self) -> None:
            self.closed = True

    stream = Stream()
    StreamedNewIds(stream, ()).close()
    assert stream.closed


def test_known_ids_are_those_of_the_calls() -> None:
    """Not those that results name."""
    assert known_ids(conversation([["a", "b"], ["c"]])) == {"a", "b", "c"}


@pytest.mark.parametrize(
    "given_",
    [
        {"pattern": "["},
        {"made": "call"},
        {"made": "{name}"},
        {"made": "{digest"},
        {"made": "{nothing}{count}"},
        {"made": "{count:zz}"},
        {"made": "{}"},
        {"length": 9},
        {"pattern": 5},
        "nine",
    ],
)
def test_a_form_that_is_none_is_a_config_error(given_: Any) -> None:
    """Data of a service may be the user's own."""
    with pytest.raises(ConfigError, match="call_ids"):
        id_form(given_)
