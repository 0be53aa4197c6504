"""The lines of a page as PDFium makes them, cut where they run over a gap, with the box around each piece."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_double
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from complaint_llm.documents.pdf.reading_order import Fragment
from complaint_llm.documents.pdf.right_to_left import Sign, logical_line, runs_right_to_left
from complaint_llm.documents.readers.unreadable import UnreadableError

_LINE = re.compile("[^\r\n\x02\ufffe]+[\x02\ufffe]?")
_GAP = 1.0
"""In heights of a line: wider than a blank, it is space between columns or cells."""
_WIDE = 0.62
"""Width of a character in heights of the line, on average, past which a gap is looked for inside of a piece."""
_MOST_CHARACTERS = 5_000_000
"""Of one page."""
_ALEFS = "\u0622\u0623\u0625\u0627"
_LAM = "\u0644"
_HALVES = re.compile("[\ud800-\udfff]")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


@contextmanager
def open_text(page: Any) -> Iterator[Any]:
    """PDFium's text of a page as it is now. Raises UnreadableError."""
    text = pdfium.FPDFText_LoadPage(page)
    if not text:
        raise UnreadableError("is damaged: the text of a page cannot be read")
    try:
        yield text
    finally:
        pdfium.FPDFText_ClosePage(text)


def fragments_of(page: Any) -> list[Fragment]:
    """The pieces of all lines of a page, in PDFium's order. Raises UnreadableError."""
    with open_text(page) as text:
        count = pdfium.FPDFText_CountChars(text)
        if count > _MOST_CHARACTERS:
            raise UnreadableError(f"has a page with more than {_MOST_CHARACTERS:,} characters")
        if count <= 0:
            return []
        units = _units(text, count)
        same_places = len(units) == count
        found: list[Fragment] = []
        for line in _LINE.finditer(units):
            if not line[0].strip():
                continue
            start = line.start() if same_places else pdfium.FPDFText_GetCharIndexFromTextIndex(text, line.start())
            if start >= 0:
                found.extend(_pieces(text, line[0], start))
        return found


class _Character(NamedTuple):
    place: int
    left: float
    top: float
    right: float
    bottom: float


def _units(text: Any, count: int) -> str:
    """The text, a character for each UTF-16 unit."""
    buffer = (ctypes.c_ushort * (count * 2 + 2))()
    written = pdfium.FPDFText_GetText(text, 0, count, buffer)
    units = buffer[: max(0, written - 1)]
    joined = bytes(buffer)[: 2 * len(units)].decode("utf-16-le", "surrogatepass")
    return joined if len(joined) == len(units) else "".join(map(chr, units))


def _pieces(text: Any, line: str, start: int) -> Iterator[Fragment]:
    boxes = _rectangles(text, start, len(line))
    if not boxes:
        return
    left, top, right, bottom = boxes[0][1:]
    height = bottom - top
    for box in boxes[1:]:
        height = max(height, box.bottom - box.top)
        left, top = min(left, box.left), min(top, box.top)
        right, bottom = max(right, box.right), max(bottom, box.bottom)
    has_gap = right - left > _WIDE * height * len(line) or bottom - top > 2.2 * height or _have_gap(boxes, height)
    if _RTL.search(line):
        line = _with_lam_alef(text, line, start)
        if not has_gap and runs_right_to_left(line):
            found = _characters(text, line, start)
            signs = [Sign(line[each.place], each.left, each.right) for each in found]
            line = logical_line(signs, max((each.bottom - each.top for each in found), default=height))
    if not has_gap or height <= 0:
        yield Fragment(text=_clean(line), left=left, top=top, right=right, bottom=bottom)
        return
    yield from _cut(line, _characters(text, line, start), height)


def _rectangles(text: Any, start: int, count: int) -> list[_Character]:
    left, top, right, bottom = c_double(), c_double(), c_double(), c_double()
    return [
        _Character(place=place, left=left.value, top=-top.value, right=right.value, bottom=-bottom.value)
        for place in range(pdfium.FPDFText_CountRects(text, start, count))
        if pdfium.FPDFText_GetRect(text, place, left, top, right, bottom)
    ]


def _have_gap(boxes: Sequence[_Character], height: float) -> bool:
    if len(boxes) < 2:
        return False
    end = None
    for box in sorted(boxes, key=lambda box: box.left):
        if end is not None and box.left - end > _GAP * height:
            return True
        end = box.right if end is None else max(end, box.right)
    return False


def _characters(text: Any, line: str, start: int) -> list[_Character]:
    """The boxes of all characters that are not blank."""
    box = pdfium.FS_RECTF()
    found = []
    for place, sign in enumerate(line):
        if sign.isspace() or not pdfium.FPDFText_GetLooseCharBox(text, start + place, box):
            continue
        found.append(_Character(place=place, left=box.left, top=-box.top, right=box.right, bottom=-box.bottom))
    return found


def _cut(line: str, characters: Sequence[_Character], height: float) -> Iterator[Fragment]:
    """The pieces of a line between gaps; inside of a piece the characters keep their order, and blanks theirs."""
    piece_of: dict[int, int] = {}
    pieces: list[list[_Character]] = []
    for level in _levels(characters, height):
        end = None
        for each in sorted(level, key=lambda each: each.left):
            if end is None or each.left - end > _GAP * height:
                pieces.append([])
                end = each.right
            end = max(end, each.right)
            pieces[-1].append(each)
            piece_of[each.place] = len(pieces) - 1
    texts = [""] * len(pieces)
    before, blanks = -1, ""
    for place, sign in enumerate(line):
        piece = piece_of.get(place, -1)
        if piece < 0:
            blanks += sign
            continue
        texts[piece] += (blanks if piece == before else "") + sign
        before, blanks = piece, ""
    if before >= 0 and blanks.strip():
        texts[before] += blanks.strip(" ")
    for number, members in enumerate(pieces):
        yield Fragment(
            text=_clean(texts[number]),
            left=min(each.left for each in members),
            top=min(each.top for each in members),
            right=max(each.right for each in members),
            bottom=max(each.bottom for each in members),
        )


def _levels(characters: Sequence[_Character], height: float) -> list[list[_Character]]:
    """Characters by the line that they stand on, where PDFium took several lines for one."""
    levels: list[list[_Character]] = []
    for each in sorted(characters, key=lambda each: each.top + each.bottom):
        middle = (each.top + each.bottom) / 2
        if levels and middle - (levels[-1][0].top + levels[-1][0].bottom) / 2 < 0.7 * height:
            levels[-1].append(each)
        else:
            levels.append([each])
    return levels


def _with_lam_alef(text: Any, line: str, start: int) -> str:
    """With lam before alef where one glyph is both: PDFium turns round what a glyph says in a line from the right."""
    signs = list(line)
    for place in range(len(signs) - 1):
        if (
            signs[place] in _ALEFS
            and signs[place + 1] == _LAM
            and _origin(text, start + place) == _origin(text, start + place + 1)
        ):
            signs[place], signs[place + 1] = signs[place + 1], signs[place]
    return "".join(signs)


def _origin(text: Any, place: int) -> tuple[float, float] | None:
    x, y = c_double(), c_double()
    return (x.value, y.value) if pdfium.FPDFText_GetCharOrigin(text, place, x, y) else None


def _clean(units: str) -> str:
    """Units joined to characters, without NUL."""
    if _HALVES.search(units):
        units = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return units.replace("\0", "")
