"""Answered items that stand together in the input, under one digest: a resume that finds them there reads none of them.

A span is ``LENGTH`` items that one run found side by side, all of them answered. It holds what tells whether a later
input has the same items in the same place, what shaped their answers, and what a summary counts of them. It is written
after its answers and never counts without them: what was not written yet when a process died is found item by item, and
noted then. Where an item of it moves or is asked again by itself, the span ends. No item of one is a copy of another or
has copies: those are told apart by how many came before.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from complaint_llm.batch.journal.entries import JournalEntry, checksum

LENGTH = 256

SCHEMA = """
CREATE TABLE IF NOT EXISTS spans (
    read     INTEGER NOT NULL,       -- the run at whose places its items stand,
    first    INTEGER NOT NULL,       -- and the place of the first
    run      INTEGER NOT NULL,       -- the last run that found it in its input
    digest   BLOB NOT NULL,          -- of what tells its items from others, in their order
    shapes   TEXT NOT NULL,          -- of its answers, as a JSON list
    demos    INTEGER NOT NULL,       -- how many of them are demonstrations
    summary  TEXT NOT NULL,          -- what is counted of them, as JSON
    items    BLOB NOT NULL,          -- their rows, in their order, 8 bytes each
    checksum BLOB NOT NULL,          -- over all of it but the run
    PRIMARY KEY (read, first)
)
"""
_COLUMNS = "read, first, digest, shapes, demos, summary, items, checksum"


class ItemSpan(NamedTuple):
    """See the module; ``items`` are the rows of its items."""

    read: int
    first: int
    digest: bytes
    shape_ids: frozenset[str]
    demos: int
    summary: str
    items: Sequence[int]

    @property
    def places(self) -> range:
        """Where its items stand in the input."""
        return range(self.first, self.first + LENGTH)


def span_digest(identities: Iterable[bytes]) -> bytes:
    """Of what tells each item from others, a line each, in their order."""
    return hashlib.blake2b(b"\n".join(identities), digest_size=16).digest()


class Spans:
    """Those of an open journal, for the run that is under way. They belong to the journal's thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._run_number = 0
        self._left: dict[tuple[int, int], int] | None = None
        self._carried: dict[int, int] = {}
        self._copied: set[int] = set()
        self._new: list[ItemSpan] = []
        self._found: list[ItemSpan] = []
        self._gone: list[tuple[int, int]] = []

    def begin_run(self, run_number: int) -> None:
        """Nothing of an earlier run was found yet."""
        self._run_number = run_number
        self._left, self._carried, self._copied = None, {}, set()

    def of_earlier_runs(self, stale: Collection[str], *, without_demos: bool) -> dict[int, list[ItemSpan]]:
        """Those that a resume may find, by their first place: but for answers of ``stale`` shapes."""
        query = f"SELECT {_COLUMNS} FROM spans WHERE read < ? ORDER BY first, read DESC"  # noqa: S608
        found: dict[int, list[ItemSpan]] = {}
        for values in self._db.execute(query, (self._run_number,)):
            try:
                span = _span(values)
            except ValueError:
                continue  # changed from outside: its items are found one by one
            if not (span.shape_ids & frozenset(stale) or (without_demos and span.demos)):
                found.setdefault(span.first, []).append(span)
        return found

    def add(self, span: ItemSpan) -> None:
        """Keep one whose answers are on disk, with the next ``write``, unless an item of it has copies."""
        if span.first not in self._copied:
            self._new.append(span)

    def find(self, span: ItemSpan) -> bool:
        """Whether it is still whole; then this run has read all of it."""
        if self._unmet().pop((span.read, span.first), None) is None:
            return False
        self._carried[span.first] = span.read
        self._found.append(span)
        return True

    def as_found(self, entry: JournalEntry) -> JournalEntry:
        """An entry as this run read it, where that was with its span."""
        first = entry.position - entry.position % LENGTH
        if not self._carried or self._carried.get(first) != entry.run_number:
            return entry
        return entry._replace(run_number=self._run_number)

    def leave(self, entry: JournalEntry) -> None:
        """An item that an earlier run read moves by itself, or is written anew: its span is one no longer."""
        first = entry.position - entry.position % LENGTH
        if self._unmet().pop((entry.run_number, first), None) is not None:
            self._gone.append((entry.run_number, first))

    def note_copy(self, entry: JournalEntry) -> None:
        """An item that this run read came again: the others of its span get places of their own."""
        first = entry.position - entry.position % LENGTH
        if first not in self._copied:
            self._copied.add(first)
            self._new = [span for span in self._new if span.first != first]
            self._gone.append((self._carried.get(first, self._run_number), first))

    @property
    def waiting(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._new or self._found or self._gone)

    def write(self) -> None:
        """Put what was added, found and left on disk, in the caller's transaction."""
        found = [(self._run_number, span.read, span.first) for span in self._found]
        self._db.executemany("UPDATE spans SET run = ? WHERE read = ? AND first = ?", found)
        placeholders = ", ".join("?" * 9)
        rows = [(*_values(span), checksum(_values(span)), span.read) for span in self._new]
        self._db.executemany(f"INSERT OR REPLACE INTO spans ({_COLUMNS}, run) VALUES ({placeholders})", rows)  # noqa: S608
        for read, first in dict.fromkeys(self._gone):
            dissolve(self._db, read, first)
        for each in (self._found, self._new, self._gone):
            each.clear()

    def _unmet(self) -> dict[tuple[int, int], int]:
        """Those of earlier runs that this one has not met."""
        if self._left is None:
            rows = self._db.execute("SELECT read, first, run FROM spans WHERE read < ?", (self._run_number,))
            self._left = {(read, first): run_number for read, first, run_number in rows}
        return self._left


def span_rows(db: sqlite3.Connection, run_number: int) -> Iterator[tuple[int, int, int]]:
    """Row, place and run of the items of spans that this run or a later one found, by their places.

    Raises ValueError where one was changed since it was written.
    """
    query = f"SELECT {_COLUMNS}, run FROM spans WHERE run > read AND run >= ? ORDER BY first, run"  # noqa: S608
    for *values, last in db.execute(query, (run_number,)):
        span = _span(values)
        yield from ((row, place, last) for row, place in zip(span.items, span.places, strict=True))


def dissolve(db: sqlite3.Connection, read: int | None = None, first: int = 0) -> None:
    """Give the items of a span (of all, where none is named) places of their own in the last run that found it, and
    delete it, in the caller's transaction."""
    one = "" if read is None else " AND read = ? AND first = ?"
    given = () if read is None else (read, first)
    query = f"SELECT {_COLUMNS}, run FROM spans WHERE run > read{one}"  # noqa: S608 - marks only
    for *values, run_number in db.execute(query, given).fetchall():
        span = _span(values)
        places = [(row, run_number, place) for row, place in zip(span.items, span.places, strict=True)]
        db.executemany("INSERT OR REPLACE INTO places (row, run, position) VALUES (?, ?, ?)", places)
    db.execute("DELETE FROM spans" if read is None else "DELETE FROM spans WHERE read = ? AND first = ?", given)


def _values(span: ItemSpan) -> tuple[int, int, bytes, str, int, str, bytes]:
    shape_ids, items = json.dumps(sorted(span.shape_ids)), array("q", span.items).tobytes()
    return span.read, span.first, span.digest, shape_ids, span.demos, span.summary, items


def _span(values: Sequence[Any]) -> ItemSpan:
    *stored, known = values
    if known != checksum(stored):
        raise ValueError("where some answers stand was changed since it was written")
    read, first, digest, shape_ids, demos, summary, items = stored
    return ItemSpan(read, first, digest, frozenset(json.loads(shape_ids)), demos, summary, array("q", items))
