"""Quotes through forty generated documents: taken from what the generator wrote, looked up in what was read.

What a document says, in which order and on which page is known from its maker, never from our own reading.
"""

from __future__ import annotations

import functools
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pytest

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.checks.quote_search import SearchableText, find_quote
from complaint_llm.documents.kinds import document_kind
from complaint_llm.documents.pages import ReadDocument
from complaint_llm.documents.reading import DocumentReaders
from complaint_llm.documents.searchable import pages_without_text, searchable_text
from tests.checks.wrong_quotes import right_quotes, wrong_quotes
from tests.documents.generator.corpus import MAKERS, generated_document
from tests.documents.generator.generated import GeneratedDocument
from tests.documents.generator.pdfs import plain

NAMES = [name for name, _ in MAKERS]
IN_THE_SUITE = 25
"""Right and wrong quotes of each document in the suite; 10,000 over all in the long run."""


def read(readers: DocumentReaders, made: GeneratedDocument) -> ReadDocument:
    kind = document_kind(made.data[: 1 << 16], made.name, None)
    return readers.read(made.data, kind, made.name, deadline=Deadline(120.0), cancel=CancelToken())


class CorpusText(NamedTuple):
    """A document of the corpus, and what was read of it."""

    made: GeneratedDocument
    document: ReadDocument
    text: SearchableText

    @property
    def words(self) -> Sequence[Sequence[str]]:
        return [block.words for block in self.made.blocks]

    @property
    def searchable(self) -> bool:
        return not pages_without_text(self.document)


def corpus_text(readers: DocumentReaders, name: str, seed: int) -> CorpusText:
    made = generated_document(name, seed)
    document = read(readers, made)
    return CorpusText(made, document, searchable_text(document, name))


def missed_quotes(chance: random.Random, each: CorpusText, count: int) -> list[str]:
    """Right quotes that are not found, or on another page, or of another kind; of a scan, those that are not told to be
    such as could not be looked for."""
    missed = []
    for _, number, first, last in right_quotes(chance, [each.words], count):
        block = each.made.blocks[number]
        quote = " ".join(block.words[first:last])
        found = find_quote(quote, [each.text], searchable=each.searchable)
        page = block.pages[first] if each.made.has_pages else None
        if each.made.source == "none":
            right = found.state == "not_searchable"
        elif found.weak == "repeated":
            right = found.stands
        else:
            right = found.stands and (found.page, found.source_kind) == (page, block.source or each.made.source)
        if not right:
            missed.append(quote)
    return missed


def standing_wrong_quotes(
    chance: random.Random, each: CorpusText, others: Sequence[CorpusText], count: int
) -> list[str]:
    """Wrong quotes of a document, made with words of others, that are said to stand in it: there must be none."""
    texts = [each.words, *(other.words for other in others)]
    own: list[str] = []
    while len(own) < count:
        own += [quote for number, quote in wrong_quotes(chance, texts, count) if number == 0]
    return [quote for quote in own[:count] if find_quote(quote, [each.text], searchable=each.searchable).stands]


@pytest.fixture(scope="module")
def text_named() -> Iterator[Callable[[str], CorpusText]]:
    """Makes and reads a document of the corpus by its name, once."""
    readers = DocumentReaders()
    yield functools.cache(lambda name: corpus_text(readers, name, 1))
    readers.close()


@pytest.mark.rows(4)
@pytest.mark.parametrize("name", NAMES)
def test_quotes_of_a_document_are_found_and_wrong_ones_are_not(
    name: str, text_named: Callable[[str], CorpusText]
) -> None:
    """A sample of the right ones on their pages, at most one in a hundred missed; no wrong one."""
    each = text_named(name)
    chance = random.Random(f"quotes of {name}")
    assert len(missed_quotes(chance, each, IN_THE_SUITE * 4)) <= IN_THE_SUITE * 4 // 100
    assert standing_wrong_quotes(chance, each, (), IN_THE_SUITE) == []


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_hidden_is_told_and_not_searched(name: str, text_named: Callable[[str], CorpusText]) -> None:
    """White text, text off the page, text without ink, paragraphs that are not displayed: in ``hidden``, not in the
    text; where nothing is hidden nothing is told."""
    each = text_named(name)
    told = " ".join(" ".join(text.split()) for page in each.document.pages for _, text in page.hidden)
    for hidden in each.made.hidden:
        assert hidden in told
        assert hidden not in " ".join(each.text.text.split())
    assert bool(told) == bool(each.made.hidden)


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    """Words, blocks and pages; another seed gives others."""
    for name in ("plain-1.pdf", "columns-4.pdf", "letter-2.docx", "book-1.xlsx", "arabic-1.pdf"):
        one, same, other = (generated_document(name, seed).blocks for seed in (1, 1, 2))
        assert one == same != other


@functools.cache
def corpus(seed: int) -> Mapping[str, CorpusText]:
    readers = DocumentReaders()
    try:
        return {name: corpus_text(readers, name, seed) for name in NAMES}
    finally:
        readers.close()


@pytest.mark.endurance
@pytest.mark.parametrize("seed", range(11, 16))
def test_ten_thousand_quotes_of_documents(seed: int) -> None:
    """10,000 right and 10,000 wrong ones over five seeds: 99 % of the right ones found on their pages, no wrong one."""
    every = list(corpus(seed).values())
    chance = random.Random(seed)
    missed = Counter({each.made.name: len(missed_quotes(chance, each, 50)) for each in every})
    assert sum(missed.values()) <= 50 * len(every) // 100, missed.most_common(8)
    wrong = [
        (each.made.name, quote)
        for each in every
        for quote in standing_wrong_quotes(chance, each, chance.sample(every, 3), 50)
    ]
    assert wrong == []


def seconds_of_lookups(pages: int, count: int) -> float:
    """CPU seconds, those of the reading process from its start to its end too, to read a document of so many pages,
    make it searchable and look quotes up, half of them wrong."""
    made = plain(random.Random("long"), "long.pdf", pages=pages)
    chance = random.Random(5)
    blocks = [block.words for block in made.blocks]
    right = [" ".join(blocks[n][first:last]) for _, n, first, last in right_quotes(chance, [blocks], count // 2)]
    wrong = [quote for _, quote in wrong_quotes(chance, [blocks], count - count // 2)]
    began = sum(os.times()[:4])
    readers = DocumentReaders()
    try:
        text = searchable_text(read(readers, made), "x")
    finally:
        readers.close()
    found = [find_quote(quote, [text]).stands for quote in (*right, *wrong)]
    spent = sum(os.times()[:4]) - began
    assert found == [True] * len(right) + [False] * len(wrong)
    return spent


def test_looking_quotes_up_in_a_long_document_costs_as_much_as_its_length() -> None:
    """Four times the pages cost less than eight times as much, the start of the reading process left out."""
    start, short, long = (seconds_of_lookups(pages, count=60) for pages in (2, 12, 48))
    assert long - start < 8 * max(short - start, 0.1)


@pytest.mark.endurance
def test_three_hundred_pages_and_five_hundred_quotes_take_three_seconds() -> None:
    """In CPU time of both processes, on one core: read, folded, and 500 quotes looked up."""
    assert seconds_of_lookups(300, count=500) < 3.0
