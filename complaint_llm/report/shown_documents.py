"""The documents of an item as a page shows them: passages around quotes, page by page, and what is hidden in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from complaint_llm.checks.quote_search import SearchableText, find_quote
from complaint_llm.documents.as_text import text_digest
from complaint_llm.documents.pages import Page, ReadDocument
from complaint_llm.documents.searchable import BETWEEN_PAGES, joined_text, pages_without_text, searchable_text
from complaint_llm.report.marked_text import SHOWN_WHOLE, TextLine, marked_parts
from complaint_llm.report.quoted import KIND_WORDS, PageQuote

TextOf = Callable[[Mapping[str, Any]], ReadDocument | None]
"""Reads a document again, by its entry in ``shown`` of a line of OUT; None where that file is not to be had."""

_SHOWN_WORDS: Mapping[str, str] = {
    "document": "The model was given the file itself; quotes were looked for in the text that was read out of it here.",
    "text": "",
    "image": "The model was shown pictures of its pages.",
    "no": "It was not shown to the model.",
}
_NOT_THERE = (
    "Its text cannot be shown: the file is not where it was, or is not the one that was read. What stands beside its "
    "quotes was found when it was read."
)
_OTHER_TEXT = (
    "Its text is not shown: it is read otherwise now than when its quotes were looked up, so that they would be marked "
    "at wrong places."
)


class DocumentPage(NamedTuple):
    """A page of a document, with its quotes marked. ``lines`` is empty where nothing of it is shown."""

    title: str
    """"lease.pdf, page 3"."""
    lines: tuple[TextLine, ...]
    hints: tuple[str, ...] = ()
    """The kind of its text, that it has none, what is hidden in it."""


class DocumentView(NamedTuple):
    """A document of an item. ``pages`` is empty where its text cannot be shown; ``hints`` say why, and what else a
    reader must know."""

    name: str
    hints: tuple[str, ...]
    pages: tuple[DocumentPage, ...] = ()
    skipped: int = 0
    """Pages of which nothing is shown."""
    marked: frozenset[int] = frozenset()
    """The numbers of the quotes that are marked in it."""


def document_views(
    values: Mapping[str, Any], quotes: Sequence[PageQuote], text_of: TextOf | None
) -> tuple[DocumentView, ...]:
    """The documents that a line of OUT says were shown or cited, in its order."""
    entries = (each for each in values.get("shown") or () if isinstance(each, Mapping))
    return tuple(_view(_by_our_names(each), quotes, text_of) for each in entries)


def _by_our_names(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry by the names of ``messages.Shown``, some of which lines of OUT give another name."""
    return {_OF_LINES.get(name, name): value for name, value in shown.items()}


_OF_LINES = {"source": "cid", "digest": "sha256", "text_digest": "text_sha256"}


def same_document(
    shown: Mapping[str, Any], data: bytes, read: Callable[[bytes, str, str], ReadDocument]
) -> ReadDocument | None:
    """What was read of a document, read again out of ``data``: the pages that were shown. None if it is another file.

    ``read(data, media_type, name)`` reads all pages, and may raise InvalidRequestError.
    """
    if hashlib.sha256(data).hexdigest() != shown.get("sha256"):
        return None
    document = read(data, str(shown.get("media_type") or ""), str(shown.get("name") or "a document"))
    chosen = {*(shown.get("pages") or ()), *(shown.get("image_pages") or ())}
    if not chosen or not document.has_pages:
        return document
    found = [document._replace(pages=pages) for pages in _choices(document.pages, chosen)]
    return next((each for each in found if _has_text(each, shown)), found[0])


def _choices(pages: Sequence[Page], chosen: Collection[int]) -> Iterator[tuple[Page, ...]]:
    """The pages that may have been read: those that are named, and blank ones, which nobody names, among them."""
    blank = {page.number for page in pages if not page.text and page.image is None}
    inside = {number for number in blank if min(chosen) < number < max(chosen)}
    for more in (set(), inside, blank):
        yield tuple(page for page in pages if page.number in chosen or page.number in more)


def _has_text(document: ReadDocument, shown: Mapping[str, Any]) -> bool:
    """Whether it has the text that was shown, where that is recorded."""
    digest = shown.get("text_sha256")
    return digest is None or digest == text_digest(document.pages)


def _view(shown: Mapping[str, Any], quotes: Sequence[PageQuote], text_of: TextOf | None) -> DocumentView:
    name = str(shown.get("name") or "a document")
    hints = [words] if (words := _SHOWN_WORDS.get(str(shown.get("shown")), "")) else []
    own = [quote for quote in quotes if quote.span is not None and quote.source == shown.get("cid")]
    if shown.get("shown") == "no":
        return DocumentView(name, tuple(hints))
    document = text_of(shown) if text_of is not None else None
    if document is None:
        return DocumentView(name, (*hints, _NOT_THERE))
    text = searchable_text(document, source=str(shown.get("cid")))
    if not _has_text(document, shown) or not all(_stands_there(quote, text) for quote in own):
        return DocumentView(name, (*hints, _OTHER_TEXT))
    hints += document.notes
    if pictures := pages_without_text(document):
        where = f" (page {_ranges(pictures)})" if document.has_pages else ""
        hints.append(f"A part of it is a picture without text{where}: nothing could be looked for there.")
    long = len(text.text.encode("utf-8", "surrogatepass")) > SHOWN_WHOLE
    if long:
        hints.append("This text is long: the passages around its quotes are shown.")
    every = [page for page in _pages(name, document, own) if page.lines or page.hints]
    pages = [page for page in every if page.hints or any(line.segments for line in page.lines)]
    return DocumentView(
        name=name,
        hints=tuple(hints),
        pages=tuple(pages),
        skipped=len(every) - len(pages),
        marked=frozenset(quote.number for quote in own),
    )


def _stands_there(quote: PageQuote, text: SearchableText) -> bool:
    """Whether these words are found at the place that was found when the answer was made."""
    if quote.start is None or quote.end is None or not 0 <= quote.start < quote.end <= len(text.text):
        return False
    if quote.elided:
        found = find_quote(quote.text, [text])
        return found.start == quote.start and found.end == quote.end
    cut = SearchableText.of(text.text[quote.start : quote.end])
    return find_quote(quote.text, [cut]).stands


def _pages(name: str, document: ReadDocument, quotes: Sequence[PageQuote]) -> Iterator[DocumentPage]:
    parts: list[tuple[int, int]] = []
    start = 0
    for page in document.pages:
        parts.append((start, start + len(page.text)))
        start += len(page.text) + len(BETWEEN_PAGES)
    spans = [quote.span for quote in quotes if quote.span is not None]
    lines = marked_parts(joined_text(document), parts, spans)
    for page, own in zip(document.pages, lines, strict=True):
        yield DocumentPage(
            title=_title(name, document, page),
            lines=own if page.text.strip() else (),
            hints=tuple(_hints(page, any(line.segments for line in own))),
        )


def _title(name: str, document: ReadDocument, page: Page) -> str:
    title = f"{name}, page {page.number}" if document.has_pages else name
    return f"{title}, {page.label}" if page.label else title


def _ranges(pages: Sequence[int]) -> str:
    """Ascending numbers as a person writes them: "1-3, 7"."""
    ranges: list[list[int]] = []
    for number in pages:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _hints(page: Page, shown: bool) -> Iterator[str]:
    if shown and (kind := KIND_WORDS.get(page.source)):
        yield f"This text stands {kind}."
    for why, text in page.hidden:
        yield f"Hidden here ({why}), left out of what the model was shown: “{' '.join(text.split())[:300]}”"
