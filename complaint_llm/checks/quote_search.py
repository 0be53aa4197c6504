"""Looks quotes up in the texts that a model was shown.

Whoever made a quote is not believed: a quote stands in a text, stands there but for line breaks and the like, is not
there, or could not be looked for.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple

from complaint_llm.checks.folding import Fold, fold
from complaint_llm.checks.page_breaks import Bridges, TextPage, bridges_between, text_with_walls
from complaint_llm.checks.word_edges import count_words, is_sign_edge, is_word_edge

State = Literal["verbatim", "normalised", "not_found", "not_searchable"]
Weakness = Literal["short", "repeated"]

MEANING = {
    "verbatim": "stands in the text",
    "normalised": "stands there but for line breaks and the like",
    "not_found": "NOT in the text",
    "not_searchable": "could not be looked for",
}
"""What each state says, in the words that a reader is shown. None of them says that a quote is true."""

FEWEST_WORDS = 4
"""A quote of fewer words that holds no number stands in most texts by chance."""
FEWEST_PART_WORDS = 3
MOST_PLACES = 100
"""Places of a repeated quote that are counted."""
_ELLIPSIS = re.compile(r"\s*(?:\[\s*(?:\.{3,}|…)\s*\]|\(\s*(?:\.{3,}|…)\s*\)|\.{3,}|…)\s*")


class SearchableText(NamedTuple):
    """A text that the model was shown, ready to be searched."""

    source: str
    """``prompt``, or the CID of the evidence."""
    text: str
    folded: Fold
    source_kind: str = "prompt"
    """prompt, text layer, text layer of a scan, extracted; that of its pages where it has some."""
    pages: tuple[TextPage, ...] = ()
    """The first begins at 0; empty where there are none."""
    bridges: Bridges | None = None
    """Over page breaks at which a head or a foot stands."""

    @classmethod
    def of(
        cls, text: str, source: str = "prompt", source_kind: str = "prompt", pages: Sequence[TextPage] = ()
    ) -> SearchableText:
        """The text, folded."""
        return cls(
            source=source,
            text=text,
            folded=fold(text_with_walls(text, pages)),
            source_kind=source_kind,
            pages=tuple(pages),
            bridges=bridges_between(text, pages),
        )

    def pages_of(self, start: int, end: int) -> tuple[TextPage, ...]:
        """The pages that ``text[start:end]``, which is not empty, stands on."""
        starts = [page.start for page in self.pages]
        return self.pages[max(0, bisect_right(starts, start) - 1) : bisect_right(starts, end - 1)]

    def kind_of(self, start: int, end: int) -> str:
        """The kind of ``text[start:end]``; of several the one that says least for its letters."""
        kinds = {page.kind for page in self.pages_of(start, end)}
        return next((kind for kind in _LEAST_FIRST if kind in kinds), self.source_kind)


_LEAST_FIRST = ("text layer of a scan", "extracted", "text layer")


class QuotePlace(NamedTuple):
    """Where a quote stands, or that it does not."""

    state: State
    weak: Weakness | None = None
    source: str | None = None
    source_kind: str | None = None
    start: int | None = None
    end: int | None = None
    """Characters of the source's text, as a slice."""
    page: int | None = None
    places: int = 0
    """How often it stands there, in all sources; at most MOST_PLACES."""
    elided: bool = False
    """Between its parts, which stand there in order, words are left out: by an ellipsis, on one page; or the foot and
    the head of pages between which it runs on."""

    @property
    def stands(self) -> bool:
        """Whether the words stand in the text, weak ones included."""
        return self.state in ("verbatim", "normalised")


def find_quote(quote: str, texts: Sequence[SearchableText], *, searchable: bool = True) -> QuotePlace:
    """Where ``quote`` stands in ``texts``; ``searchable`` is false where something without text was shown, too."""
    wanted = quote.strip()
    spans = _all_places(wanted, texts) if wanted else []
    elided = False
    if wanted and not spans:
        left_out = (_span_over_pages(wanted, text) or _span_with_ellipses(wanted, text) for text in texts)
        spans = [(text, span) for text, span in zip(texts, left_out, strict=True) if span]
        elided = bool(spans)
    if not spans:
        return QuotePlace("not_found" if searchable else "not_searchable")
    text, (start, end) = spans[0]
    weak: Weakness | None = "repeated" if len(spans) > 1 else None
    if count_words(wanted) < FEWEST_WORDS and not any(map(str.isdigit, wanted)):
        weak = "short"
    pages = text.pages_of(start, end)
    return QuotePlace(
        state="verbatim" if not elided and text.text[start:end] == wanted else "normalised",
        weak=weak,
        source=text.source,
        source_kind=text.kind_of(start, end),
        start=start,
        end=end,
        page=pages[0].number if pages else None,
        places=len(spans),
        elided=elided,
    )


def _all_places(quote: str, texts: Sequence[SearchableText]) -> list[tuple[SearchableText, tuple[int, int]]]:
    """Exact places first, so that the one that is shown is the one that is most surely meant."""
    wanted = fold(quote)
    every = ((text, text.folded.source_span(*place)) for text in texts for place in _places(wanted, text.folded))
    places = islice((each for each in every if _runs_on(*each)), MOST_PLACES)
    return sorted(places, key=lambda place: place[0].text[slice(*place[1])] != quote)


def _runs_on(text: SearchableText, span: tuple[int, int]) -> bool:
    """Whether a span is one piece of text: not the end of a sheet and the beginning of the next."""
    return all(page.runs_on for page in text.pages_of(*span)[1:])


def _span_over_pages(quote: str, text: SearchableText) -> tuple[int, int] | None:
    """The span of a quote that runs over a page break, with the foot and the head that stand between."""
    if text.bridges is None:
        return None
    found = (text.bridges.source_span(*place) for place in _places(fold(quote), text.bridges.folded))
    return next((span for span in found if span), None)


def _places(wanted: Fold, folded: Fold, since: int = 0) -> Iterator[tuple[int, int]]:
    if not wanted.text.strip():
        return
    size = len(wanted.text)
    at = folded.text.find(wanted.text, since)
    while at >= 0:
        if _cut_cleanly(folded.text, at, at + size) and _same_hyphens(wanted, folded, at, at + size):
            yield at, at + size
        at = folded.text.find(wanted.text, at + 1)


def _cut_cleanly(text: str, start: int, end: int) -> bool:
    return is_word_edge(text, start) and is_word_edge(text, end) and is_sign_edge(text, end)


def _same_hyphens(wanted: Fold, folded: Fold, start: int, end: int) -> bool:
    hyphens, breaks = folded.joins(start, end)
    own_hyphens, own_breaks = wanted.joins(0, len(wanted.text))
    return (hyphens ^ own_hyphens) <= (breaks | own_breaks)


def _span_with_ellipses(quote: str, text: SearchableText) -> tuple[int, int] | None:
    """The span from the first to the last part of a quote with ellipses, if all stand in order on one page."""
    parts = [part for part in _ELLIPSIS.split(quote) if part]
    if len(parts) < 2 or any(count_words(part) < FEWEST_PART_WORDS for part in parts):
        return None
    wanted = [fold(part) for part in parts]
    for start, end in _places(wanted[0], text.folded):
        reached = end
        for part in wanted[1:]:
            following = next((stop for _, stop in _places(part, text.folded, reached)), None)
            if following is None:
                return None
            reached = following
        span = text.folded.source_span(start, reached)
        if len(text.pages_of(*span)) < 2:
            return span
    return None
