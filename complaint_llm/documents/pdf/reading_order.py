"""The order in which a person reads what stands on a page: columns one after the other, tables row by row.

Pure geometry: no PDF is needed. Places are in points, x to the right and y downwards.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple


class Fragment(NamedTuple):
    """A piece of one line: its text and the box around it."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return self.bottom - self.top


class DrawnLine(NamedTuple):
    """A horizontal line that is drawn on the page."""

    y: float
    left: float
    right: float


class _Gutter(NamedTuple):
    """White space between two columns, and the four parts of the page that it makes."""

    above: Sequence[Fragment]
    left: Sequence[Fragment]
    right: Sequence[Fragment]
    below: Sequence[Fragment]

    @property
    def weight(self) -> int:
        return min(len(self.left), len(self.right))


_FEWEST_LINES = 3
"""Of a column."""
_COLUMN_CHARACTERS = 15
"""Characters of a line of a column on average; a table's cells have fewer."""
_COLUMN_FILL = 0.55
"""Width of the usual line of a column, of the column's width."""
_MOST_EDGES = 24
"""Places at which a column may begin that are tried."""
_DEPTH = 6
_FREE_LINE = 1.6
"""Of the usual step from line to line: past it, a line is left free."""
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LTR = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u052f]")


def page_text(fragments: Sequence[Fragment], drawn_lines: Sequence[DrawnLine] = ()) -> str:
    """The text of a page: a line for each line, a blank line where more than a line is left free, tabs between
    cells."""
    rows = list(_ordered_rows(fragments, drawn_lines, 0))
    if not rows:
        return ""
    middles = [sum(each.middle for each in row) / len(row) for row in rows]
    steps = [after - before for before, after in pairwise(middles)]
    usual = median([step for step in steps if step > 0] or [0.0])
    text = ""
    for row, step in zip(rows, [0.0, *steps], strict=True):
        free = "\n" if step > _FREE_LINE * usual else ""
        text += f"{free}{_row_text(row)}\n"
    return text.removesuffix("\n")


def _ordered_rows(
    fragments: Sequence[Fragment], drawn_lines: Sequence[DrawnLine], depth: int
) -> Iterator[Sequence[Fragment]]:
    gutter = _best_gutter(fragments, drawn_lines) if depth < _DEPTH else None
    if gutter is None:
        yield from _rows_of_tables(fragments, drawn_lines)
        return
    parts = (gutter.right, gutter.left) if _is_rtl(fragments) else (gutter.left, gutter.right)
    for part in (gutter.above, *parts, gutter.below):
        if part:
            yield from _ordered_rows(part, drawn_lines, depth + 1)


def _rows(fragments: Sequence[Fragment]) -> list[list[Fragment]]:
    """Fragments that stand beside one another, from top to bottom."""
    rows: list[list[Fragment]] = []
    for fragment in sorted(fragments, key=lambda each: (each.middle, each.left)):
        if rows:
            first = rows[-1][0]
            common = min(first.bottom, fragment.bottom) - max(first.top, fragment.top)
            if common > 0.5 * min(first.height, fragment.height):
                rows[-1].append(fragment)
                continue
        rows.append([fragment])
    return rows


def _rows_of_tables(fragments: Sequence[Fragment], drawn_lines: Sequence[DrawnLine]) -> Iterator[Sequence[Fragment]]:
    """Rows; between the drawn lines of a table cell by cell, where a cell has several lines."""
    lines = _lines_across(fragments, drawn_lines)
    bands: dict[int, list[Fragment]] = {}
    for each in fragments:
        bands.setdefault(bisect_left(lines, each.middle), []).append(each)
    for number in sorted(bands):
        band = bands[number]
        cells = _cells(band) if 0 < number < len(lines) else [band]
        if len(cells) > 1 and any(len(_rows(cell)) > 1 for cell in cells):
            for cell in reversed(cells) if _is_rtl(band) else cells:
                yield from _rows(cell)
        else:
            yield from _rows(band)


def _lines_across(fragments: Sequence[Fragment], drawn_lines: Sequence[DrawnLine]) -> list[float]:
    """Where lines are drawn across the table that these fragments are in, from top to bottom."""
    if len(drawn_lines) < 2 or not fragments:
        return []
    widths: dict[int, float] = {}
    for each_line in drawn_lines:
        widths[round(each_line.y / 2)] = widths.get(round(each_line.y / 2), 0.0) + each_line.right - each_line.left
    box = _box_of(fragments)
    return sorted(y * 2.0 for y, width in widths.items() if width > 0.5 * (box.right - box.left))


def _cells(band: Sequence[Fragment]) -> list[list[Fragment]]:
    """Fragments that stand over one another, from left to right."""
    cells: list[list[Fragment]] = []
    right = 0.0
    for each in sorted(band, key=lambda each: each.left):
        if cells and each.left < right:
            cells[-1].append(each)
        else:
            cells.append([each])
            right = each.right
        right = max(right, each.right)
    return cells


def _row_text(row: Sequence[Fragment]) -> str:
    rtl = _is_rtl(row)
    ordered = sorted(row, key=lambda each: -each.right if rtl else each.left)
    text = ordered[0].text.strip(" ")
    for before, after in pairwise(ordered):
        gap = before.left - after.right if rtl else after.left - before.right
        wide = gap > 1.5 * min(before.height, after.height)
        text += ("\t" if wide else " ") + after.text.strip(" ")
    return text


def _box_of(row: Sequence[Fragment]) -> Fragment:
    return Fragment(
        text="",
        left=min(each.left for each in row),
        top=min(each.top for each in row),
        right=max(each.right for each in row),
        bottom=max(each.bottom for each in row),
    )


def _is_rtl(fragments: Sequence[Fragment]) -> bool:
    """Whether most letters are of scripts that run from right to left."""
    if not any(_RTL.search(each.text) for each in fragments if not each.text.isascii()):
        return False
    text = "".join(each.text for each in fragments)
    return len(_RTL.findall(text)) > len(_LTR.findall(text))


def _best_gutter(fragments: Sequence[Fragment], drawn_lines: Sequence[DrawnLine]) -> _Gutter | None:
    """The gutter between the longest columns; None where there are no columns."""
    if len(fragments) < 2 * _FEWEST_LINES:
        return None
    height = median(each.height for each in fragments)
    edges = Counter(round(each.left / 2) * 2 for each in fragments)
    edges.update(round(each.left / 2) * 2 for each in fragments if each.right - each.left > 10 * height)
    found: _Gutter | None = None
    for edge, count in edges.most_common(_MOST_EDGES):
        if count < 2:
            break
        for gutter in _gutters_at(edge - 1.5, 0.7 * height, fragments):
            if (found is None or gutter.weight > found.weight) and _are_columns(gutter, drawn_lines):
                found = gutter
    return found


def _gutters_at(edge: float, width: float, fragments: Sequence[Fragment]) -> Iterator[_Gutter]:
    """The gutters of this width that end at ``edge``, each between the lines that cross it."""
    crossing = sorted(each.middle for each in fragments if each.left < edge and each.right > edge - width)
    runs: dict[int, list[Fragment]] = {}
    for each in fragments:
        if not (each.left < edge and each.right > edge - width):
            runs.setdefault(bisect_left(crossing, each.middle), []).append(each)
    for beside in runs.values():
        if len(beside) < 2 * _FEWEST_LINES:
            continue
        beside = _without_strays(beside)
        left = [each for each in beside if each.right <= edge]
        right = [each for each in beside if each.left >= edge]
        if min(len(left), len(right)) < _FEWEST_LINES or not beside:
            continue
        top, bottom = min(each.middle for each in beside), max(each.middle for each in beside)
        yield _Gutter(
            above=[each for each in fragments if each.middle < top],
            left=left,
            right=right,
            below=[each for each in fragments if each.middle > bottom],
        )


def _without_strays(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Without what stands apart above and below: headers, footers, page numbers."""
    rows = _rows(fragments)
    height = median(each.height for each in fragments)

    def is_apart(row: Sequence[Fragment], other: Sequence[Fragment]) -> bool:
        first, second = _box_of(row), _box_of(other)
        return max(second.top - first.bottom, first.top - second.bottom) > 1.6 * height

    while len(rows) > 1 and is_apart(rows[0], rows[1]):
        rows = rows[1:]
    while len(rows) > 1 and is_apart(rows[-1], rows[-2]):
        rows = rows[:-1]
    return [each for row in rows for each in row]


def _are_columns(gutter: _Gutter, drawn_lines: Sequence[DrawnLine]) -> bool:
    """Whether the two sides are columns of running text, and not cells of a table."""
    left, right = _box_of(gutter.left), _box_of(gutter.right)
    common = min(left.bottom, right.bottom) - max(left.top, right.top)
    if common < 0.5 * min(left.height, right.height):
        return False
    across = {
        round(each_line.y)
        for each_line in drawn_lines
        if each_line.left < left.right
        and each_line.right > right.left
        and min(left.top, right.top) < each_line.y < max(left.bottom, right.bottom)
    }
    if len(across) >= 2:
        return False
    return _is_running_text(gutter.left, left) and _is_running_text(gutter.right, right)


def _is_running_text(fragments: Sequence[Fragment], box: Fragment) -> bool:
    rows = _rows(fragments)
    characters = sum(len(each.text) for each in fragments) / len(rows)
    usual = median(_box_of(row).right - _box_of(row).left for row in rows)
    return characters >= _COLUMN_CHARACTERS and usual >= _COLUMN_FILL * (box.right - box.left)


__all__ = ["DrawnLine", "Fragment", "page_text"]
