"""Reasoning in tags before an answer is told from the answer, however it is cut; tags in the text stay text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire.accumulator import StreamAccumulator, plain_answer
from complaint_llm.messages import ReasoningDelta, TextDelta

THOUGHT = [
    ("<think>hm</think>fine", "hm", "fine"),
    ("<think>\nhm\n</think>\n\nfine", "hm", "fine"),
    ("\n \n<think>hm</think> fine", "hm", "fine"),
    ("<think></think>fine", None, "fine"),
    ("<think>\n\n</think>\n\nfine", None, "fine"),
    ("<think>a</think><think>b</think>fine", "a\n\nb", "fine"),
    ("<think>a</think>\n<think>\n</think>\n<think>b</think>\nfine", "a\n\nb", "fine"),
    ("[THINK]hm[/THINK]fine", "hm", "fine"),
    ("<seed:think>hm</seed:think>fine", "hm", "fine"),
    ("<think>is 1 < 2 </thin k></think>fine", "is 1 < 2 </thin k>", "fine"),
    ("<think>a <think> inside</think>fine", "a <think> inside", "fine"),
    ('<think>{"x": 1}</think>\n{"claims": ["a"]}', '{"x": 1}', '{"claims": ["a"]}'),
    ("<think>cut while think", "cut while think", ""),
    ("<think>cut inside the tag</thi", "cut inside the tag</thi", ""),
    ("<think>hm</think>the tag <think>x</think> again", "hm", "the tag <think>x</think> again"),
    ("<think>öé😀</think>世", "öé😀", "世"),
    # the opening tag was in the prompt
    ("hm\n</think>\n\nfine", "hm", "fine"),
    ("hm</think>fine", "hm", "fine"),
    ("hm</think>\nfine", "hm", "fine"),
    ("\n</think>\n\nfine", None, "fine"),
    ("so it is 4. </think>\n\n4", "so it is 4.", "4"),
    ('hm\n</think>\n{"claims": []}', "hm", '{"claims": []}'),
]
TEXT = [
    "fine",
    "<thinking about it> fine",
    "<thin",
    "  fine  ",
    'He wrote "<think>no</think>" to me.',
    "The tag <think>x</think> is text here.",
    "The tag </think> ends it.",
    "It ends with `</think>`.",
    'It ends with "</think>"',
    "```\nhm\n</think>\n```",
    "see <think> above\n</think>\nbelow",
    "<Think>hm</Think>fine",
    "a < b",
]


@pytest.mark.parametrize(("said", "reasoning", "text"), THOUGHT, ids=repr)
def test_reasoning_in_tags_is_no_text(said: str, reasoning: str | None, text: str) -> None:
    """Closed, unclosed, empty, several, of other makers, and without the opening tag."""
    output = plain_answer(said)
    assert (output.reasoning, output.content) == (reasoning, text)


@pytest.mark.parametrize("said", TEXT, ids=repr)
def test_tags_later_in_an_answer_are_text(said: str) -> None:
    """What is quoted, what stands in a sentence or in code, and what only begins as a tag does."""
    output = plain_answer(said)
    assert (output.reasoning, output.content) == (None, said)


PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "[THINK]", "[/THINK]", "<", "</", "think", ">", " ", "\n", "a", '"', "`"]),
    max_size=8,
)


@given(PIECES, st.sampled_from(["m", "deepseek-r1:8b"]), st.data())
def test_however_the_tags_are_cut_the_answer_is_the_same(pieces: list[str], model: str, data: st.DataObject) -> None:
    """Random splits, inside the tags too; the pieces that are handed out are the answer's, in their order."""
    said = "".join(pieces)
    places = sorted({0, len(said), *data.draw(st.lists(st.integers(0, len(said)), max_size=8))})
    whole = StreamAccumulator(asked=model)
    whole.text(said)
    cut = StreamAccumulator(asked=model)
    events = [each for a, b in pairwise(places) for each in cut.text(said[a:b])]
    *rest, done = cut.done()
    output = whole.output()
    assert done.output == output  # type: ignore[union-attr]
    texts = "".join(each.text for each in (*events, *rest) if isinstance(each, TextDelta))
    thoughts = "".join(each.text for each in (*events, *rest) if isinstance(each, ReasoningDelta))
    if "</think>" not in texts:
        assert (texts, thoughts) == (output.content, output.reasoning or "")


@pytest.mark.parametrize(
    "model",
    [
        "deepseek-r1",
        "deepseek-ai/DeepSeek-R1-0528",
        "deepseek-r1-distill-qwen-7b",
        "qwq-32b",
        "Qwen/QwQ-32B-Preview",
        "qwen3-4b-thinking-2507",
        "Qwen3-235B-A22B-Thinking-2507",
        "minimax-m2",
        "MiniMaxAI/MiniMax-M2",
        "moonshotai/Kimi-K2.5",
    ],
)
def test_models_whose_template_opens_the_tag_hand_no_reasoning_out_as_text(model: str) -> None:
    """Their streams wait for the closing tag; where there is none, what came is the text."""
    answer = StreamAccumulator(asked=model)
    events = [each for piece in ("Let me ", "see.\n</th", "ink>\n\nfi", "ne") for each in answer.text(piece)]
    assert events == [ReasoningDelta("Let me see."), TextDelta("fi"), TextDelta("ne")]
    plain = StreamAccumulator(asked=model)
    assert plain.text("All text.") == []
    assert plain.output().content == "All text."


def test_a_server_that_tells_reasoning_apart_is_not_waited_for() -> None:
    """The same models behind a server that reads the tags itself."""
    answer = StreamAccumulator(asked="deepseek-r1")
    assert answer.reasoning("hm") == [ReasoningDelta("hm")]
    assert answer.text("fine") == [TextDelta("fine")]


def test_much_white_space_before_an_answer_is_not_held_back_for_ever() -> None:
    """Nor does a long answer in small pieces take more than its length: each is read once."""
    answer = StreamAccumulator()
    events = [each for _ in range(10_000) for each in answer.text(" ")]
    assert len(events) > 5_000
    assert answer.output().content == " " * 10_000
