"""A character whose two halves came apart is one character again; a half alone is replaced, never handed on."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire.accumulator import StreamAccumulator, plain_answer
from complaint_llm.backends.wire.surrogates import HalfJoiner, value_without_halves, without_halves
from complaint_llm.messages import ReasoningDelta, TextDelta, ToolCallDelta

HIGH, LOW = "\ud83d", "\ude00"
CASES = [
    ("plain", "plain"),
    ("é世", "é世"),
    ("😀", "😀"),
    (HIGH + LOW, "😀"),
    (f"hi {HIGH}{LOW} ok", "hi 😀 ok"),
    (HIGH, "\ufffd"),
    (LOW, "\ufffd"),
    (LOW + HIGH, "\ufffd\ufffd"),
    (HIGH + "x" + LOW, "\ufffdx\ufffd"),
    (HIGH + HIGH + LOW, "\ufffd😀"),
    (HIGH + LOW + LOW, "😀\ufffd"),
    ("😀" + HIGH, "😀\ufffd"),
    ("", ""),
]


@pytest.mark.parametrize(("given_", "whole"), CASES, ids=[ascii(row[0]) for row in CASES])
def test_halves_that_meet_are_a_character(given_: str, whole: str) -> None:
    """And those that do not are U+FFFD, in a text, in a JSON value and in an answer."""
    assert without_halves(given_) == whole
    assert value_without_halves({given_: [given_, 1, None]}) == {whole: [whole, 1, None]}
    if whole.strip():
        assert plain_answer(given_).content == whole


@given(st.text(st.characters(codec="utf-16", exclude_categories=[]) | st.sampled_from([HIGH, LOW, "a"])), st.data())
def test_pieces_are_the_whole_wherever_they_are_cut(text: str, data: st.DataObject) -> None:
    """Each piece can be encoded."""
    places = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=6))})
    joiner = HalfJoiner()
    pieces = [*(joiner.feed(text[a:b]) for a, b in pairwise(places)), joiner.rest()]
    for piece in pieces:
        piece.encode()
    assert "".join(pieces) == without_halves(text)


def test_halves_meet_in_text_reasoning_and_arguments() -> None:
    """Each over its own pieces, whatever comes between them."""
    answer = StreamAccumulator()
    events: list[Any] = []
    for piece in (f'"{HIGH}', f'{LOW}"'):
        events += answer.reasoning(piece)
        events += answer.text(piece)
        events += answer.tool_call(0, "a", "f", f'{{"x": {piece}' if HIGH in piece else f"{piece}}}")
    output = answer.output()
    assert (output.content, output.reasoning) == ('"😀"', '"😀"')
    assert output.tool_calls[0].arguments == {"x": "😀"}
    assert output.tool_calls[0].arguments_raw == '{"x": "😀"}'
    for kind, field in ((TextDelta, "text"), (ReasoningDelta, "text"), (ToolCallDelta, "arguments_delta")):
        said = "".join(getattr(each, field) for each in events if isinstance(each, kind))
        assert "😀" in said


@pytest.mark.parametrize("arguments", ['{"x": "\\ud83d"}', '{"\\ude00": 1}', '{"x": ["\\ud83d", {"y": "\\ude00a"}]}'])
def test_halves_inside_arguments_are_replaced(arguments: str) -> None:
    """Escaped there once more by the model itself; what it wrote stays in ``arguments_raw``."""
    answer = StreamAccumulator()
    answer.tool_call(0, "a", "f", arguments)
    (call,) = answer.output().tool_calls
    json.dumps(call.arguments, ensure_ascii=False).encode()
    assert call.arguments_raw == arguments
