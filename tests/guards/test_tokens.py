"""Tokens: one for each way of writing, never one that stands in the text, and restored however a text is cut."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.guards.tokens import TokenMap, TokenPieces, label_of
from tests.sampled import sampled

SURFACES = (
    'María "Mia" López',
    "back\\slash",
    "line\nbreak",
    "[NAME_7]",
    "é́",
    "\x02",
    "plain",
    "[",
    "a]b",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
)


def tokens_of(surfaces: tuple[str, ...] = SURFACES) -> TokenMap:
    tokens = TokenMap()
    for surface in surfaces:
        tokens.token(surface, "NAME")
    return tokens


PIECES = st.lists(
    st.sampled_from([*(f"[NAME_{n}]" for n in range(14)), "[", "]", "[NAME_", "[NAME", "_1]", "[name 2]",
    "[NAME\\_3]", "text ", "[[NAME_1]]", "[OTHER_1]", "1", "\\", "[NAME_12345678]", "NAME_1", " "])
)  # fmt: skip


@sampled(400, of=20_000)
@given(pieces=PIECES, cuts=st.lists(st.integers(0, 200)), form=st.sampled_from(("text", "json")))
def test_a_stream_is_restored_as_its_whole_text_is(pieces: list[str], cuts: list[int], form: str) -> None:
    """However it is cut, and however often."""
    tokens, text = tokens_of(), "".join(pieces)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    restorer = TokenPieces(tokens, form)  # type: ignore[arg-type]
    found = "".join(restorer.feed(text[start:end]) for start, end in pairwise(places))
    assert found + restorer.flush() == tokens.restore(text, form)  # type: ignore[arg-type]


@sampled(100, of=2_000)
@given(text=st.text(alphabet="[]NAME_12 ab\\", max_size=60))
def test_no_more_is_held_back_than_a_token_is_long(text: str) -> None:
    """Each character is handed out once it can be of no token."""
    restorer = TokenPieces(tokens_of(), "text")
    handed = 0
    for place, character in enumerate(text, 1):
        handed += len(restorer.feed(character))
        if "[" not in text[max(0, place - 28) : place] and not any(f"[NAME_{n}]" in text for n in range(14)):
            assert handed == place


@pytest.mark.parametrize("surface", SURFACES)
def test_what_is_restored_in_json_is_json(surface: str) -> None:
    """With quotes and line ends as JSON has them."""
    tokens = tokens_of()
    written = json.dumps({"who": f"to {tokens.token(surface, 'NAME')}."})
    assert json.loads(tokens.restore(written, "json")) == {"who": f"to {surface}."}


@pytest.mark.parametrize(
    "written",
    [
        "[NAME_1]",
        "[name_1]",
        "[Name_1]",
        "[NAME 1]",
        "[NAME-1]",
        "[NAME\\_1]",
        "[NAME\\\\_1]",
        "[name 1]",
        "([NAME_1])",
        "**[NAME_1]**",
    ],
)
def test_a_token_is_restored_as_models_write_it(written: str) -> None:
    """In other case, with a blank or a hyphen, with markdown's backslash."""
    assert "Maria" in tokens_of(("Maria",)).restore(written)


@pytest.mark.parametrize(
    "written",
    [
        "[NAME_2]",
        "[NAME_01]",
        "NAME_1",
        "[NAME1]",
        "[NAME__1]",
        "[ NAME_1]",
        "[NAME_1",
        "[NAMES_1]",
        "[NAME_1_]",
        "{NAME_1}",
        "[Exhibit 1]",
    ],
)
def test_what_is_no_token_of_the_call_stays(written: str) -> None:
    """Also what a model makes up."""
    assert tokens_of(("Maria",)).restore(written) == written


@pytest.mark.parametrize("stands", ["[NAME_1]", "[name_1]", "[NAME 1]", "[NAME-1]", "[Name\\_1]"])
def test_a_token_that_stands_in_the_text_is_not_given_out(stands: str) -> None:
    """Nor in another way of writing it."""
    tokens = TokenMap()
    assert tokens.reserve(f"see {stands}") == []
    assert tokens.token("Maria", "NAME") == "[NAME_2]"
    assert tokens.restore(stands) == stands


def test_a_token_that_was_given_out_and_stands_in_a_later_text_is_hidden_itself() -> None:
    """So that what is restored is what stood there."""
    tokens = tokens_of(("Maria",))
    assert tokens.reserve("as [NAME_1] says") == [(3, 11)]


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("case", "CASE"),
        ("US_SSN", "USSSN"),
        ("42", "OTHER"),
        ("é", "OTHER"),
        ("a" * 40, "A" * 16),
        ("case number", "CASENUMBER"),
    ],
)
def test_a_label_is_letters(kind: str, label: str) -> None:
    """Whatever a config or a detector calls it."""
    assert label_of(kind) == label


def test_no_repr_shows_what_is_hidden() -> None:
    """It would be in a log one day."""
    assert "Maria" not in repr(tokens_of(("Maria",))) + repr(vars(TokenPieces(tokens_of(("Maria",)), "text")))
