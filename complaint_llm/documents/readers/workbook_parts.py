"""The parts of a workbook: its sheets, and their cells as they are shown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from xml.etree.ElementTree import Element

from complaint_llm.documents.pages import Limits
from complaint_llm.documents.readers.number_formats import (
    BUILT_IN,
    date_time,
    general,
    is_date_format,
    shown_number,
    shown_text,
)
from complaint_llm.documents.readers.package import Package
from complaint_llm.documents.readers.unreadable import UnreadableError

_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})")
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_ON = ("1", "true", "on")
LAST_COLUMN = 16_384
LAST_ROW = 1_048_576
_MOST_MERGES = 100_000


class Cell(NamedTuple):
    """A cell that holds something."""

    column: int
    text: str
    """As it is shown; of an error its name, ``#REF!``."""
    kind: str
    """``text``, ``number``, ``date``, ``switch`` (true or false), ``error``, or ``unknown``: a formula whose value was
    never worked out."""
    iso: str = ""
    """Of a date: ``2026-01-31``, ``2026-01-31T09:30:00`` or ``09:30:00``."""
    why_hidden: str | None = None


class SheetRow(NamedTuple):
    """A row in which something stands."""

    number: int
    cells: tuple[Cell, ...]
    is_hidden: bool


class SheetShape(NamedTuple):
    """What holds for a sheet besides its cells."""

    hidden_columns: tuple[tuple[int, int], ...]
    merged: tuple[tuple[int, int, int, int], ...]
    """First row, first column, last row, last column."""
    hides_rows: bool
    """Rows are hidden where nothing else is said."""


class Sheet(NamedTuple):
    """A sheet as the workbook names it."""

    name: str
    part: str
    is_hidden: bool
    is_table: bool
    """False for a sheet that is one chart."""


class _Format(NamedTuple):
    number: str
    is_date: bool
    why_hidden: str | None


class Workbook:
    """A workbook. Raises UnreadableError for what is none."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self.package = Package(file, limits, save_as=".xlsx")
        self._limits = limits
        self._main = self.package.related_part("", "officeDocument") or "xl/workbook.xml"
        if self._main.lower().endswith(".bin"):
            raise UnreadableError("is a binary workbook: open it and save it as .xlsx")
        if not self.package.has(self._main):
            raise UnreadableError("is no workbook: it has no list of sheets")
        self._relations = self.package.relations(self._main)
        self._by_kind = {each.kind: each.target for each in reversed(self._relations.values())}
        self._since_1904 = False
        self.sheets = tuple(self._sheets())
        if not self.sheets:
            raise UnreadableError("is no workbook: it has no sheet")
        self._formats = self._read_formats()
        self._strings = self._read_strings()

    def sheet(self, name: str | None) -> Sheet:
        """The sheet of a name, or the first that is not hidden. Raises UnreadableError if there is none."""
        tables = [each for each in self.sheets if each.is_table]
        if name is None:
            found = next((each for each in tables if not each.is_hidden), None)
            if found is None:
                raise UnreadableError("has no sheet that is not hidden: name one")
            return found
        for each in tables:
            if each.name == name:
                return each
        names = ", ".join(repr(each.name) for each in tables[:20])
        raise UnreadableError(f"has no sheet {name[:60]!r}; its sheets are {names}")

    def shape(self, sheet: Sheet) -> SheetShape:
        """Its hidden columns, merged cells and so on."""
        columns: list[tuple[int, int]] = []
        merged: list[tuple[int, int, int, int]] = []
        hides_rows = False
        for each in self.package.children(sheet.part, tags=frozenset(("x:cols", "x:sheetFormatPr", "x:mergeCells"))):
            if each.tag == "x:sheetFormatPr":
                hides_rows = each.get("zeroHeight", "0") in _ON
            for child in each:
                if child.tag == "x:col" and (child.get("hidden", "0") in _ON or child.get("width") == "0"):
                    columns.append((_integer(child.get("min")), _integer(child.get("max"))))
                elif child.tag == "x:mergeCell" and (area := _area(child.get("ref", ""))) is not None:
                    merged.append(area)
        if len(merged) > _MOST_MERGES:
            raise UnreadableError(f"has more than {_MOST_MERGES:,} merged cells in a sheet")
        return SheetShape(hidden_columns=tuple(columns), merged=tuple(merged), hides_rows=hides_rows)

    def rows(self, sheet: Sheet, shape: SheetShape) -> Iterator[SheetRow]:
        """The rows in which something stands, in their order."""
        before = 0
        for element in self.package.children(sheet.part, depth=2, tags=frozenset(("x:row",))):
            number = _integer(element.get("r")) or before + 1
            if not before < number <= LAST_ROW:
                raise UnreadableError("is damaged: rows of a sheet are out of order")
            before = number
            cells = tuple(self._cells(element))
            if cells:
                hidden = element.get("hidden", "0" if not shape.hides_rows or element.get("ht") else "1") in _ON
                yield SheetRow(number=number, cells=cells, is_hidden=hidden or element.get("ht") == "0")

    def _cells(self, row: Element) -> Iterator[Cell]:
        column = 0
        for element in row:
            if element.tag != "x:c":
                continue
            column = _column(element.get("r", "")) or column + 1
            if column > LAST_COLUMN:
                raise UnreadableError("is damaged: a cell lies beyond the last column")
            cell = self._cell(element, column)
            if cell is not None:
                yield cell

    def _cell(self, element: Element, column: int) -> Cell | None:
        style = _integer(element.get("s"))
        form = (
            self._formats[style] if style < len(self._formats) else _Format("General", is_date=False, why_hidden=None)
        )
        why = form.why_hidden
        kind = element.get("t", "n")
        value: str | None = None
        has_formula = False
        for child in element:
            if child.tag == "x:v":
                value = child.text or ""
            elif child.tag == "x:f":
                has_formula = True
            elif child.tag == "x:is":
                value = rich_text(child)
        if value is None or (value == "" and kind in ("n", "b", "s", "e")):
            return Cell(column, "", "unknown") if has_formula else None
        if kind in ("s", "str", "inlineStr"):
            text = self._string(value) if kind == "s" else _unescape(value)
            shown = shown_text(text, form.number)
            return Cell(column, shown or text, "text", why_hidden=why or _why_empty(shown)) if text else None
        if kind == "b":
            return Cell(column, "TRUE" if value in _ON else "FALSE", "switch", why_hidden=why)
        if kind == "e":
            return Cell(column, value, "error", why_hidden=why)
        if kind == "d":
            return Cell(column, value, "date", iso=value, why_hidden=why)
        return self._number(column, value, form, why)

    def _number(self, column: int, value: str, form: _Format, why: str | None) -> Cell:
        try:
            number = float(value)
        except ValueError:
            return Cell(column, value, "text", why_hidden=why)
        if not math.isfinite(number):
            return Cell(column, value, "error", why_hidden=why)
        shown = shown_number(number, form.number, since_1904=self._since_1904)
        why = why or _why_empty(shown)
        shown = shown or general(number)
        if form.is_date:
            when = date_time(number, since_1904=self._since_1904)
            if when is None:
                return Cell(column, shown, "error", why_hidden=why)
            iso = when.isoformat(timespec="seconds")
            iso = iso[11:] if 0 <= number < 1 else iso.removesuffix("T00:00:00")
            return Cell(column, shown, "date", iso=iso, why_hidden=why)
        return Cell(column, shown, "number", why_hidden=why)

    def _string(self, value: str) -> str:
        index = _integer(value, -1)
        if not 0 <= index < len(self._strings):
            raise UnreadableError("is damaged: a cell names a text that is not there")
        return self._strings[index]

    # parts of the whole

    def _sheets(self) -> Iterator[Sheet]:
        for each in self.package.children(self._main):
            if each.tag == "x:workbookPr":
                self._since_1904 = each.get("date1904", "0") in _ON
            for child in each if each.tag == "x:sheets" else ():
                relation = self._relations.get(child.get("r:id", ""))
                if relation is not None and self.package.has(relation.target):
                    yield Sheet(
                        name=child.get("name", ""),
                        part=relation.target,
                        is_hidden=child.get("state", "visible") != "visible",
                        is_table=relation.kind == "worksheet",
                    )

    def _read_strings(self) -> list[str]:
        if "sharedStrings" not in self._by_kind:
            return []
        strings = []
        left = self._limits.text_characters
        for each in self.package.children(self._by_kind["sharedStrings"], tags=frozenset(("x:si",))):
            strings.append(rich_text(each))
            left -= len(strings[-1])
            if left < 0:
                raise UnreadableError(f"has more than {self._limits.text_characters:,} characters: split it")
        return strings

    def _read_formats(self) -> list[_Format]:
        if "styles" not in self._by_kind:
            return []
        numbers = dict(BUILT_IN)
        white: list[bool] = []
        filled: list[bool] = []
        formats: list[_Format] = []
        for part in self.package.children(self._by_kind["styles"]):
            if part.tag == "x:numFmts":
                numbers.update({_integer(each.get("numFmtId")): each.get("formatCode", "") for each in part})
            elif part.tag == "x:fonts":
                white = [_is_white(each.find("x:color")) for each in part]
            elif part.tag == "x:fills":
                filled = [_is_filled(each.find("x:patternFill")) for each in part]
            elif part.tag == "x:cellXfs":
                for each in part:
                    form = numbers.get(_integer(each.get("numFmtId")), "General")
                    font, fill = _integer(each.get("fontId")), _integer(each.get("fillId"))
                    is_white = font < len(white) and white[font] and not (fill < len(filled) and filled[fill])
                    why = "white text" if is_white else None
                    formats.append(_Format(form, is_date=is_date_format(form), why_hidden=why))
        return formats


def rich_text(element: Element) -> str:
    """A text and its runs, without how it is pronounced."""
    pieces = []
    for child in element:
        if child.tag == "x:t":
            pieces.append(child.text or "")
        elif child.tag == "x:r":
            pieces += [each.text or "" for each in child if each.tag == "x:t"]
    return _unescape("".join(pieces))


def _why_empty(shown: str) -> str | None:
    return None if shown.strip() else "format that shows nothing"


def column_name(column: int) -> str:
    """``A``, ``B``, ``AA``: the name of a column, counted from 1."""
    name = ""
    while column > 0:
        column, letter = divmod(column - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).replace("\0", "") if "_x" in text else text


def _column(reference: str) -> int:
    found = _REFERENCE.fullmatch(reference)
    column = 0
    for letter in found[1] if found else "":
        column = column * 26 + ord(letter) - ord("A") + 1
    return column


def _area(reference: str) -> tuple[int, int, int, int] | None:
    first, _, last = reference.partition(":")
    begin, end = _REFERENCE.fullmatch(first), _REFERENCE.fullmatch(last or first)
    return (
        None if begin is None or end is None else (int(begin[2]), _column(first), int(end[2]), _column(last or first))
    )


def _integer(text: str | None, default: int = 0) -> int:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else default


def _is_white(colour: Element | None) -> bool:
    """White by its value, or the theme's first colour, which is the paper's."""
    if colour is None:
        return False
    return colour.get("rgb", "")[-6:].upper() == "FFFFFF" or (colour.get("theme") == "0" and colour.get("tint") is None)


def _is_filled(fill: Element | None) -> bool:
    """Whether a cell has a ground of another colour than white."""
    if fill is None:
        return True  # a gradient
    if fill.get("patternType", "none") == "none":
        return False
    return fill.get("patternType") != "solid" or not _is_white(fill.find("x:fgColor"))
