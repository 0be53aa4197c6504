"""Sentences that run on from one page to the next, over the feet and heads of pages that stand between."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from complaint_llm.checks.folding import Fold, fold

MOST_LINES = 3
"""Lines at the top and at the bottom of a page that may be its head and foot."""
REACH = 1_000
"""Characters on either side of a page break in which a quote that runs over it is looked for."""
_WALL = "\uffff"
_NUMBER = re.compile(r"\d+")


class TextPage(NamedTuple):
    """A page of a text, or what stands for one (a sheet, an attachment): where it begins, and what it is."""

    start: int
    """In the text; a page ends where the next one begins, a blank line between them."""
    number: int | None
    """None where the format has no pages."""
    kind: str
    """text layer, text layer of a scan, extracted, none."""
    label: str = ""
    runs_on: bool = True
    """Whether a sentence may run on into it from the page before."""


def text_with_walls(text: str, pages: Sequence[TextPage]) -> str:
    """``text``, as long as it is, with a character that no word holds before each page that nothing runs on into."""
    pieces: list[str] = []
    end = 0
    for page in pages:
        if page.start > end and not page.runs_on:
            pieces += [text[end : page.start - 1], _WALL]
            end = page.start
    return "".join([*pieces, text[end:]])


class Bridges(NamedTuple):
    """The two sides of each page break with nothing between them, one after another, folded for searching."""

    folded: Fold
    starts: tuple[int, ...]
    """Where each bridge begins in the unfolded text of the bridges."""
    breaks: tuple[int, ...]
    """Where its second side begins there."""
    sides: tuple[tuple[int, int], ...]
    """Where the first and the second side of each begin in the text."""

    def source_span(self, start: int, end: int) -> tuple[int, int] | None:
        """The text's span of a span of ``folded``; None unless it runs over the page break of one bridge."""
        begins, ends = self.folded.source_span(start, end)
        number = bisect_right(self.starts, begins) - 1
        if number != bisect_right(self.starts, ends - 1) - 1 or not begins < self.breaks[number] < ends:
            return None
        first, second = self.sides[number]
        return first + begins - self.starts[number], second + ends - self.breaks[number]


def bridges_between(text: str, pages: Sequence[TextPage]) -> Bridges | None:
    """The bridges over those page breaks at which a head or a foot stands; None where there are none."""
    if len(pages) < 2:
        return None
    contents = list(_contents(text, pages))
    pieces: list[str] = []
    starts, breaks, sides = [], [], []
    length = 0
    for (page, body), (following, next_body) in pairwise(zip(pages, contents, strict=True)):
        if not following.runs_on or not (body.cut_below or next_body.cut_above):
            continue
        first = max(page.start, body.start, body.end - REACH)
        before, after = text[first : body.end], text[next_body.start : min(next_body.end, next_body.start + REACH)]
        if not before.strip() or not after.strip():
            continue
        starts.append(length)
        breaks.append(length + len(before) + 1)
        sides.append((first, next_body.start))
        pieces.append(f"{before}\n{after}{_WALL}")
        length += len(pieces[-1])
    if not pieces:
        return None
    return Bridges(fold("".join(pieces)), tuple(starts), tuple(breaks), tuple(sides))


class _PageContent(NamedTuple):
    """What is left of a page without its head and foot."""

    start: int
    end: int
    cut_above: bool
    cut_below: bool


def _contents(text: str, pages: Sequence[TextPage]) -> Iterator[_PageContent]:
    ends = [page.start for page in pages[1:]] + [len(text)]
    lines = [list(_spans_of_lines(text, page.start, end)) for page, end in zip(pages, ends, strict=True)]
    words = [[text[start:end].strip() for start, end in each] for each in lines]
    for number, (page, end) in enumerate(zip(pages, ends, strict=True)):
        own = lines[number]
        above = _running_count(words, number)
        below = _running_count([each[::-1] for each in words[max(0, number - 2) : number + 3]], min(number, 2))
        below = min(below, len(own) - above)
        yield _PageContent(
            start=own[above][0] if above < len(own) else end,
            end=own[-below - 1][1] if own and below < len(own) else end if own else page.start,
            cut_above=above > 0,
            cut_below=below > 0,
        )


def _running_count(pages: Sequence[Sequence[str]], number: int) -> int:
    """How many of a page's first lines stand at the same place of a neighbour, or of the page after that."""
    own = pages[number]
    most = 0
    for distance in (1, 2, -1, -2):
        if not 0 <= number + distance < len(pages):
            continue
        other = pages[number + distance]
        count = 0
        while count < min(MOST_LINES, len(own), len(other)) and _same_but_for_number(
            own[count], other[count], distance
        ):
            count += 1
        most = max(most, count)
    return most


def _same_but_for_number(line: str, other: str, distance: int) -> bool:
    """Whether two lines differ in nothing but the number of their page."""
    if _NUMBER.sub("0", line) != _NUMBER.sub("0", other):
        return False
    numbers = zip(_NUMBER.findall(line), _NUMBER.findall(other), strict=True)
    return all(own == its or int(its[:9]) - int(own[:9]) == distance for own, its in numbers)


def _spans_of_lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of the lines of ``text[start:end]`` that hold more than blanks."""
    for found in re.compile(r"[^\r\n\f]*\S[^\r\n\f]*").finditer(text, start, end):
        yield found.span()
