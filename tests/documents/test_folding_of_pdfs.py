"""What PDFium makes of line ends, ligatures and joined letters is found by the words that the page shows."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.checks.quote_search import find_quote
from complaint_llm.documents.kinds import PDF
from complaint_llm.documents.reading import DocumentReaders
from complaint_llm.documents.searchable import searchable_text
from tests.documents.generator.pdfs import DEJAVU, draw, font
from tests.documents.generator.typesetting import Line


@functools.cache
def pdf_of(lines: tuple[str, ...], right_to_left: bool) -> bytes:
    """A page with these lines under one another."""
    set_lines = [Line(1, 72.0, 760.0 - 14.0 * number, 400.0, text) for number, text in enumerate(lines)]
    return draw(set_lines, font(DEJAVU), right_to_left=right_to_left)


@pytest.fixture(scope="module")
def readers() -> Iterator[DocumentReaders]:
    made = DocumentReaders()
    yield made
    made.close()


def state(readers: DocumentReaders, lines: tuple[str, ...], quote: str, right_to_left: bool = False) -> str:
    data = pdf_of(lines, right_to_left)
    document = readers.read(data, PDF, "a.pdf", deadline=Deadline(60.0), cancel=CancelToken())
    return find_quote(quote, [searchable_text(document, "a")]).state


STANDS = [
    (("he was the land-", "lord of this house"), "he was the landlord of this"),
    (("the non-", "payment of my rent"), "the non-payment of my rent"),
    (("a twelve-month", "lease of this house"), "a twelve-month lease of this"),
    (("we lived there 1990-", "1995 with our children"), "there 1990-1995 with our"),
    (("he came at night -", "late that same night"), "came at night - late that"),
    (("he came at night \u2013", "late that same night"), "came at night \u2013 late that"),
    (("he came at night \u2014", "late that same night"), "came at night - late that"),
    (("the of\ufb01ce was \ufb02ooded", "and no \ufb01re burned"), "the office was flooded and no fire"),
    (("the a\ufb00air was di\ufb03cult", "and the wa\ufb04e too"), "the affair was difficult and the waffle"),
    (("\u201che paid\u201d she wrote", "to me last year"), '"he paid" she wrote to'),
    (("he paid\u00a0me $1,400", "last year in May"), "he paid me $1,400 last"),
    (("the ca\u0301fe was cold", "and dark that day"), "the c\u00e1fe was cold and"),
    (("se\u00f1ora Nwosu-", "Hart wrote to him"), "se\u00f1ora Nwosu-Hart wrote to"),
    (("the soft\u00adware was", "not paid for at all"), "the software was not paid"),
]


@pytest.mark.rows(2)
@pytest.mark.parametrize(("lines", "quote"), STANDS)
def test_a_line_end_or_a_ligature_hides_no_quote(lines: tuple[str, ...], quote: str, readers: DocumentReaders) -> None:
    """Words broken by a hyphen, hyphens that are meant, dashes, ligatures, accents of two characters."""
    assert state(readers, lines, quote) in ("verbatim", "normalised")


IN_ARABIC = [
    (("السلام عليكم ورحمة الله",), "السلام عليكم ورحمة الله"),
    (("لا أحد من الأولاد الآن",), "لا أحد من الأولاد الآن"),
    (("إلا أن الإيجار لأشهر",), "إلا أن الإيجار لأشهر"),
    (("ملاك البيت بلا تدفئة", "في الأسبوع الأول"), "بلا تدفئة في الأسبوع"),
    (("دفعت $1,400 لا أكثر",), "دفعت $1,400 لا أكثر"),
    (("قال: لا حاجة للإصلاح.",), "قال: لا حاجة للإصلاح."),
]


@pytest.mark.rows(4)
@pytest.mark.parametrize(("lines", "quote"), IN_ARABIC)
def test_joined_arabic_is_found_by_its_letters(lines: tuple[str, ...], quote: str, readers: DocumentReaders) -> None:
    """Presentation forms, and lam with alef, which are one glyph."""
    assert state(readers, lines, quote, right_to_left=True) in ("verbatim", "normalised")


DIFFERS = [
    (("he was the land-", "lord of this house"), "he was the land lord of"),
    (("the non-", "payment of my rent"), "payment of my rent"),
    (("we lived there 1990-", "1995 with our children"), "there 19901995 with our"),
    (("it was \u22125 degrees inside", "all of the winter"), "it was -5 degrees inside"),
    (("the rent was $1,400", "a month from May"), "the rent was $1400 a"),
    (("he did not pay", "me at all then"), "he did pay me"),
    (("the area is 20 m\u00b2", "and the rent is due"), "area is 20 m2 and"),
    (("we don\u2019t owe him", "any money at all"), "we don't owe him"),
    (("a twelve-month", "lease of this house"), "a twelvemonth lease of"),
    (("signed by \u0391lex in", "the office that day"), "signed by Alex in the"),
]


@pytest.mark.rows(4)
@pytest.mark.parametrize(("lines", "quote"), DIFFERS)
def test_what_the_page_does_not_say_is_not_found(lines: tuple[str, ...], quote: str, readers: DocumentReaders) -> None:
    """Joined numbers, signs, cut words, look-alikes."""
    assert state(readers, lines, quote) == "not_found"
