"""What is read in a PDF: the order of a person, what is hidden, fields, images of pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.documents.pdf_pages import joined, line, page
from tests.documents.tiny_pdf import mapped_font, pdf, text
from tests.sampled import sampled


def block(first: int, count: int, x: float, y: float) -> list[bytes]:
    return [text(line(first + each), x, y - 14 * each) for each in range(count)]


def across(left: list[bytes], right: list[bytes]) -> list[bytes]:
    return [piece for pair in zip(left, right, strict=True) for piece in pair]


HEADER, FOOTER = [text("Case 17 of 2026", 60, 770)], [text("Page 1", 290, 30)]
LEFT, RIGHT = block(0, 12, 60, 700), block(100, 12, 330, 700)
IN_COLUMNS = ["Case 17 of 2026", *map(line, range(12)), *map(line, range(100, 112)), "Page 1"]


@pytest.mark.parametrize(
    "content",
    [
        joined(HEADER, LEFT, RIGHT, FOOTER),
        joined(HEADER, RIGHT, LEFT, FOOTER),
        joined(FOOTER, HEADER, LEFT, RIGHT),
        joined(HEADER, across(LEFT, RIGHT), FOOTER),
        joined(HEADER, across(RIGHT, LEFT), FOOTER),
        joined(FOOTER, across(LEFT, RIGHT), HEADER),
        joined(HEADER, LEFT[::-1], RIGHT[::-1], FOOTER),
        joined(RIGHT[::2], LEFT[::2], HEADER, LEFT[1::2], RIGHT[1::2], FOOTER),
        joined(HEADER, LEFT[6:], RIGHT[6:], FOOTER, LEFT[:6], RIGHT[:6]),
        joined([each.replace(b"ET", b"ET q Q") for each in across(LEFT, RIGHT)], HEADER, FOOTER),
        joined(HEADER, [piece.replace(b" Tj", b" Tj 0 0 Td () Tj") for piece in across(LEFT, RIGHT)], FOOTER),
    ],
)
def test_columns_are_read_one_after_the_other_however_they_are_drawn(content: bytes) -> None:
    """Header, left column, right column, footer."""
    assert [each for each in page(pdf(content)).text.split("\n") if each] == IN_COLUMNS


@given(st.permutations(range(24)))
@sampled(10, of=200)
def test_the_order_of_drawing_is_not_the_order_of_reading(order: list[int]) -> None:
    """Any order of the same lines reads the same."""
    pieces = [*LEFT, *RIGHT]
    found = page(pdf(joined(HEADER, [pieces[each] for each in order], FOOTER))).text
    assert [each for each in found.split("\n") if each] == IN_COLUMNS


def test_three_columns_and_a_heading_between_columns() -> None:
    """Each part by itself, from top to bottom."""
    three = [[text(line(n * 50 + each, 3), 50 + 180 * n, 700 - 14 * each) for each in range(8)] for n in range(3)]
    found = page(pdf(joined(*three))).text.split("\n")
    assert found == [line(n * 50 + each, 3) for n in range(3) for each in range(8)]
    heading = [text("A heading that runs over the page from the left to the right and parts it " * 1, 60, 520, 14)]
    two = joined(block(0, 8, 60, 700), block(20, 8, 330, 700), heading, block(40, 8, 60, 480), block(60, 8, 330, 480))
    found = [each for each in page(pdf(two)).text.split("\n") if each]
    assert found[:8] == [line(each) for each in range(8)]
    assert found[8:16] == [line(each) for each in range(20, 28)]
    assert found[16].startswith("A heading")
    assert found[17:] == [line(each) for each in (*range(40, 48), *range(60, 68))]


ROWS = [("Month", "Rent", "Paid", "Balance")] + [(f"Month {n}", f"${n},200.00", "yes", f"${n}.00") for n in range(9)]
CELLS = [
    [text(cell, x, 700 - 18 * n) for cell, x in zip(row, (60, 200, 300, 400), strict=True)]
    for n, row in enumerate(ROWS)
]


@pytest.mark.parametrize(
    "content",
    [
        joined(*CELLS),
        joined(*([row[column] for row in CELLS] for column in range(4))),
        joined(*([row[column] for row in CELLS] for column in (3, 1, 0, 2))),
        joined(*CELLS[::-1]),
        joined(*(row[::-1] for row in CELLS)),
        joined(*CELLS, [b"50 %d 500 0.5 re f " % (712 - 18 * n) for n in range(11)]),
        joined([b"50 %d 500 18 re S " % (694 - 18 * n) for n in range(10)], *CELLS),
    ],
)
def test_tables_are_read_row_by_row_however_they_are_drawn(content: bytes) -> None:
    """Cells of a row stand in one line, with tabs between."""
    assert page(pdf(content)).text.split("\n") == ["\t".join(row) for row in ROWS]


def test_a_cell_of_several_lines_stays_together_between_drawn_lines() -> None:
    """So a sentence in it can be quoted."""
    lines = [b"50 %d 500 0.5 re f " % y for y in (720, 660, 600)]
    cells = [
        *(text(words, 60, 705 - 14 * n) for n, words in enumerate(("the heat was", "off in May"))),
        *(text(words, 300, 705 - 14 * n) for n, words in enumerate(("he wrote to", "the court"))),
        text("second row", 60, 640),
        text("alone", 300, 640),
    ]
    found = [each for each in page(pdf(joined(lines, cells))).text.split("\n") if each]
    assert found == ["the heat was", "off in May", "he wrote to", "the court", "second row\talone"]


@pytest.mark.parametrize(
    "turn", ["1 0 0 1 0 0", "0 1 -1 0 612 0", "-1 0 0 -1 612 792", "0 -1 1 0 0 792", ".7 .7 -.7 .7 300 0"]
)
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_turned_text_is_read_along_its_lines(turn: str, rotate: int) -> None:
    """Whatever the page's rotation and the text's are."""
    lines = [text(line(each, 4), 60, 400 - 14 * each) for each in range(8)]
    content = f"q {turn} cm ".encode() + joined(lines) + b" Q"
    found = page(pdf(content, entries=b"/Rotate %d" % rotate, media_box=(-900, -900, 1900, 1900))).text
    assert found.split("\n") == [line(each, 4) for each in range(8)]


def test_text_of_several_directions_comes_one_after_the_other() -> None:
    """That of most lines first; a stamp at the margin does not cut into it."""
    stamp = b"q 0 1 -1 0 40 300 cm " + text("EXHIBIT A", 0, 0) + b"Q "
    mark = b"q .7 .7 -.7 .7 200 200 cm " + text("DRAFT COPY", 0, 0, 40) + b"Q "
    found = page(pdf(stamp + mark + joined(block(0, 10, 60, 700)))).text.split("\n\n")
    assert found[0].split("\n") == [line(each) for each in range(10)]
    assert sorted(found[1:]) == ["DRAFT COPY", "EXHIBIT A"]


HEBREW = {chr(ord("A") + n): chr(0x5D0 + n) for n in range(26)}
ARABIC = {
    "A": "\u0644\u0627",
    "B": "\u0644\u0625",
    "C": "\u0628",
    "D": "\u064a",
    "E": "\u062c",
    "F": "\u0648",
    "G": "\u0632",
}


@pytest.mark.parametrize(
    ("letters", "drawn", "expected"),
    [
        (HEBREW, "AB CD", "\u05d3\u05d2 \u05d1\u05d0"),
        (HEBREW, "(A) 123 B", "\u05d1 123 (\u05d0)"),
        (HEBREW, "ABCDEFGH IJKL", "\u05db\u05da\u05d9\u05d8 \u05d7\u05d6\u05d5\u05d4\u05d3\u05d2\u05d1\u05d0"),
        (ARABIC, "GFED A", "\u0644\u0627 \u064a\u062c\u0648\u0632"),
        (ARABIC, "CAC", "\u0628\u0644\u0627\u0628"),
        (ARABIC, "CBC", "\u0628\u0644\u0625\u0628"),
        (ARABIC, "AA CC", "\u0628\u0628 \u0644\u0627\u0644\u0627"),
        (ARABIC, "BC", "\u0628\u0644\u0625"),
        (ARABIC, "CB", "\u0644\u0625\u0628"),
        (ARABIC, "DABC", "\u0628\u0644\u0625\u0644\u0627\u064a"),
    ],
)
def test_lines_from_the_right_are_read_from_the_right(letters: dict[str, str], drawn: str, expected: str) -> None:
    """What a shaped line draws from left to right; a glyph that is lam and alef says lam first."""
    content = text("x", 60, 700, font="F1") + text(drawn, 60, 650, font="F2")
    assert page(pdf(content, objects=mapped_font(letters))).text.split("\n")[-1] == expected


@pytest.mark.parametrize("letter", ["fi", "ffi", "fl", "\ufb01", "\ufb03", "\u00e9", "\u00df", "\u20ac"])
def test_ligatures_and_signs_of_a_font_are_read_as_it_maps_them(letter: str) -> None:
    """A ligature is its letters, or the ligature itself, which quotes fold."""
    found = page(
        pdf(
            text("oQ ce", 60, 700, font="F2"),
            objects=mapped_font({"o": "o", "Q": letter, "c": "c", "e": "e", " ": " "}),
        )
    )
    assert found.text.replace("\ufb01", "fi").replace("\ufb03", "ffi") == f"o{letter} ce".replace(
        "\ufb01", "fi"
    ).replace("\ufb03", "ffi")


def test_a_hyphen_at_a_line_end_is_kept_for_those_who_fold_it() -> None:
    """As a mark before the line break, or as the hyphen that it is."""
    found = page(pdf(text("all infor-", 60, 700) + text("mation of 1990-", 60, 686) + text("1995", 60, 672))).text
    first, second, third = found.split("\n")
    assert first in ("all infor\x02", "all infor\ufffe", "all infor-")
    assert second.startswith("mation of 1990")
    assert third == "1995"
