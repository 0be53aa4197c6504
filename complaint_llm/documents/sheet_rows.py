"""A sheet of an Excel file as a table: read in the process that reads documents, and handed over as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.kinds import WORKBOOK, document_kind
from complaint_llm.documents.pages import Limits, Page, ReadDocument
from complaint_llm.documents.plugin_reader import PluginReader
from complaint_llm.documents.reading import DocumentReaders
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.prompt_files import read_document_file

if TYPE_CHECKING:
    from complaint_llm.documents.page_choice import Pages
    from complaint_llm.documents.readers.workbook_parts import Sheet

_ROWS = "application/x-sheet-rows"
_ROWS_A_PAGE = 1_000
_USUAL = Limits()


class TableRow(NamedTuple):
    """A row as Excel counts, from 1: a text for each column, or with ``error`` why they are not to be used."""

    number: int
    values: dict[str, str]
    error: str = ""


class TableOfSheet(NamedTuple):
    """A sheet whose first row names the columns; ``notes`` are sentences about what is hidden in it."""

    sheet: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...]


def read_sheet(path: str | PathLike[str], sheet: str | None = None, limits: Limits = _USUAL) -> TableOfSheet:
    """The sheet of a name, or of a number from 1 where no sheet is called so, or the first that is not hidden.

    Raises InvalidRequestError in a line that names the file, and ConfigError without the extra documents.
    """
    data, name = read_document_file(path), Path(path).name
    if document_kind(data[:65536], name) != WORKBOOK:
        raise InvalidRequestError(f"{name} is no Excel file", sent=False)
    readers = DocumentReaders(limits, {_ROWS: PluginReader(__name__, read.__name__)}, most=1)
    try:
        asked = json.dumps({"sheet": sheet}).encode("ascii") + b"\n"
        found = readers.read(asked + data, _ROWS, name, deadline=Deadline(limits.seconds), cancel=CancelToken())
    finally:
        readers.close()
    head, *pages = found.pages
    rows = tuple(TableRow(*json.loads(line)) for page in pages for line in page.text.split("\n"))
    return TableOfSheet(head.label, tuple(json.loads(head.text)), rows, tuple(found.notes))


def read(file: BinaryIO, limits: Limits, pages: Pages | None) -> ReadDocument:
    """For the reading process: a line of JSON that names the sheet, then the workbook.

    The first page has the columns, each other page rows, a line of JSON each.
    """
    # extra, and cold start: only the reading process needs them
    from complaint_llm.documents.readers.workbook_parts import Workbook
    from complaint_llm.documents.workbook_rows import read_rows

    sheet = json.loads(file.readline())["sheet"]
    data = file.read()
    if sheet is not None:
        sheet = _sheet_name(sheet, Workbook(BytesIO(data), limits).sheets)
    table = read_rows(BytesIO(data), limits, sheet)
    made = [Page(1, json.dumps(table.columns), "extracted", table.sheet)]
    waiting: list[str] = []
    hidden = 0
    for row in table.rows:
        if not row.error and not any(map(str.strip, row.values.values())):
            continue
        hidden += row.is_hidden
        waiting.append(json.dumps((row.number, row.values, row.error)))
        if len(waiting) == _ROWS_A_PAGE:
            made.append(Page(len(made) + 1, "\n".join(waiting), "extracted"))
            waiting = []
    if waiting:
        made.append(Page(len(made) + 1, "\n".join(waiting), "extracted"))
    said = (f"{hidden:,} rows of sheet {table.sheet!r} are hidden, and read",) if hidden else ()
    return ReadDocument(
        pages=tuple(made),
        media_type=_ROWS,
        reader="sheet rows",
        version="1",
        page_count=len(made),
        has_pages=False,
        notes=(*table.notes, *said),
    )


def _sheet_name(given: str, sheets: Sequence[Sheet]) -> str:
    """The name of the sheet that is called so, else of the one with this number."""
    names = [each.name for each in sheets if each.is_table]
    if given not in names and given.isascii() and given.isdigit() and 0 < int(given[:9]) <= len(names):
        return names[int(given[:9]) - 1]
    return given
