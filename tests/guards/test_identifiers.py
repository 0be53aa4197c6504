"""Planted identifiers of twelve kinds: none of those that the guard is told of is left in what would be sent."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from complaint_llm.guards.pseudonyms import Pseudonyms
from complaint_llm.messages import InferenceOutput, ToolCall
from tests.guards.identifiers import CASE_PATTERN, KINDS, leaks, planted, request_with, texts_of, write_lists

OF_A_REQUEST = 60


def check(seed: int, count: int, folder: Path) -> None:
    """Nothing planted is sent, and an answer that says all of it again comes back with every byte."""
    identifiers = planted(seed, count)
    guard = Pseudonyms(names=str(write_lists(identifiers, folder)), patterns=[CASE_PATTERN])
    draw = random.Random(seed)
    missed = []
    for start in range(0, count, OF_A_REQUEST):
        some = identifiers[start : start + OF_A_REQUEST]
        request = request_with(some, draw)
        call = guard.for_call()
        sent = call.before(request, "remote")
        missed += [(each.kind, each.written, each.sentence) for each in leaks(texts_of(sent), some)]
        for given, guarded in zip(request.messages, sent.messages, strict=True):
            if given.role != "tool":  # its JSON may be written with other escapes
                pieces = call.pieces("text")
                assert pieces is not None
                text = guarded.text
                cuts = sorted(draw.randrange(len(text) + 1) for _ in range(12))
                streamed = "".join(
                    pieces.feed(text[begin:end]) for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)
                )
                assert call.after(InferenceOutput(text)).content == given.text
                assert streamed + pieces.flush() == given.text
        (sent_call,), (given_call,) = sent.messages[2].tool_calls, request.messages[2].tool_calls
        answer = call.after(
            InferenceOutput("", (ToolCall("b", "look_up", sent_call.arguments, sent_call.arguments_raw),))
        )
        assert answer.tool_calls[0].arguments == given_call.arguments
        assert json.loads(answer.tool_calls[0].arguments_raw) == given_call.arguments
    assert missed == []


def test_nothing_of_a_sample_of_planted_identifiers_is_sent(tmp_path: Path) -> None:
    """Twelve kinds in all ways of writing them, in every text of a request."""
    check(17, 1_800, tmp_path)


@pytest.mark.endurance
@pytest.mark.parametrize("seed", range(10))
def test_nothing_of_sixty_thousand_planted_identifiers_is_sent(seed: int, tmp_path: Path) -> None:
    """The same, 6,000 for each seed."""
    check(100 + seed, 6_000, tmp_path)


def test_what_is_planted_is_seen_where_nothing_is_guarded() -> None:
    """The search for leaks finds each identifier in a request as it is."""
    identifiers = planted(3, 600)
    missed = [each for each in identifiers if not leaks(texts_of(request_with([each], random.Random(1))), [each])]
    assert missed == []
    assert {each.kind for each in identifiers} == set(KINDS)
