"""Excel files (.xlsx, .xlsm): each sheet as a page, its rows as lines with tabs, everything as the cells show it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from complaint_llm.documents.pages import Limits, Page, ReadDocument
from complaint_llm.documents.readers.choice import Room, chosen_pages
from complaint_llm.documents.readers.unreadable import UnreadableError
from complaint_llm.documents.readers.workbook_parts import Sheet, SheetShape, Workbook, column_name, rich_text

if TYPE_CHECKING:
    from complaint_llm.documents.page_choice import Pages

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
VERSION = "1"

_ENDS = re.compile(r"\r\n|[\t\n\r]")
_COVERED = "under a merged cell"


def read(file: BinaryIO, limits: Limits, pages: Pages | None = None) -> ReadDocument:
    """The sheets of a workbook; the label of a page is its sheet's name, its number the place of the sheet.

    What a sheet hides (itself, rows, columns, white text) is in ``hidden``. Columns and rows in which nothing stands
    are left out, one empty line for any number of empty rows. Raises UnreadableError.
    """
    book = Workbook(file, limits)
    if len(book.sheets) > limits.pages:
        raise UnreadableError(f"has {len(book.sheets):,} sheets, and at most {limits.pages:,} are read: split it")
    room = Room(limits)
    wanted = {
        page.number for page in chosen_pages([Page(at, "", "none") for at in range(1, len(book.sheets) + 1)], pages)
    }
    found = []
    notes: list[str] = []
    for number, sheet in enumerate(book.sheets, 1):
        if number in wanted:
            page = _SheetPage(book, sheet, room)
            found.append(page.page(number))
            if page.unknown:
                notes.append(f"formulas of sheet {sheet.name} whose values were never worked out: {page.unknown:,}")
            notes += _notes(book, sheet)
    return ReadDocument(
        pages=tuple(found),
        media_type=MEDIA_TYPE,
        reader="workbook",
        version=VERSION,
        page_count=len(book.sheets),
        has_pages=False,
        notes=tuple(notes),
    )


class _SheetPage:
    """What a sheet shows and hides."""

    def __init__(self, book: Workbook, sheet: Sheet, room: Room) -> None:
        self._book = book
        self._sheet = sheet
        self._room = room
        self._hidden: list[tuple[str, str]] = []
        self._columns: dict[int, list[str]] = {}
        self.unknown = 0
        """Formulas without a value."""

    def page(self, number: int) -> Page:
        """The sheet as a page."""
        sheet = self._sheet
        if not sheet.is_table:
            return Page(number, "", "none", label=sheet.name)
        shape = self._book.shape(sheet)
        rows = list(self._visible_rows(shape))
        used = sorted({column for _, cells in rows for column, _ in cells})
        place = {column: at for at, column in enumerate(used)}
        lines: list[str] = []
        last = 0
        for row, cells in rows:
            if lines and row > last + 1:
                lines.append("")
            last = row
            tabs = place[cells[-1][0]]
            self._room.take_text(tabs + 1)
            line = [""] * (tabs + 1)
            for column, text in cells:
                line[place[column]] = text
            lines.append("\t".join(line))
        text = "\n".join([*lines, *self._drawn()])
        hidden = [*self._hidden]
        hidden += [
            (f"hidden column {column_name(at)}", "\n".join(texts)) for at, texts in sorted(self._columns.items())
        ]
        if sheet.is_hidden:
            hidden = [("hidden sheet", text), *hidden] if text.strip() else hidden
            text = ""
        return Page(number, text, "extracted" if text.strip() else "none", label=sheet.name, hidden=tuple(hidden))

    def _visible_rows(self, shape: SheetShape) -> Iterator[tuple[int, list[tuple[int, str]]]]:
        covers = _Covers(shape.merged)
        for row in self._book.rows(self._sheet, shape):
            cells: list[tuple[int, str]] = []
            unseen: list[str] = []
            for cell in row.cells:
                if cell.kind == "unknown":
                    self.unknown += 1
                text = _ENDS.sub(" ", cell.text)
                if not text or text.isspace():
                    continue
                self._room.take_text(len(text) + 1)
                if cell.why_hidden is not None or covers.cover(row.number, cell.column):
                    self._hidden.append((cell.why_hidden or _COVERED, text))
                elif row.is_hidden:
                    unseen.append(text)
                elif any(first <= cell.column <= last for first, last in shape.hidden_columns):
                    self._columns.setdefault(cell.column, []).append(text)
                else:
                    cells.append((cell.column, text))
            if unseen:
                self._hidden.append((f"hidden row {row.number}", "\t".join(unseen)))
            if cells:
                yield row.number, sorted(cells)

    def _drawn(self) -> Iterable[str]:
        """The text of boxes that lie over the cells."""
        for relation in self._book.package.relations(self._sheet.part).values():
            if relation.kind != "drawing":
                continue
            for anchor in self._book.package.children(relation.target):
                paragraphs = ["".join(each.text or "" for each in part.iter("a:t")) for part in anchor.iter("a:p")]
                if any(paragraph.strip() for paragraph in paragraphs):
                    self._room.take_text(sum(map(len, paragraphs)))
                    yield "\n" + "\n".join(paragraphs)


class _Covers:
    """Which cells lie under merged ones, asked row by row."""

    def __init__(self, merged: Iterable[tuple[int, int, int, int]]) -> None:
        self._areas = sorted(merged)
        self._firsts = [area[0] for area in self._areas]
        self._open: list[tuple[int, int, int, int]] = []
        self._next = 0

    def cover(self, row: int, column: int) -> bool:
        """Whether a cell lies under a merged one and is not its first. Rows must come in their order."""
        if not self._areas:
            return False
        upto = bisect_right(self._firsts, row)
        if upto > self._next:
            self._open += self._areas[self._next : upto]
            self._next = upto
        self._open = [area for area in self._open if area[2] >= row]
        return any(
            left <= column <= right and (row, column) != (top, left) for top, left, _, right in self._open if top <= row
        )


def _notes(book: Workbook, sheet: Sheet) -> Iterator[str]:
    """Comments on cells, charts and pictures of a sheet."""
    charts = pictures = 0
    for relation in book.package.relations(sheet.part).values():
        if relation.kind == "comments":
            for part in book.package.children(relation.target, depth=2, tags=frozenset(("x:comment",))):
                text = " ".join(rich_text(each) for each in part.findall("x:text")).strip()
                yield f"comment on {part.get('ref', 'a cell')} of sheet {sheet.name}: {' '.join(text.split())}"
        elif relation.kind == "drawing":
            for inner in book.package.relations(relation.target).values():
                charts += inner.kind == "chart"
                pictures += inner.kind == "image"
    if charts or pictures or not sheet.is_table:
        yield f"charts and pictures of sheet {sheet.name} were not read: {charts + pictures or 1}"
