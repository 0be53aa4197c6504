"""Plain text, in the encoding that its bytes show; form feeds part pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from complaint_llm.documents.pages import Limits, Page, ReadDocument
from complaint_llm.documents.readers.charset import decode_text
from complaint_llm.documents.readers.choice import Room, chosen_pages, refuse_choice
from complaint_llm.documents.readers.unreadable import UnreadableError

if TYPE_CHECKING:
    from complaint_llm.documents.page_choice import Pages

MEDIA_TYPE = "text/plain"
VERSION = "1"


def read(file: BinaryIO, limits: Limits, pages: Pages | None = None) -> ReadDocument:
    """The text as it is, but for the ends of lines. Raises UnreadableError past a limit."""
    text, notes = read_text(file, limits)
    parts = text.split("\f")
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()  # a form feed that ends the last page
    has_pages = "\f" in text
    if len(parts) > limits.pages:
        raise UnreadableError(f"has {len(parts):,} pages, and at most {limits.pages:,} are read: split it")
    if not has_pages:
        refuse_choice(pages, "a text without form feeds")
    found = [Page(number, part, "extracted" if part.strip() else "none") for number, part in enumerate(parts, 1)]
    return ReadDocument(
        pages=chosen_pages(found, pages),
        media_type=MEDIA_TYPE,
        reader="text",
        version=VERSION,
        page_count=len(found),
        has_pages=has_pages,
        notes=notes,
    )


def read_text(file: BinaryIO, limits: Limits) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and what was wrong with its bytes. Raises UnreadableError past a limit."""
    text, notes = decode_text(file.read())
    Room(limits).take_text(len(text))
    return text, notes
