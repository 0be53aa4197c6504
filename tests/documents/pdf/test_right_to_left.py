"""Lines from the right: what another bidirectional algorithm lays out is put back in the order of its writing."""

from __future__ import annotations

import random

import pytest
from bidi import get_display
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.documents.pdf.right_to_left import Sign, logical_line, runs_right_to_left
from tests.documents.generator.generated import paragraph
from tests.sampled import sampled


def laid_out(line: str, before: str = "") -> list[Sign]:
    """The letters of a line by their places, after a paragraph's letter ``before``, as a page has them."""
    shown = str(get_display(f"{before}{line}", base_dir="R"))
    shown = shown[: len(shown) - len(before)]
    return [Sign(each, float(place), place + 1.0) for place, each in enumerate(shown) if each != " "]


def read_back(line: str, before: str = "") -> str:
    signs = laid_out(line, before)
    random.Random(1).shuffle(signs)
    return logical_line(signs, height=4.0)


HEBREW_LINES = [
    "בעל הבית ניתק את החשמל",
    "שילמתי $1,400 בקיץ",
    "ביום 2026-08-21 בבוקר",
    "ביום 8/24/26 בשעה 11:00 בבוקר",
    "ריבית של 9.5% על החוב",
    "מר Nwosu-Hart, גר כאן",
    "הבית של Dale Strand 350 ישן",
    "קיבלתי 350; Dale אמר לא",
    "הוא אמר: לא.",
    "לא (שילם) על הבית",
    "כתב ‎O'Brien אליו".replace("\u200e", ""),
    "חדר 12 14 16 ריק",
    "Dale כתב move-out",
]


@pytest.mark.parametrize("line", HEBREW_LINES)
def test_hebrew_with_numbers_and_names_is_put_in_order(line: str) -> None:
    assert read_back(line, before="ה") == line


ARABIC_LINES = [
    "قال المالك إن التدفئة ستعود",
    "دفعت $1,400 في الصيف",
    "يوم 2026-08-21 صباحا",
    "يوم 8/24/26 الساعة 11:00 صباحا",
    "فائدة 9.5% على الدين",
    "السيد Nwosu-Hart, هنا",
    "بيت Dale Strand 350 قديم",
    "دفع $17.50; Dale قال لا",
    "قال: لا.",
    "لم (يدفع) للبيت",
    "رقم 12 14 16 خال",
    "٣٥٠ درهم في ٢٠٢٥",
    "Dale كتب move-out",
]


@pytest.mark.parametrize("line", ARABIC_LINES)
def test_arabic_with_numbers_and_names_is_put_in_order(line: str) -> None:
    assert read_back(line, before="ا") == line


@given(st.integers(0, 10_000), st.sampled_from(["hebrew", "arabic"]))
@sampled(60, of=1_000)
def test_lines_of_the_corpus_are_put_in_order(seed: int, language: str) -> None:
    """Whatever stands beside each other, but for a number before a Latin word, which nobody could tell."""
    line = " ".join(paragraph(random.Random(seed), language)[:9])
    if runs_right_to_left(line) and line[-1] not in ";:,.":
        assert read_back(line, before="ה" if language == "hebrew" else "ا") == line


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), max_size=30), st.data())
@sampled(60, of=1_000)
def test_no_letter_is_lost_or_made(text: str, data: st.DataObject) -> None:
    """Brackets may be turned round, blanks be added; whatever a page holds and wherever."""
    places = [data.draw(st.floats(-100, 100)) for _ in text]
    signs = [Sign(each, place, place + 5.0) for each, place in zip(text, places, strict=True)]
    turned = str.maketrans(")]}>»", "([{<«")
    found = logical_line(signs, height=10.0).replace(" ", "").translate(turned)
    assert sorted(found) == sorted(text.translate(turned))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("בעל הבית", True),
        ("قال Dale", True),
        ("the word בית stands here", False),
        ("350 $82", False),
        ("", False),
        ("Dale Strand בעל הבית שלא", True),
    ],
)
def test_a_line_of_another_script_is_left_alone(line: str, expected: bool) -> None:
    """An English sentence with a Hebrew word runs from the left."""
    assert runs_right_to_left(line) is expected
