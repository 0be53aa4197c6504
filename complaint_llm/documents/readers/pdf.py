"""Reads PDF with PDFium, which a hostile file may make abort: in the reading process only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, BinaryIO

import pypdfium2.raw as pdfium
from pypdfium2.version import PDFIUM_INFO

from complaint_llm.documents.kinds import PDF
from complaint_llm.documents.page_choice import Pages
from complaint_llm.documents.pages import Limits, ReadDocument
from complaint_llm.documents.pdf.annotations import open_form
from complaint_llm.documents.pdf.page_reading import PageReading, read_page
from complaint_llm.documents.readers.unreadable import UnreadableError

_END_WITHIN = 4096
"""Bytes before the end of a file, in which a PDF's own end must stand. PDF 1.7 asks for the last line, and readers for
the last 1,024 bytes."""
_MOST_NOTES = 1_000
_ERRORS = {
    pdfium.FPDF_ERR_PASSWORD: "is encrypted: save it without a password",
    pdfium.FPDF_ERR_SECURITY: "is encrypted in a way that is not known here: print it to a new PDF",
}


def read(file: BinaryIO, limits: Limits, pages: Pages | None) -> ReadDocument:
    """What a PDF's pages show, hide, and hold in their fields. Raises UnreadableError."""
    data = file.read()
    _check_end(data)
    with _open_document(data) as document, open_form(document) as form:
        count = pdfium.FPDF_GetPageCount(document)
        if count <= 0:
            raise UnreadableError("has no pages")
        numbers = _numbers(pages, count)
        if len(numbers) > limits.pages:
            raise UnreadableError(
                f"has {len(numbers):,} pages; at most {limits.pages:,} are read at once: choose some (pages=)"
            )
        found: list[PageReading] = []
        characters, image_bytes = 0, 0
        for number in numbers:
            with _open_page(document, form, number) as page:
                reading = read_page(page, form, number, limits.image_pixels)
            found.append(reading)
            characters += len(reading.page.text) + sum(len(text) for _, text in reading.page.hidden)
            image_bytes += len(reading.page.image.data) if reading.page.image is not None else 0
            if characters > limits.text_characters:
                raise UnreadableError(
                    f"holds more than {limits.text_characters:,} characters of text: choose pages (pages=)"
                )
            if image_bytes > limits.image_bytes:
                raise UnreadableError(
                    f"has more than {limits.image_bytes // 2**20} MB of images of its pages: choose pages (pages=)"
                )
        return ReadDocument(
            pages=tuple(reading.page for reading in found),
            media_type=PDF,
            reader="pdfium",
            version=str(PDFIUM_INFO.build),
            page_count=count,
            has_pages=True,
            notes=(*_repair_notes(data), *_page_notes(found)),
        )


def _numbers(pages: Pages | None, count: int) -> Any:
    if pages is None:
        return range(1, count + 1)
    try:
        return pages.numbers(count)
    except ValueError as error:
        raise UnreadableError(str(error)) from None


def _check_end(data: bytes) -> None:
    """Raises UnreadableError for a file that was cut: PDFium reads what is left of it, and pages would be missing."""
    if b"%%EOF" not in data.rstrip(b"\0\r\n\t ")[-_END_WITHIN:]:
        raise UnreadableError("is cut off: its end is missing; get the file again")


def _repair_notes(data: bytes) -> Iterator[str]:
    """That the table of a file's parts is not where the file says, and was made anew by PDFium."""
    found = re.findall(rb"startxref\s+([0-9]{1,12})", data[-_END_WITHIN:])
    start = data.find(b"%PDF-", 0, 1024)
    place = int(found[-1]) if found else 0
    for base in {0, max(0, start)}:
        if re.match(rb"\s*(?:xref|[0-9]+\s+[0-9]+\s+obj)", data[base + place : base + place + 40]):
            return
    yield "The file is damaged and was repaired in reading: something may be missing."


def _page_notes(found: list[PageReading]) -> Iterator[str]:
    notes = [note for reading in found for note in reading.notes]
    yield from notes[:_MOST_NOTES]
    if len(notes) > _MOST_NOTES:
        yield f"{len(notes) - _MOST_NOTES} more notes, comments for the most part, were left out."


@cache
def _initialise() -> None:
    pdfium.FPDF_InitLibrary()


@contextmanager
def _open_document(data: bytes) -> Iterator[Any]:
    _initialise()
    document = pdfium.FPDF_LoadMemDocument64(data, len(data), None)
    if not document:
        error = pdfium.FPDF_GetLastError()
        raise UnreadableError(_ERRORS.get(error, "is damaged, or no PDF: get the file again"))
    try:
        yield document
    finally:
        pdfium.FPDF_CloseDocument(document)


@contextmanager
def _open_page(document: Any, form: Any, number: int) -> Iterator[Any]:
    page = pdfium.FPDF_LoadPage(document, number - 1)
    if not page:
        raise UnreadableError(f"is damaged: page {number} cannot be read")
    if form:
        pdfium.FORM_OnAfterLoadPage(page, form)
    try:
        yield page
    finally:
        if form:
            pdfium.FORM_OnBeforeClosePage(page, form)
        pdfium.FPDF_ClosePage(page)
