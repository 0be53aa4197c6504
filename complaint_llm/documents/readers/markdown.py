"""Markdown is read as it is written: its marks are text that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from complaint_llm.documents.pages import Limits, Page, ReadDocument
from complaint_llm.documents.readers.choice import refuse_choice
from complaint_llm.documents.readers.text import read_text

if TYPE_CHECKING:
    from complaint_llm.documents.page_choice import Pages

MEDIA_TYPE = "text/markdown"
VERSION = "1"


def read(file: BinaryIO, limits: Limits, pages: Pages | None = None) -> ReadDocument:
    """The text as it is, but for the ends of lines. Raises UnreadableError past a limit."""
    refuse_choice(pages, "a Markdown file")
    text, notes = read_text(file, limits)
    return ReadDocument(
        pages=(Page(1, text, "extracted" if text.strip() else "none"),),
        media_type=MEDIA_TYPE,
        reader="markdown",
        version=VERSION,
        page_count=1,
        has_pages=False,
        notes=notes,
    )
