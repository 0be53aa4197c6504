"""What is readable of a damaged journal, as a new one.

The damaged file is not read through its own tables: a byte that was changed in a page's head hides all rows of that
page. Every row carries a mark and a checksum (see ``entries``), so rows are looked for by the mark, in the pages of the
file and in those of its write-ahead log, and only those whose checksum fits are taken. The format is SQLite's
(https://www.sqlite.org/fileformat2.html): a record is the length of its head, a type for each column, then the values;
what does not fit into the page goes on in a chain of overflow pages.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.batch.journal.entries import COLUMNS, MARK, JournalEntry, checksum, from_row
from complaint_llm.batch.journal.journal import Journal
from complaint_llm.batch.journal.shape import Shape
from complaint_llm.batch.journal.spans import span_rows
from complaint_llm.exceptions import BatchError

PAGE = 4096
"""Bytes of a page: SQLite's default since 3.12, which journals are made with."""

_WAL_HEAD, _FRAME_HEAD = 32, 24
_LONGEST_HEAD = 64
_SHAPE_COLUMNS, _METADATA_COLUMNS = 5, 4
_SIZES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
"""Bytes of the values of SQLite's serial types that journals use."""


class Salvaged(NamedTuple):
    """How much was kept, and where the damaged file was moved."""

    kept: int
    damaged: Path


def salvage_journal(path: str | os.PathLike[str]) -> Salvaged:
    """Put what is readable of a journal into a new one under its name; the damaged one is moved beside it.

    Raises BatchError if there is none, or nothing can be read of it.

    >>> salvage_journal("night.journal").kept  # doctest: +SKIP
    412
    """
    place = Path(path)
    _refuse_if_in_use(place)
    try:
        pages = _Pages(place.read_bytes(), _read_or_nothing(_log_of(place)))
    except OSError as error:
        raise BatchError(f"{place}: the journal cannot be read: {error.strerror}") from error
    rows = list(_rows(pages))
    entries = _with_places(place, _newest(_entries(rows))) or _first_version(place)
    if not entries:
        raise BatchError(f"{place}: nothing in it can be read as a batch journal; it was left as it is")
    damaged = _free_name(place)
    with tempfile.TemporaryDirectory(prefix=".salvage-", dir=place.parent) as folder:
        made = Path(folder) / place.name
        with Journal(made) as journal:
            for shape in _found_shapes(rows):
                journal.add_shape(shape)
            for name, value in _metadata(rows):
                journal.set_metadata(name, value)
            journal.run_number = max(entry.run_number for entry in entries) - 1
            journal.begin_run()
            journal.write([entry._replace(row=journal.new_row()) for entry in entries])
        for suffix in ("", "-wal", "-shm"):
            old = place.with_name(place.name + suffix)
            if old.exists():
                old.rename(damaged.with_name(damaged.name + suffix))
        made.rename(place)
    return Salvaged(len(entries), damaged)


def _refuse_if_in_use(path: Path) -> None:
    try:
        # Read-only: to open a log otherwise is to drop what is behind its damaged place.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        if (getattr(error, "sqlite_errorname", None) or "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise BatchError(f"{path}: another process uses this journal; wait until that ends") from error
        # Damaged, or not there: reading it says so.


class _Pages:
    """The pages of a database and of its write-ahead log: those of the log are newer."""

    def __init__(self, data: bytes, log: bytes) -> None:
        self._data = data
        self._log = log
        step = PAGE + _FRAME_HEAD
        frames = range(_WAL_HEAD, len(log) - step + 1, step)
        self._frames = {int.from_bytes(log[at : at + 4], "big"): at + _FRAME_HEAD for at in frames}

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._data), PAGE):
            yield self._data[at : at + PAGE]
        for at in range(_WAL_HEAD, len(self._log), PAGE + _FRAME_HEAD):
            yield self._log[at + _FRAME_HEAD : at + _FRAME_HEAD + PAGE]

    def versions(self, number: int) -> list[bytes]:
        """What page ``number`` (from 1) is in the log and in the file."""
        found = [self._data[(number - 1) * PAGE : number * PAGE]]
        if number in self._frames:
            at = self._frames[number]
            found.insert(0, self._log[at : at + PAGE])
        return [page for page in found if len(page) == PAGE]


def _rows(pages: _Pages) -> Iterator[tuple[Any, ...]]:
    """The values of every row of ours that can be found, whatever state it is of."""
    for page in pages:
        at = page.find(MARK)
        while at >= 0:
            for head in range(3, min(at, _LONGEST_HEAD) + 1):
                # A head of fewer than 128 bytes begins with its own length.
                if page[at - head] == head:
                    yield from _values(pages, page, at - head, head)
            at = page.find(MARK, at + 1)


def _values(pages: _Pages, page: bytes, start: int, head: int) -> Iterator[tuple[Any, ...]]:
    types = _types(page[start + 1 : start + head])
    if types is None or len(types) not in (len(COLUMNS), _SHAPE_COLUMNS, _METADATA_COLUMNS):
        return
    sizes = [_SIZES[kind] if kind < 12 else (kind - 12) // 2 for kind in types]
    total = head + sum(sizes)
    for payload in _payloads(pages, page, start, total):
        at, values = head, []
        for kind, size in zip(types, sizes, strict=True):
            values.append(_value(kind, payload[at : at + size]))
            at += size
        if values[1][: len(MARK)] == MARK:
            yield tuple(values)


def _types(head: bytes) -> list[int] | None:
    types, value = [], 0
    for byte in head:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            if value in (7, 10, 11):
                return None
            types.append(value)
            value = 0
    return types if types and types[0] == 0 and types[1:2] == [12 + 2 * 16] and not value else None


def _value(kind: int, data: bytes) -> Any:
    if kind == 0:
        return None
    if kind in (8, 9):
        return kind - 8
    if kind < 12:
        return int.from_bytes(data, "big", signed=True)
    return bytes(data) if kind % 2 == 0 else data.decode("utf-8", "replace")


def _payloads(pages: _Pages, page: bytes, start: int, total: int) -> Iterator[bytes]:
    """The bytes of a record that begins at ``start``, in each way in which its overflow pages can be read."""
    most = PAGE - 35
    if total <= most:
        if start + total <= PAGE:
            yield page[start : start + total]
        return
    least = (PAGE - 12) * 32 // 255 - 23
    local = least + (total - least) % (PAGE - 4)
    if local > most:
        local = least
    end = start + local
    if end + 4 <= PAGE:
        yield from _chain(pages, page[start:end], int.from_bytes(page[end : end + 4], "big"), total)


def _chain(pages: _Pages, begun: bytes, number: int, total: int) -> Iterator[bytes]:
    for newest in (0, -1):  # all of it from the log where it has it, or from the file
        payload, at = bytearray(begun), number
        while len(payload) < total and at:
            versions = pages.versions(at)
            if not versions:
                break
            page = versions[newest]
            at = int.from_bytes(page[:4], "big")
            payload += page[4 : 4 + total - len(payload)]
        if len(payload) == total:
            yield bytes(payload)


def _entries(rows: Sequence[tuple[Any, ...]]) -> Iterator[JournalEntry]:
    for values in rows:
        if len(values) == len(COLUMNS):
            try:
                yield from_row((0, *values[1:]))
            except ValueError:
                continue


def _found_shapes(rows: Sequence[tuple[Any, ...]]) -> Iterator[Shape]:
    for values in rows:
        if len(values) == _SHAPE_COLUMNS and values[1] == checksum(values[2:]):
            yield Shape(values[3], json.loads(values[4]))


def _metadata(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, str]]:
    for values in rows:
        if len(values) == _METADATA_COLUMNS and values[1] == checksum(values[2:]):
            yield values[2], values[3]


def _newest(entries: Iterator[JournalEntry]) -> list[JournalEntry]:
    """One entry for each key: of those that a file and its log still hold, the last that was written."""
    kept: dict[str, JournalEntry] = {}
    for entry in entries:
        known = kept.get(entry.key)
        if known is None or _age(known) <= _age(entry):
            kept[entry.key] = entry
    return sorted(kept.values(), key=lambda entry: (entry.run_number, entry.position))


def _age(entry: JournalEntry) -> tuple[int, int, int]:
    return entry.run_number, entry.sends, entry.settled


def _with_places(path: Path, entries: list[JournalEntry]) -> list[JournalEntry]:
    """The entries where later runs found them, as far as that can be read; else where they were when asked."""
    query = "SELECT key, places.run, places.position FROM items JOIN places USING (row)"
    places: dict[str, tuple[int, int]] = {}
    file = f"{path.absolute().as_uri()}?mode=ro"
    with suppress(sqlite3.Error, ValueError), closing(sqlite3.connect(file, uri=True)) as db:
        for key, run_number, position in db.execute(query):
            places[key] = run_number, position
        rows = {row: (run_number, place) for row, place, run_number in span_rows(db, 0)}
        for row, key in db.execute("SELECT row, key FROM items") if rows else ():
            if row in rows:
                places[key] = rows[row]
    found = []
    for entry in entries:
        run_number, position = places.get(entry.key, (0, 0))
        is_later = run_number > entry.run_number
        found.append(entry._replace(run_number=run_number, position=position) if is_later else entry)
    return found


def _first_version(path: Path) -> list[JournalEntry]:
    """The answers of a journal of the first version, which has no checksums, as far as its tables can be read."""
    columns = "key, digest, copies, run, position, sends, settled, kind, doubt, record"
    found: list[JournalEntry] = []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (last,) = db.execute("SELECT max(row) FROM items").fetchone()
            for row in range(1, (last or 0) + 1):
                found += _first_version_row(db, columns, row)
    except sqlite3.Error:
        pass  # what was read until then is kept
    return found


def _first_version_row(db: sqlite3.Connection, columns: str, row: int) -> list[JournalEntry]:
    try:
        values = db.execute(f"SELECT {columns} FROM items WHERE row = ?", (row,)).fetchone()  # noqa: S608
        *known, record = values
        if record is not None:
            json.loads(record)
        return [JournalEntry._make((row, *known, *[None] * 5, record))]
    except (sqlite3.Error, ValueError, TypeError):
        return []


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _read_or_nothing(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _free_name(path: Path) -> Path:
    number = 1
    while (found := path.with_name(f"{path.name}.damaged{number if number > 1 else ''}")).exists():
        number += 1
    return found
