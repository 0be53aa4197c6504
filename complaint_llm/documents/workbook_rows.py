"""The rows of a sheet as a batch reads them: a column is a text, and what is not plain is an error of its row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from complaint_llm.documents.pages import Limits
from complaint_llm.documents.readers.unreadable import UnreadableError
from complaint_llm.documents.readers.workbook_parts import (
    Cell,
    Sheet,
    SheetRow,
    SheetShape,
    Workbook,
    column_name,
)

_MOST_COLUMNS = 2_000


class WorkbookRow(NamedTuple):
    """A row of a sheet. All of it can be written as JSON."""

    number: int
    """As Excel counts, from 1."""
    values: dict[str, str]
    """By column, for each column; "" where nothing stands. Numbers as they are shown, dates as ISO 8601 writes them."""
    error: str = ""
    """What is the matter with the row, in words that follow its place; then ``values`` are not to be used."""
    is_hidden: bool = False
    """Hidden by hand or by a filter."""


class WorkbookTable(NamedTuple):
    """A sheet as a table."""

    sheet: str
    columns: tuple[str, ...]
    rows: Iterator[WorkbookRow]
    notes: tuple[str, ...]


def read_rows(file: BinaryIO, limits: Limits, sheet: str | None = None) -> WorkbookTable:
    """The sheet of a name, or the first that is not hidden, as a table whose first row names the columns.

    Rows are made while they are asked for. Nothing is guessed: a number is the text that its cell shows. Raises
    UnreadableError if the file is no workbook, has no such sheet, or the first row does not name each column once; also
    while rows are asked for, past a limit or where the file is damaged.
    """
    book = Workbook(file, limits)
    found = book.sheet(sheet)
    shape = book.shape(found)
    rows = book.rows(found, shape)
    head = next(rows, None)
    if head is None:
        raise UnreadableError(f"has nothing in sheet {found.name!r}")
    columns = _columns(head, found)
    hidden = [name for at, name in columns.items() if any(first <= at <= last for first, last in shape.hidden_columns)]
    notes = [f"column {name!r} of sheet {found.name!r} is hidden, and read" for name in hidden]
    if found.is_hidden:
        notes.append(f"sheet {found.name!r} is hidden, and read")
    return WorkbookTable(
        sheet=found.name,
        columns=tuple(columns.values()),
        rows=_rows(rows, columns, shape),
        notes=tuple(notes),
    )


def _columns(head: SheetRow, sheet: Sheet) -> dict[int, str]:
    place = f"row {head.number} of sheet {sheet.name!r}"
    columns: dict[int, str] = {}
    for cell in head.cells:
        name = " ".join(cell.text.split())
        if cell.kind in ("error", "unknown"):
            raise UnreadableError(f"has no name of a column but an error in {column_name(cell.column)}{head.number}")
        if not name:
            continue
        if name in columns.values():
            raise UnreadableError(f"names the column {name[:60]!r} twice in {place}")
        columns[cell.column] = name
    if not columns:
        raise UnreadableError(f"names no column in {place}")
    if len(columns) > _MOST_COLUMNS:
        raise UnreadableError(f"has more than {_MOST_COLUMNS:,} columns in {place}")
    return columns


def _rows(rows: Iterator[SheetRow], columns: dict[int, str], shape: SheetShape) -> Iterator[WorkbookRow]:
    waiting = sorted(shape.merged, reverse=True)
    merged: list[tuple[int, int, int, int]] = []
    for row in rows:
        values = dict.fromkeys(columns.values(), "")
        while waiting and waiting[-1][0] <= row.number:
            merged.append(waiting.pop())
        merged = [area for area in merged if area[2] >= row.number]
        error = f"has merged cells at {column_name(merged[0][1])}{merged[0][0]}: split them" if merged else ""
        for cell in row.cells:
            error = error or _error(cell, row.number, columns)
            if cell.column in columns:
                values[columns[cell.column]] = cell.iso or cell.text
        yield WorkbookRow(number=row.number, values=values, error=error, is_hidden=row.is_hidden)


def _error(cell: Cell, row: int, columns: dict[int, str]) -> str:
    place = f"{column_name(cell.column)}{row}"
    if cell.column not in columns:
        return f"has something in {place}, a column without a name" if cell.text.strip() else ""
    if cell.kind == "error":
        return f"has an error in {place}: {cell.text[:40]}"
    if cell.kind == "unknown":
        return f"has a formula in {place} whose value was never worked out: open the file in Excel and save it"
    return ""
