"""Tables in text (RFC 4180), read strictly: a row whose quoting is not sure is an error, never another text.

Readers of CSV guess: a quote that is never closed swallows the rows below it, an inch mark or a backslash before a
quote changes the text. Here a cell is quoted as a whole, with quotes inside it doubled, or has no quote in it; anything
else is a ``BadRow`` with its line, and reading goes on with the next line that is sure to be a row.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from complaint_llm.exceptions import BatchError

DELIMITERS = (",", ";", "\t")
"""What separates cells where nothing says it."""

MAX_ROW = 16 * 1024 * 1024
"""Characters of a row: a quote that is open for longer counts as never closed."""

_ENDS = "\r\n"


class Row(NamedTuple):
    """A row as it stands in the file; ``line`` counts from 1."""

    line: int
    cells: list[str]


class BadRow(NamedTuple):
    """What is no row, with why. ``cells`` are those before the place where it became unsure."""

    line: int
    problem: str
    cells: list[str]


class Table(NamedTuple):
    """``columns`` are the names in the header, nameless ones at its end left out."""

    columns: tuple[str, ...]
    delimiter: str
    rows: Iterator[Row | BadRow]


class _UnsureError(Exception):
    """The quoting of a row is not sure. ``quoted``: inside a quoted cell, which may go on in the lines below."""

    def __init__(self, problem: str, cells: list[str], *, quoted: bool) -> None:
        super().__init__(problem)
        self.problem = problem
        self.cells = cells
        self.quoted = quoted


class _Lines:
    """Physical lines, which can be given back. ``number`` is that of the last line taken."""

    def __init__(self, source: Iterator[str]) -> None:
        self._source = source
        self._waiting: deque[str] = deque()
        self.number = 0

    def take(self) -> str | None:
        line = self._waiting.popleft() if self._waiting else next(self._source, None)
        self.number += line is not None
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        self._waiting.extendleft(reversed(lines))
        self.number -= len(lines)


def read_table(source: Iterator[str], delimiter: str | None = None, needed: Sequence[str] = ()) -> Table:
    """The table in lines of text. Without ``delimiter`` it is that of a first line ``sep=;``, else the one of
    ``DELIMITERS`` under which the header has the ``needed`` columns, and of several the most columns.

    Raises BatchError if the header cannot be read, names a column twice, or has not the columns that are needed.
    """
    lines = _Lines(source)
    line = lines.take()
    while line is not None and not line.strip(" \t" + _ENDS):
        line = lines.take()
    if line is None:
        raise BatchError("line 1: there is no header: the file is empty")
    stated = re.fullmatch(r'"?sep=(.)"?[\r\n]*', line, re.IGNORECASE)
    if stated:
        delimiter = delimiter or stated[1]
        line = lines.take() or ""
    number = lines.number
    headers: dict[str, tuple[list[str], list[str]]] = {}
    problem = ""
    for each in DELIMITERS if delimiter is None else (delimiter,):
        try:
            cells, more = _parse(line, lines, each)
        except _UnsureError as unsure:
            problem = unsure.problem
            continue
        lines.give_back(more)
        headers[each] = _names(cells), more
    if not headers:
        raise BatchError(f"line {number}: the header cannot be read: {problem}")
    best = max(headers, key=lambda each: (set(needed) <= set(headers[each][0]), len(headers[each][0])))
    columns, more = headers[best]
    for _ in more:
        lines.take()
    missing = next((name for name in needed if name not in columns), None)
    if missing is not None:
        hint = "" if delimiter else f"; they were read with the delimiter {best!r}, --delimiter says another"
        raise BatchError(f"the prompt template asks for {{{missing}}}; the columns are: {', '.join(columns)}{hint}")
    if len(set(columns)) != len(columns):
        raise BatchError(f"two columns are called {next(n for n in columns if columns.count(n) > 1)!r}")
    return Table(tuple(columns), best, _rows(lines, tuple(columns), best))


def _names(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    while len(names) > 1 and not names[-1]:
        names.pop()
    return [name or f"column {place}" for place, name in enumerate(names, 1)]


def _rows(lines: _Lines, columns: tuple[str, ...], delimiter: str) -> Iterator[Row | BadRow]:
    blank = delimiter + " \t" + _ENDS
    while (line := lines.take()) is not None:
        if not line.strip(blank):
            continue
        number = lines.number
        try:
            cells, more = _parse(line, lines, delimiter)
        except _UnsureError as unsure:
            yield from _bad_rows(lines, number, unsure, columns=columns, delimiter=delimiter)
            continue
        inside = _rows_inside([line, *more], cells, columns, delimiter) if more else []
        if inside:
            problem = (
                f"a quoted cell goes on to line {lines.number}, over lines that look like rows: is a quote not closed?"
            )
            yield BadRow(number, problem, cells[: _first_long(cells)])
            yield from _below(more, number, columns, delimiter)
        else:
            yield _row_of_width(number, cells, columns)


def _row_of_width(number: int, cells: list[str], columns: tuple[str, ...]) -> Row | BadRow:
    wanted = len(columns)
    if len(cells) > wanted and not any(cells[wanted:]):
        cells = cells[:wanted]
    if len(cells) != wanted:
        # Where a cell is too many or missing is not known: only the first is sure.
        return BadRow(number, f"{len(cells)} cells, the header has {wanted}", cells[:1])
    if any("\0" in cell for cell in cells):
        return BadRow(number, "there is a NUL character in it: is it of another encoding?", [])
    return Row(number, cells)


def _parse(line: str, lines: _Lines, delimiter: str) -> tuple[list[str], list[str]]:
    """The cells of the row that begins with this line, and the further lines that it goes over.

    Raises _UnsureError; the further lines are given back then.
    """
    row = _RowParser(line, lines, delimiter)
    try:
        return row.parse(), row.more
    except _UnsureError:
        lines.give_back(row.more)
        raise


class _RowParser:
    """One row: ``more`` are the further lines that it has taken for a quoted cell."""

    def __init__(self, line: str, lines: _Lines, delimiter: str) -> None:
        self.more: list[str] = []
        self._cells: list[str] = []
        self._text = line
        self._at = 0
        self._lines = lines
        self._delimiter = delimiter

    def parse(self) -> list[str]:
        """The cells. Raises _UnsureError."""
        while True:
            self._cells.append(self._quoted_cell() if self._text.startswith('"', self._at) else self._plain_cell())
            if not self._text.startswith(self._delimiter, self._at):
                return self._cells
            self._at += len(self._delimiter)

    def _plain_cell(self) -> str:
        end = self._text.find(self._delimiter, self._at)
        if end < 0:
            end = max(self._at, len(self._text.rstrip(_ENDS)))
        cell = self._text[self._at : end]
        if '"' in cell:
            raise self._unsure("a quote in the middle of a cell: quote the whole cell and double it", quoted=False)
        self._at = end
        return cell

    def _quoted_cell(self) -> str:
        parts: list[str] = []
        begin, size = self._at + 1, 0
        while True:
            text = self._text
            quote = text.find('"', begin)
            if quote < 0:
                size += len(text)
                line = self._lines.take() if size < MAX_ROW else None
                if line is None:
                    raise self._unsure("a quote is not closed")
                self.more.append(line)
                parts.append(text[begin:])
                self._text, begin = line, 0
                continue
            if quote > 0 and text[quote - 1] == "\\":
                raise self._unsure("a backslash before a quote: it is doubled in a table")
            parts.append(text[begin:quote])
            if text.startswith('"', quote + 1):
                parts.append('"')
                begin = quote + 2
                continue
            self._at = quote + 1
            if text.startswith(self._delimiter, self._at) or not text[self._at :].strip(_ENDS):
                return "".join(parts)
            raise self._unsure("a quote in the middle of a quoted cell: it is doubled there")

    def _unsure(self, problem: str, *, quoted: bool = True) -> _UnsureError:
        return _UnsureError(problem, self._cells, quoted=quoted)


def _bad_rows(
    lines: _Lines, number: int, unsure: _UnsureError, *, columns: tuple[str, ...], delimiter: str
) -> Iterator[BadRow]:
    """The bad row, with the lines below it that may belong to its open cell."""
    region = _open_region(lines, delimiter) if unsure.quoted else []
    until = f" (and with it the lines to {number + len(region)})" if region else ""
    yield BadRow(number, unsure.problem + until, unsure.cells)
    yield from _below(region, number, columns, delimiter)


def _below(region: Sequence[str], number: int, columns: tuple[str, ...], delimiter: str) -> Iterator[BadRow]:
    """Those lines below an open quote that may be rows: each is named, with its id."""
    for place, line in enumerate(region, 1):
        cells = _plain_cells(line, delimiter)
        if len(cells) == len(columns):
            yield BadRow(number + place, f"below the open quote of line {number}", cells)


def _open_region(lines: _Lines, delimiter: str) -> list[str]:
    """The lines down to the next quote, if that looks like the end of a cell: they may be inside of it."""
    taken: list[str] = []
    size = 0
    while size < MAX_ROW and (line := lines.take()) is not None:
        taken.append(line)
        size += len(line)
        quote = line.find('"')
        if quote >= 0:
            ends = line.startswith(delimiter, quote + 1) or not line[quote + 1 :].strip(_ENDS)
            if ends:
                return taken
            break
    lines.give_back(taken)
    return []


def _plain_cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line by its delimiters alone."""
    return [cell.strip('"') for cell in line.rstrip(_ENDS).split(delimiter)]


_KINDS = (
    re.compile(r"\d{1,20}"),
    re.compile(r"(?=\S*\d)[\w./#:-]{1,40}"),
    re.compile(r"[A-Z][\w.'’-]*( [A-Z][\w.'’-]*){0,4}"),
)
"""What a cell that names a row looks like: a number, a file number, a person's name."""


def _rows_inside(lines: list[str], cells: list[str], columns: tuple[str, ...], delimiter: str) -> list[int]:
    """Which lines of a row over several lines look like rows of their own: as many cells, and a name of the same kind.

    By the standard such a row is one; a quote that somebody forgot makes the same, and then it is several clients'.
    """
    if len(cells) < 2:
        return []
    long = _first_long(cells)
    found: set[int] = set()
    for column in {columns.index("id")} if "id" in columns else {0, len(cells) - 1}:
        if column >= len(cells):
            continue
        kind = next((kind for kind in _KINDS if kind.fullmatch(cells[column].strip())), None)
        if kind is None:
            continue
        places = range(1, len(lines)) if column < long else range(len(lines) - 1)
        for place in places:
            alone = _plain_cells(lines[place], delimiter)
            if len(alone) == len(columns) and kind.fullmatch(alone[column].strip()):
                found.add(place)
    return sorted(found)


def _first_long(cells: list[str]) -> int:
    """The place of the first cell that goes over several lines."""
    return next((place for place, cell in enumerate(cells) if "\n" in cell or "\r" in cell), len(cells))
