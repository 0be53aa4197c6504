"""A document as the parts of a message, for a model that does not read such files: text page by page, with marks, and
images of the pages that have no text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from complaint_llm.documents.pages import Page, ReadDocument
from complaint_llm.messages import ImagePart, Part, TextPart


class TextForm(NamedTuple):
    """``parts`` in their order; the text of all pages by ``text_sha256``; the pages that are text, and those that are
    images, by number."""

    parts: tuple[Part, ...]
    text_sha256: str
    pages: tuple[int, ...]
    image_pages: tuple[int, ...]


def text_form(document: ReadDocument, name: str, mark: str) -> TextForm:
    """``mark`` is what the document's own text cannot hold: then no line of it can pass for the mark of a page."""
    pieces: list[str] = [f'[document "{name}" {mark}]']
    pieces += (f"[note: {note}]" for note in document.notes)
    parts: list[Part] = []
    for page in document.pages:
        if document.has_pages or page.label:
            pieces.append(_page_mark(page, document, mark))
        if page.hidden:
            kinds = ", ".join(dict.fromkeys(kind for kind, _ in page.hidden))
            pieces.append(f"[text that a reader does not see was left out: {kinds}]")
        if page.text:
            pieces.append(page.text)
        if page.image is not None:
            parts += (TextPart("\n".join(pieces)), ImagePart(data=page.image.data, media_type=page.image.media_type))
            pieces = []
    pieces.append(f"[end of document {mark}]")
    parts.append(TextPart("\n".join(pieces)))
    numbered = document.pages if document.has_pages else ()
    return TextForm(
        parts=tuple(parts),
        text_sha256=text_digest(document.pages),
        pages=tuple(page.number for page in numbered if page.text),
        image_pages=tuple(page.number for page in document.pages if page.image is not None),
    )


def text_digest(pages: Sequence[Page]) -> str:
    """SHA-256, in hex, of the text of pages, joined by form feeds."""
    return hashlib.sha256("\f".join(page.text for page in pages).encode("utf-8", "surrogatepass")).hexdigest()


def image_pages(document: ReadDocument) -> tuple[int, ...]:
    """The pages that must be shown as images: a scan, perhaps with a stamp that is text."""
    return tuple(page.number for page in document.pages if page.image is not None)


def is_blank(document: ReadDocument) -> bool:
    """Whether there is nothing to read in it."""
    return not any(page.text.strip() or page.image is not None for page in document.pages)


def _page_mark(page: Page, document: ReadDocument, mark: str) -> str:
    where = f"page {page.number} of {document.page_count}" if document.has_pages else page.label
    return f"[{where} {mark}]"
