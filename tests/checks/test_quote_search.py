"""Quotes: what stands in a text is found where it stands, and nothing else is."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.checks.page_breaks import TextPage
from complaint_llm.checks.quote_search import MEANING, MOST_PLACES, QuotePlace, SearchableText, find_quote
from tests.checks.generated_texts import generated_texts
from tests.checks.wrong_quotes import right_quotes, wrong_quotes
from tests.sampled import sampled

TEXTS = 40
IN_THE_SUITE = 1_500


def found_in(text: str, quote: str) -> QuotePlace:
    return find_quote(quote, [SearchableText.of(text)])


def states(text: str, *quotes: str) -> list[str]:
    return [found_in(text, quote).state for quote in quotes]


def check_right_quotes(seed: int, count: int) -> tuple[int, int]:
    """How many of ``count`` right quotes are found at the right place, and how many there were."""
    chance = random.Random(seed)
    texts = generated_texts(seed, TEXTS)
    searchable = [SearchableText.of(text.text, source=str(number)) for number, text in enumerate(texts)]
    right = 0
    for number, block, first, last in right_quotes(chance, [text.blocks for text in texts], count):
        words = texts[number].blocks[block][first:last]
        found = find_quote(" ".join(words), [searchable[number]])
        start, end = texts[number].places[block][first][0], texts[number].places[block][last - 1][1]
        right += found.stands and (found.weak == "repeated" or (found.start, found.end) == (start, end))
    return right, count


def check_wrong_quotes(seed: int, count: int) -> list[str]:
    """Wrong quotes that are said to stand: there must be none."""
    chance = random.Random(seed)
    texts = generated_texts(seed, TEXTS)
    searchable = [SearchableText.of(text.text) for text in texts]
    wrong = wrong_quotes(chance, [text.blocks for text in texts], count)
    return [quote for number, quote in wrong if find_quote(quote, [searchable[number]]).stands]


def test_right_quotes_are_found_where_they_stand() -> None:
    """At least 99.5 % of what was taken from a text, however it was laid out."""
    right, count = check_right_quotes(1, IN_THE_SUITE)
    assert right >= count * 0.995


def test_wrong_quotes_are_never_said_to_stand() -> None:
    """One word, number, name or negation changed, a word or a number cut, halves joined: not in the text."""
    assert check_wrong_quotes(2, IN_THE_SUITE) == []


@pytest.mark.endurance
@pytest.mark.parametrize("seed", range(3, 8))
def test_ten_thousand_quotes(seed: int) -> None:
    """The same for 10,000 right and 10,000 wrong ones, over five seeds."""
    right, count = check_right_quotes(seed, 2_000)
    assert right >= count * 0.995
    assert check_wrong_quotes(seed + 100, 2_000) == []


PAIRS_THAT_DIFFER = [
    ("the rent was $1,400 a month", "the rent was $1400 a month"),
    ("I waited 1.5 hours for him", "I waited 15 hours for him"),
    ("he said it was \u22125 degrees inside", "he said it was -5 degrees inside"),
    ("they did not pay me at all", "they did pay me at all"),
    ("they did pay me at all", "they did not pay me at all"),
    ("it was an unlawful entry of my home", "lawful entry of my home"),
    ("I gave him $15,000 in cash", "I gave him $15"),
    ("I gave him $15,000 in cash", "I gave him $15,000 in cas"),
    ("signed on 2026-11-27 at the office", "signed on 2026-11 at"),
    ("for non-payment of the rent due", "payment of the rent due"),
    ("for non-payment of the rent due", "for nonpayment of the rent due"),
    ("Mr. Dale came in at night", "mr. dale came in at night"),
    ("we don’t owe him any money", "we don't owe him any money"),
    ("interest of 9.5% on the loan", "interest of 9.5 on the loan"),
    ("interest of 9.5% on the loan", "interest of 9.5"),
    ("the fee was -20 dollars each month", "20 dollars each month"),
    ("the area is 20 m² and the rent", "the area is 20 m2 and the rent"),
    ("signed by Αlex in the office", "signed by Alex in the office"),
    ("we moved. They stayed in the house", "we moved, They stayed in the house"),
    ("from 1990\x021995 we lived there", "from 19901995 we lived there"),
    ("let the cat out of there", "let the cat out o"),
    ("from 1990 -\n1995 we lived there", "from 1990-1995 we lived there"),
    ("we lived there from 1990-\n1995 then", "we lived there from 1990"),
]


@pytest.mark.parametrize(("text", "quote"), PAIRS_THAT_DIFFER)
def test_what_differs_in_meaning_is_not_the_same_text(text: str, quote: str) -> None:
    """Numbers, signs, negations, case, apostrophes, look-alikes and cut words."""
    assert states(text, quote) == ["not_found"]


SHAPED = "\ufeed\ufe8e\ufedf\ufeee"
PAIRS_THAT_ARE_THE_SAME = [
    ("he cut\nthe heat in\r\n\r\n  November", "he cut the heat in November"),
    ("he “restructured” the whole kitchen", 'he "restructured" the whole kitchen'),
    ("he came — late — that night", "he came - late - that night"),
    ("the land-\nlord cut the heat", "the landlord cut the heat"),
    ("the well-\nknown lease of ours", "the well-known lease of ours"),
    ("the land\u00adlord cut the heat", "the landlord cut the heat"),
    ("the land\x02lord cut the heat", "the landlord cut the heat"),
    ("the land\ufffelord cut the heat", "the landlord cut the heat"),
    ("from 1990\x021995 we lived there", "from 1990-1995 we lived there"),
    ("from 1990-\n1995 we lived there", "from 1990-1995 we lived there"),
    ("from 1990-\n  1995 we lived there", "from 1990- 1995 we lived there"),
    ("a ﬁne of ﬂat money then", "a fine of flat money then"),
    ("e\u0301tait la maison de ma sœur", "était la maison de ma sœur"),
    ("the\u00a0rent\u2009was\u3000late again", "the rent was late again"),
    (f"{SHAPED} here are four words", f"{unicodedata.normalize('NFKC', SHAPED)} here are four words"),
]


@pytest.mark.parametrize(("text", "quote"), PAIRS_THAT_ARE_THE_SAME)
def test_what_a_copy_may_lose_is_not_missed(text: str, quote: str) -> None:
    """Line breaks, kinds of quotation marks and dashes, ligatures, hyphens at line ends; the span is the whole text."""
    found = found_in(text, quote)
    assert (found.state, found.start, found.end) == ("normalised", 0, len(text))


def test_an_exact_copy_is_told_from_one_that_is_nearly_exact() -> None:
    text = "He said:\nno heat until  you pay. He left."
    assert states(text, "He said:\nno heat until", "no heat until you pay.") == ["verbatim", "normalised"]


def test_few_words_and_repeated_words_are_weak() -> None:
    """They stand, and the word for why that says little stands beside it. A number makes few words enough."""
    text = "No heat. I paid $900 then. No heat at all here. No heat at all here."
    short, number, repeated = (found_in(text, quote) for quote in ("all here", "paid $900", "No heat at all here"))
    assert (short.state, short.weak) == ("verbatim", "short")
    assert (number.state, number.weak) == ("verbatim", None)
    assert (repeated.weak, repeated.places) == ("repeated", 2)


@pytest.mark.parametrize("sign", ["...", "…", "[...]", " [ … ] ", "(...)", "....."])
def test_an_ellipsis_joins_parts_in_their_order(sign: str) -> None:
    """Each part of at least three words, in order; what is left out is told."""
    text = "He told me on Monday that the heat would stay off until I paid the whole rent."
    found = found_in(text, f"He told me{sign}the heat would stay off{sign}paid the whole rent")
    assert (found.state, found.elided, found.start) == ("normalised", True, 0)
    assert (
        states(
            text,
            f"the heat would stay{sign}He told me on",
            f"He told{sign}paid the whole rent",
            f"He told me{sign}heat wou",
        )
        == ["not_found"] * 3
    )


def test_an_ellipsis_does_not_reach_over_a_page() -> None:
    text = "He told me on Monday. The heat would stay off."
    pages = [SearchableText.of(text, pages=(TextPage(0, 1, "text layer"), TextPage(22, 2, "text layer")))]
    assert find_quote("He told me ... heat would stay off", pages).state == "not_found"
    assert find_quote("heat would stay off", pages).page == 2


def test_places_are_counted_up_to_a_bound_over_all_sources() -> None:
    """And no further, however many sources there are."""
    texts = [SearchableText.of("no heat at all here. " * 30, source=str(number)) for number in range(50)]
    assert find_quote("no heat at all here.", texts).places == MOST_PLACES


def test_a_quote_of_another_text_is_told_where_it_stands() -> None:
    one = SearchableText.of("first words of the client")
    two = SearchableText.of("second words of the letter", source="bafy")
    found = find_quote("second words of the letter", [one, two])
    assert (found.source, found.start) == ("bafy", 0)


@pytest.mark.parametrize("quote", ["", " ", "\n", "-", "…", "...", "\u00ad", "\x02"])
def test_nothing_is_no_quote(quote: str) -> None:
    assert found_in("some words of a client", quote).state == "not_found"


def test_what_has_no_text_could_not_be_looked_for() -> None:
    """Beside a scan a quote that is not in the texts may stand in the picture."""
    texts = [SearchableText.of("some words of a client")]
    assert find_quote("other words of a client", texts, searchable=False).state == "not_searchable"
    assert find_quote("some words of a client", texts, searchable=False).state == "verbatim"


def test_no_state_claims_more_than_was_looked_at() -> None:
    words = " ".join(MEANING.values()).lower()
    assert not any(word in words for word in ("verified", "proved", "confirmed", "true", "✓"))


@given(st.text(max_size=80), st.data())
@sampled(80, of=500)
def test_any_text_between_blanks_stands_in_itself(text: str, data: st.DataObject) -> None:
    """Whatever a text is made of, a quote of it is found or refused, never an error, and its span lies inside of it."""
    whole = f"x {text} y"
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    found = found_in(whole, whole[start:end])
    assert found.start is None or 0 <= found.start < (found.end or 0) <= len(whole)
    assert found_in(whole, whole).stands


ODD_WORDS = ["don't", "re-sign", "1,5", "ﬁn", "e\u0301", "—", "“a”", "\n", "no", "中文", "อย่า"]


@given(st.lists(st.sampled_from(ODD_WORDS), min_size=1))
@sampled(80, of=500)
def test_folding_twice_finds_the_same_place(words: list[str]) -> None:
    """What is shown of a found quote is found again at the same place."""
    text = "begin " + " ".join(words) + " end"
    found = found_in(text, " ".join(words))
    if found.start is not None:
        again = found_in(text, text[found.start : found.end])
        assert (again.start, again.end) == (found.start, found.end)
