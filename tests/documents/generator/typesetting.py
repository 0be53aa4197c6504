"""Words set in lines, columns and pages, so that the maker of a PDF knows on which page each stands."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.documents.generator.generated import Block

WIDTH, HEIGHT = 595.0, 842.0
"""A4, in points."""


class Frame(NamedTuple):
    """A column of a page; ``top`` is the first baseline, counted from the bottom of the page."""

    page: int
    left: float
    top: float
    bottom: float
    width: float


class Line(NamedTuple):
    """A line of text and where its baseline begins."""

    page: int
    left: float
    baseline: float
    width: float
    """Of its column."""
    text: str


def single_columns(pages: int, top: float = 770.0, bottom: float = 80.0) -> list[Frame]:
    """A column a page."""
    return [Frame(page, 72.0, top, bottom, WIDTH - 144.0) for page in range(1, pages + 1)]


def two_columns(pages: int) -> list[Frame]:
    """Two columns a page, read one after the other."""
    width = (WIDTH - 144.0 - 24.0) / 2
    return [
        Frame(page, left, 770.0, 80.0, width) for page in range(1, pages + 1) for left in (72.0, 72.0 + width + 24.0)
    ]


class _Setting(NamedTuple):
    lines: tuple[Line, ...]
    blocks: tuple[Block, ...]


def set_in_lines(
    paragraphs: Iterator[Sequence[str]],
    frames: Sequence[Frame],
    width_of: Callable[[str], float],
    *,
    leading: float = 14.0,
    hyphens: random.Random | None = None,
) -> _Setting:
    """Paragraphs in lines until the frames are full; one that is longer than its frame runs on in the next.

    With ``hyphens`` some words are broken at the line's end.
    """
    lines: list[Line] = []
    blocks: list[Block] = []
    waiting: list[str] = []
    paragraph: list[str] = []
    pages: list[int] = []
    rest = ""
    for frame, baseline in _baselines(frames, leading):
        if not waiting and not rest:
            if paragraph:
                blocks.append(Block(tuple(paragraph), tuple(pages)))
                paragraph, pages = [], []
                continue
            waiting = list(next(paragraphs))
        text, rest = rest, ""
        while waiting:
            word = waiting[0]
            longer = f"{text} {word}" if text else word
            cut = 0
            if width_of(longer) > frame.width:
                cut = _cut(word, hyphens)
                if not cut or width_of(f"{text} {word[:cut]}-") > frame.width:
                    break
                longer, rest = f"{text} {word[:cut]}-", word[cut:]
            text = longer
            paragraph.append(waiting.pop(0))
            pages.append(frame.page)
            if rest:
                break
        lines.append(Line(frame.page, frame.left, baseline, frame.width, text))
    if paragraph:
        # The last word may have been broken at the end of the last line.
        last = len(paragraph) - bool(rest)
        blocks.append(Block(tuple(paragraph[:last]), tuple(pages[:last])))
    return _Setting(tuple(lines), tuple(blocks))


def _baselines(frames: Sequence[Frame], leading: float) -> Iterator[tuple[Frame, float]]:
    for frame in frames:
        baseline = frame.top
        while baseline >= frame.bottom:
            yield frame, baseline
            baseline -= leading


def _cut(word: str, hyphens: random.Random | None) -> int:
    if hyphens is None or not (word.isalpha() and word.isascii() and len(word) > 5):
        return 0
    return hyphens.randint(2, len(word) - 2)
