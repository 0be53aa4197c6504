"""A text in lines and segments, each with the quotes that stand over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

SHOWN_WHOLE = 20_000
"""Bytes of UTF-8 up to which a text is shown whole; of a longer one, the passages around its quotes."""
_AROUND = 400
"""Characters shown before and after a quote of a text that is not shown whole."""


class Span(NamedTuple):
    """Where a quote stands: characters of the text, as a slice. ``number`` is the quote's."""

    number: int
    start: int
    end: int
    weak: bool = False


class Segment(NamedTuple):
    """A run of characters over which the same quotes stand."""

    text: str
    quotes: tuple[int, ...] = ()
    begins: tuple[int, ...] = ()
    """The quotes whose first character this run begins with."""
    weak: bool = False
    """Whether none but weak quotes stand here."""


class TextLine(NamedTuple):
    """A line of the text, or a gap where ``skipped`` characters are not shown."""

    segments: tuple[Segment, ...]
    skipped: int = 0


def marked_lines(text: str, spans: Sequence[Span]) -> tuple[TextLine, ...]:
    """The text in lines, each in segments; overlapping quotes share segments.

    Spans outside of the text, or empty ones, are left out. Of a text over SHOWN_WHOLE, passages around the quotes.
    """
    return marked_parts(text, [(0, len(text))], spans)[0]


def marked_parts(
    text: str, parts: Sequence[tuple[int, int]], spans: Sequence[Span]
) -> tuple[tuple[TextLine, ...], ...]:
    """The lines of each part of a text, such as a page: its start and end in the text, in their order."""
    spans = [span for span in spans if 0 <= span.start < span.end <= len(text)]
    passages = _passages(text, spans)
    return tuple(tuple(_lines_of_part(text, part, passages, spans)) for part in parts)


def _lines_of_part(
    text: str, part: tuple[int, int], passages: Sequence[tuple[int, int]], spans: Sequence[Span]
) -> Iterator[TextLine]:
    shown = part[0]
    for passage in passages:
        start, end = max(passage[0], part[0]), min(passage[1], part[1])
        if start > end or (start == end and part[0] < part[1]):
            continue
        if start > shown:
            yield TextLine((), start - shown)
        yield from _lines(text, start, end, [span for span in spans if span.start < end and span.end > start])
        shown = end
    if shown < part[1]:
        yield TextLine((), part[1] - shown)


def _passages(text: str, spans: Sequence[Span]) -> list[tuple[int, int]]:
    if len(text.encode("utf-8", "surrogatepass")) <= SHOWN_WHOLE:
        return [(0, len(text))]
    passages: list[tuple[int, int]] = []
    for start, end in sorted((_back(text, span.start), _forward(text, span.end)) for span in spans):
        if passages and start <= passages[-1][1]:
            passages[-1] = (passages[-1][0], max(end, passages[-1][1]))
        else:
            passages.append((start, end))
    # Without a quote, the beginning: a reader must see what kind of text it is.
    return passages or [(0, _forward(text, 4 * _AROUND))]


def _back(text: str, place: int) -> int:
    """Where a passage around ``place`` begins: at a line or a word."""
    wanted = max(0, place - _AROUND)
    if wanted == 0:
        return 0
    line, space = text.rfind("\n", wanted, place), text.find(" ", wanted, place)
    return line + 1 if line >= 0 else space + 1 if space >= 0 else wanted


def _forward(text: str, place: int) -> int:
    wanted = min(len(text), place + _AROUND)
    if wanted == len(text):
        return wanted
    line, space = text.find("\n", place, wanted), text.rfind(" ", place, wanted)
    return line if line >= 0 else space if space >= 0 else wanted


def _lines(text: str, start: int, end: int, spans: Sequence[Span]) -> list[TextLine]:
    edges = {start, end, *(span.start for span in spans), *(span.end for span in spans)}
    cuts = sorted(edge for edge in edges if start <= edge <= end)
    lines: list[list[Segment]] = [[]]
    for left, right in pairwise(cuts):
        over = [span for span in spans if span.start <= left and span.end >= right]
        numbers = tuple(span.number for span in over)
        begins = tuple(span.number for span in over if span.start == left)
        weak = bool(over) and all(span.weak for span in over)
        for place, piece in enumerate(text[left:right].split("\n")):
            if place:
                lines.append([])
            if piece or (begins and not place):
                lines[-1].append(Segment(piece, numbers, begins if not place else (), weak))
    return [TextLine(tuple(segments)) for segments in lines]
