"""HTML files: the text that a browser shows, and apart from it what it holds and does not show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from complaint_llm.documents.pages import Limits, Page, ReadDocument
from complaint_llm.documents.readers.charset import codec_of, decode_text
from complaint_llm.documents.readers.choice import Room, refuse_choice
from complaint_llm.documents.readers.html_page import HtmlPage

if TYPE_CHECKING:
    from complaint_llm.documents.page_choice import Pages

MEDIA_TYPE = "text/html"
VERSION = "1"

_HEAD = 4096
_META = re.compile(
    rb"<meta\b[^>]{0,300}?\bcharset\s{0,9}=\s{0,9}[\"']?\s{0,9}([a-z0-9_.:-]{1,40})"
    rb"|<\?xml\b[^>]{0,100}?\bencoding\s{0,9}=\s{0,9}[\"']([a-z0-9_.:-]{1,40})",
    re.I,
)


def read(file: BinaryIO, limits: Limits, pages: Pages | None = None) -> ReadDocument:
    """The visible text of a page of HTML. Nothing is loaded, no script runs. Raises UnreadableError past a limit."""
    refuse_choice(pages, "an HTML file")
    data = file.read()
    text, notes = decode_text(data, declared_charset(data))
    page, more = page_of_html(text, Room(limits))
    return ReadDocument(
        pages=(page,),
        media_type=MEDIA_TYPE,
        reader="html",
        version=VERSION,
        page_count=1,
        has_pages=False,
        notes=notes + more,
    )


def page_of_html(text: str, room: Room) -> tuple[Page, tuple[str, ...]]:
    """What a browser shows of HTML, and what is to be said of it."""
    found = HtmlPage(text.replace("\0", ""), room)
    shown = found.lines.text
    notes = []
    if title := " ".join(found.title.split()):
        notes.append(f"title of the page: {title}")
    if found.images:
        notes.append(
            "1 image in it was not read" if found.images == 1 else f"{found.images:,} images in it were not read"
        )
    hidden = tuple((why, what.strip()) for why, what in found.lines.hidden)
    return Page(1, shown, "extracted" if shown else "none", hidden=hidden), tuple(notes)


def declared_charset(data: bytes) -> str | None:
    """What a page says of its own encoding; a UTF-16 that can be read as ASCII is none."""
    found = _META.search(data[:_HEAD])
    if found is None:
        return None
    charset = (found[1] or found[2]).decode("ascii")
    codec = codec_of(charset)
    return "utf-8" if codec is not None and codec.startswith(("utf-16", "utf-32")) else charset
