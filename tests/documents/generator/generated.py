"""What is known of a generated document, and the blocks of words that documents are made of."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.checks.generated_texts import ARABIC, ENGLISH, HEBREW, SPANISH, word

LIGATURES = [
    "office",
    "filed",
    "first",
    "final",
    "five",
    "flood",
    "affidavit",
    "affected",
    "difficult",
    "sufficient",
    "firefighter",
    "floor",
    "flat",
]


class Block(NamedTuple):
    """A paragraph or a cell: its words, and the page on which each begins, from 1."""

    words: tuple[str, ...]
    pages: tuple[int, ...]
    source: str | None = None
    """Where it is another than the document's: an attachment's."""


class GeneratedDocument(NamedTuple):
    """A file, and what its maker knows of it."""

    kind: str
    name: str
    data: bytes
    blocks: tuple[Block, ...]
    """In the order in which a person reads them."""
    source: str = "text layer"
    """Of its pages: text layer, text layer of a scan, extracted, none."""
    hidden: tuple[str, ...] = ()
    """What it holds and does not show."""

    @property
    def has_pages(self) -> bool:
        """Whether its format has pages of its own."""
        return self.name.endswith(".pdf")


def paragraph(chance: random.Random, language: str = "english") -> tuple[str, ...]:
    """40 to 90 words: a language's, names, numbers, hyphenated words, marks."""
    words = {"spanish": SPANISH, "arabic": ARABIC, "hebrew": HEBREW, "ligatures": ENGLISH[:40] + LIGATURES}
    found = [word(chance, words.get(language, ENGLISH)) for _ in range(chance.randint(40, 90))]
    if language in ("arabic", "hebrew"):
        # "350 Strand" and "Strand 350" look the same in a line from the right: no page tells which was written.
        found = [each for before, each in pairwise(["", *found]) if not (_is_latin(each) and re.search(r"\d", before))]
    return tuple(found)


def _is_latin(word: str) -> bool:
    return any(each.isascii() and each.isalpha() for each in word)


def paragraphs(chance: random.Random, count: int, language: str = "english") -> list[tuple[str, ...]]:
    """So many paragraphs."""
    return [paragraph(chance, language) for _ in range(count)]


def endless_paragraphs(chance: random.Random, language: str = "english") -> Iterator[tuple[str, ...]]:
    """Paragraphs for as long as somebody asks."""
    while True:
        yield paragraph(chance, language)


def cells(chance: random.Random, count: int) -> list[tuple[str, ...]]:
    """Cells of three to six words."""
    return [tuple(word(chance, ENGLISH) for _ in range(chance.randint(3, 6))) for _ in range(count)]


def on_page(blocks: Iterable[Sequence[str]], page: int = 1) -> tuple[Block, ...]:
    """Blocks that stand on one page."""
    return tuple(Block(tuple(words), (page,) * len(words)) for words in blocks)


def wrapped(words: Sequence[str], most: int) -> Iterator[str]:
    """The words in lines of at most so many characters."""
    line = ""
    for each in words:
        if line and len(line) + 1 + len(each) > most:
            yield line
            line = each
        else:
            line = f"{line} {each}" if line else each
    yield line
