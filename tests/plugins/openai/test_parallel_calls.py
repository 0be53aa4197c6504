"""Parallel tool calls of a stream stay apart, however little the service says of which fragment is whose."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.messages import ToolCallDelta, ToolCallEnd, ToolCallStart
from tests.wire_messages import ask, chat, chunk, done, read, sse

GPT = OpenAIBackend(api_key="sk-secret-1", model="m")
Call = tuple[str, str, str]


def f(name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    """A fragment; None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**more, "function": function}


def called(*chunks: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Name and argument text of the calls of a stream whose chunks have these fragments."""
    stream = sse(*(chunk({"tool_calls": list(each)}) for each in chunks), chunk({}, "tool_calls"), "[DONE]")
    events = read(GPT.decoder(ask(stream=True)), [stream])
    output = done(events)
    starts = [each.id for each in events if isinstance(each, ToolCallStart)]
    assert starts == [call.id for call in output.tool_calls]
    assert len(set(starts)) == len(starts) == sum(isinstance(each, ToolCallEnd) for each in events)
    for call in output.tool_calls:
        said = "".join(e.arguments_delta for e in events if isinstance(e, ToolCallDelta) and e.id == call.id)
        assert said == call.arguments_raw
    return [(call.name, call.arguments_raw) for call in output.tool_calls]


A, B = '{"x": 1}', '{"y": "}{"}'

STREAMS: list[tuple[str, list[list[dict[str, Any]]], list[tuple[str, str]]]] = [
    ("index 0, id empty", [[f("f", A, index=0, id="")], [f("g", B, index=0, id="")]], [("f", A), ("g", B)]),
    ("one chunk, nothing", [[f("f", A), f("g", B)]], [("f", A), ("g", B)]),
    ("two chunks, nothing", [[f("f", A)], [f("g", B)]], [("f", A), ("g", B)]),
    ("one function twice, nothing", [[f("f", A)], [f("f", B)]], [("f", A), ("f", B)]),
    ("one function twice alike", [[f("f", A)], [f("f", A)]], [("f", A), ("f", A)]),
    ("heads, then arguments", [[f("f", "")], [f(None, A)], [f("f", "")], [f(None, B)]], [("f", A), ("f", B)]),
    ("pieces, nothing", [[f("f", A[:3])], [f(None, A[3:])], [f("g", B[:9])], [f(None, B[9:])]], [("f", A), ("g", B)]),
    ("no arguments", [[f("f", "")], [f("g", "")]], [("f", ""), ("g", "")]),
    ("id null", [[f("f", A, index=0, id=None)], [f("g", B, index=0, id=None)]], [("f", A), ("g", B)]),
    ("index null", [[f("f", A, index=None, id="a")], [f("g", B, index=None, id="b")]], [("f", A), ("g", B)]),
    (
        "index 0, ids, in turns",
        [[f("f", "", index=0, id="a")], [f("g", "", index=0, id="b")], [f(None, A, index=0, id="a")],
         [f(None, B, index=0, id="b")]],
        [("f", A), ("g", B)],
    ),
    (
        "indices, in turns",
        [[f("f", "", index=0)], [f("g", "", index=1)], [f(None, B, index=1)], [f(None, A, index=0)]],
        [("f", A), ("g", B)],
    ),
    ("one id for both", [[f("f", A, index=0, id="x")], [f("g", B, index=1, id="x")]], [("f", A), ("g", B)]),
    ("index first only", [[f("f", "", index=0, id="a")], [f(None, A)]], [("f", A)]),
    ("id alone goes on", [[f("f", "", index=0, id="a")], [f(None, A, id="a")]], [("f", A)]),
    ("name in every fragment", [[f("f", A[:4], index=0)], [f("f", A[4:], index=0)]], [("f", A)]),
    ("id in every fragment", [[f("f", A[:4], index=0, id="a")], [f("f", A[4:], index=0, id="a")]], [("f", A)]),
    ("a new id in every fragment", [[f("f", A[:4], index=0, id="a")], [f(None, A[4:], index=0, id="b")]], [("f", A)]),
    ("all once more at the end", [[f("f", A, index=0, id="a")], [f("f", A, index=0, id="a")]], [("f", A)]),
    ("arguments once more", [[f("f", A, index=0, id="a")], [f(None, A, index=0)]], [("f", A)]),
    ("an empty fragment at the end", [[f("f", A, index=0, id="a")], [f(None, "", index=1)]], [("f", A)]),
    ("arguments as an object", [[f("f", {"x": 1})], [f("g", {"y": 2})]], [("f", '{"x": 1}'), ("g", '{"y": 2}')]),
    ("the old form of a single call", [[f("f", A)]], [("f", A)]),
]  # fmt: skip


@pytest.mark.parametrize(("chunks", "calls"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS])
def test_calls_stay_apart(chunks: list[list[dict[str, Any]]], calls: list[tuple[str, str]]) -> None:
    """Without ids, without indices, with the same ones, whole or in pieces; what only repeats adds nothing."""
    assert called(*chunks) == calls


CALLS = st.lists(
    st.tuples(st.sampled_from("fg"), st.dictionaries(st.text("a{", max_size=2), st.text('}"\\[]😀', max_size=5))),
    min_size=1,
    max_size=4,
)


@given(CALLS, st.sampled_from(["index", "index and id", "id", "index 0 and id", "nothing"]), st.data())
@settings(deadline=None)
def test_calls_in_any_style_are_those_of_the_whole_answer(
    calls: list[tuple[str, dict[str, str]]], style: str, data: st.DataObject
) -> None:
    """Arguments are cut anywhere, inside strings, escapes and characters too. Without ids and indices calls come one
    after the other, and in a style that has them they may take turns."""
    said = [(f"id{at}", name, json.dumps(arguments)) for at, (name, arguments) in enumerate(calls)]
    fragments: list[list[dict[str, Any]]] = []
    for at, (id, name, arguments) in enumerate(said):
        places = [0, *sorted(data.draw(st.lists(st.integers(0, len(arguments)), max_size=4))), len(arguments)]
        pieces = [arguments[a:b] for a, b in pairwise(places)]
        mark: dict[str, Any] = {}
        if "index" in style:
            mark["index"] = 0 if "index 0" in style else at
        heads = {**mark, "id": id} if "id" in style else mark
        # Where an id is the only mark, each fragment must have it.
        rest = heads if style in ("id", "index 0 and id") else mark
        fragments.append([f(name, "", **heads), *(f(None, piece, **rest) for piece in pieces)])
    if style in ("nothing",):
        order = [each for one in fragments for each in one]
    else:
        queue = [list(one) for one in fragments]
        order = [one.pop(0) for one in queue]
        while any(queue):
            order.append(data.draw(st.sampled_from([one for one in queue if one])).pop(0))
    whole = GPT.decode(
        chat(None, finish_reason="tool_calls", tool_calls=[f(n, a, id=i, type="function") for i, n, a in said]), ask()
    )
    assert called(*([each] for each in order)) == [(call.name, call.arguments_raw) for call in whole.tool_calls]


def test_the_old_form_of_a_single_call_is_a_call() -> None:
    """``function_call``, whole and streamed, as some servers still send it."""
    old = {"name": "f", "arguments": A}
    whole = GPT.decode(chat(None, finish_reason="function_call", function_call=old), ask())
    stream = sse(
        chunk({"function_call": {"name": "f", "arguments": ""}}), chunk({"function_call": {"arguments": A}}),
        chunk({}, "function_call"), "[DONE]",
    )  # fmt: skip
    streamed = done(read(GPT.decoder(ask(stream=True)), [stream]))
    for output in (whole, streamed):
        assert [(call.name, call.arguments) for call in output.tool_calls] == [("f", {"x": 1})]
        assert output.finish_reason == "tool_calls"


@pytest.mark.parametrize("fragments", [[f(None, A, index=0)], [f("", A, index=0, id="a")], [f(None, None, id="a")]])
def test_a_call_that_is_never_named_is_a_format_error(fragments: list[dict[str, Any]]) -> None:
    """As in a whole answer: nobody could make it."""
    with pytest.raises(ResponseFormatError, match="without a name"):
        called(fragments)


def test_two_calls_of_one_whole_answer_may_be_alike() -> None:
    """Each entry of a whole answer is a call of its own."""
    output = GPT.decode(chat(None, tool_calls=[f("f", ""), f("f", ""), f("f", A, index=0), f("f", A, index=0)]), ask())
    assert [call.arguments for call in output.tool_calls] == [{}, {}, {"x": 1}, {"x": 1}]
