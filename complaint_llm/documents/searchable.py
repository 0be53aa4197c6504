"""A document that was read, as a text in which quotes are looked up: its pages joined, what is hidden left out."""

from __future__ import annotations

from collections.abc import Iterator

from complaint_llm.checks.page_breaks import TextPage
from complaint_llm.checks.quote_search import SearchableText
from complaint_llm.documents.pages import Page, ReadDocument

BETWEEN_PAGES = "\n\n"
"""What joins the texts of two pages."""


def searchable_text(document: ReadDocument, source: str) -> SearchableText:
    """The text of all pages, ready to be searched; ``source`` is the document's CID.

    Places of quotes count the characters of ``joined_text(document)``. A quote may run on from one page to the next,
    not from a sheet or an attachment into another, nor over pages that were not asked for.
    """
    return SearchableText.of(
        joined_text(document), source=source, source_kind="extracted", pages=tuple(_text_pages(document))
    )


def joined_text(document: ReadDocument) -> str:
    """The texts of the pages, BETWEEN_PAGES between them."""
    return BETWEEN_PAGES.join(page.text for page in document.pages)


def pages_without_text(document: ReadDocument) -> tuple[int, ...]:
    """The numbers of pages that show something and have no text: what is quoted of them could not be looked for."""
    return tuple(page.number for page in document.pages if page.image is not None and not page.text.strip())


def _text_pages(document: ReadDocument) -> Iterator[TextPage]:
    start = 0
    before: Page | None = None
    for page in document.pages:
        yield TextPage(
            start=start,
            number=page.number if document.has_pages else None,
            kind=page.source,
            label=page.label,
            runs_on=before is not None and (page.number, page.label) == (before.number + 1, before.label),
        )
        start += len(page.text) + len(BETWEEN_PAGES)
        before = page
