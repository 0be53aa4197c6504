"""Files of other makers for the tests of readers: python-docx, openpyxl, the standard library's mail."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import docx
import openpyxl
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from complaint_llm.documents.pages import Limits, ReadDocument
from complaint_llm.documents.readers import html, word, workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

W = nsdecls("w")


def word_bytes(build: Callable[[Any], object]) -> bytes:
    """A Word file that python-docx wrote."""
    document = docx.Document()
    build(document)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def put_xml(document: Any, *blocks: str) -> None:
    """Blocks of WordprocessingML at the end of the body, as other programs write them."""
    for block in blocks:
        name = block[1:].partition(">")[0].partition(" ")[0]
        element = parse_xml(block.replace(f"<{name}", f"<{name} {W}", 1))
        document.element.body.insert_element_before(element, "w:sectPr")


def read_word(data: bytes, limits: Limits | None = None) -> ReadDocument:
    """What the reader makes of it."""
    return word.read(io.BytesIO(data), limits or Limits())


def workbook_bytes(build: Callable[[Any], object]) -> bytes:
    """A workbook that openpyxl wrote; ``build`` gets it with one empty sheet."""
    book = openpyxl.Workbook()
    build(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read_workbook(data: bytes, limits: Limits | None = None) -> ReadDocument:
    """What the reader makes of it."""
    return workbook.read(io.BytesIO(data), limits or Limits())


def read_html(source: str | bytes, limits: Limits | None = None) -> ReadDocument:
    """What the reader makes of it."""
    return html.read(io.BytesIO(source.encode() if isinstance(source, str) else source), limits or Limits())


def shown(source: str) -> str:
    """The visible text of a page of HTML."""
    return read_html(source).pages[0].text


def hidden(source: str) -> list[tuple[str, str]]:
    """What a page of HTML holds and does not show."""
    return list(read_html(source).pages[0].hidden)


def with_parts(data: bytes, parts: Mapping[str, bytes | None]) -> bytes:
    """A zip with parts put in, put in place of others, or taken out (None)."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename not in parts:
                new.writestr(entry.filename, old.read(entry))
        for name, content in parts.items():
            if content is not None:
                new.writestr(name, content)
    return out.getvalue()


def part_of(data: bytes, name: str) -> bytes:
    """A part of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name)
