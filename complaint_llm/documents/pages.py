"""What was read in a document: pages with their text, what is hidden in it, and images of pages that have no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

TextSource = Literal["text layer", "text layer of a scan", "extracted", "none"]
"""Where a page's text comes from: born digital in a PDF, laid over the image of a page by OCR, taken out of a format
that has no pages (Word, mail, HTML, a table, plain text), or there is none (a scan, an empty page)."""


class PageImage(NamedTuple):
    """A page, or a picture that is all there is on it, as an image."""

    data: bytes
    media_type: str
    """``image/png`` or ``image/jpeg``."""


class Page(NamedTuple):
    """A page, or what stands for one: a sheet of a workbook, a mail, the whole of a text.

    ``number`` counts from 1 as the file does, whatever pages were asked for. ``label`` is the name of a sheet, an
    attachment or the like. ``text`` is in the order in which a person would read it, without what is hidden.
    ``hidden`` is text that the page holds and does not show (white, off the page, under an image), each with why:
    ``("white text", "...")``. ``image`` is there for a page without text that shows something.
    """

    number: int
    text: str
    source: TextSource
    label: str = ""
    hidden: Sequence[tuple[str, str]] = ()
    image: PageImage | None = None


class ReadDocument(NamedTuple):
    """What a reader found in a file.

    ``page_count`` is that of the whole file, ``pages`` are those that were asked for. ``has_pages`` is false for
    formats without pages of their own: then no page is ever named to anybody. ``notes`` are sentences for whoever uses
    the text: attachments that were left out, comments, changes that were tracked. ``reader`` and ``version`` say what
    read it.
    """

    pages: tuple[Page, ...]
    media_type: str
    reader: str
    version: str
    page_count: int
    has_pages: bool
    notes: tuple[str, ...] = ()


class Limits(NamedTuple):
    """What a reader may use and give back. Past a limit the file is refused in a sentence; nothing is cut."""

    seconds: float = 60.0
    memory_bytes: int = 400 * 1024 * 1024
    """Of the process that reads."""
    file_bytes: int = 64 * 1024 * 1024
    pages: int = 2_000
    text_characters: int = 20_000_000
    image_bytes: int = 64 * 1024 * 1024
    """Of all images of pages together."""
    image_pixels: int = 2_000
    """The longer side of an image of a page."""
