"""A row of a journal: what is known of one item, with a checksum over it.

The checksum is over everything that says whose answer this is and what the answer is. A row whose checksum does not fit
was changed outside of this library, and is never handed out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

FAILED, ANSWERED, REFUSED = range(3)
"""Kinds of results; a refused item was never sent."""

MARK = b"CLJ2"
"""What a checksum begins with: it is found by these bytes where the tables around it are damaged."""


class JournalEntry(NamedTuple):
    """A row of ``items``; see ``SCHEMA``."""

    row: int
    key: str
    digest: str = ""
    copies: int = 1
    run_number: int = 0
    position: int = 0
    sends: int = 0
    settled: int = 0
    kind: int | None = None
    doubt: int = 0
    shape: str | None = None
    task: str | None = None
    documents: str | None = None
    guard: str | None = None
    matter: str | None = None
    record: str | None = None

    @property
    def in_doubt(self) -> bool:
        """It was sent, and whether the provider has done the work is not known."""
        return self.sends > self.settled or bool(self.doubt)

    @property
    def id(self) -> str | None:
        """The id that its item was given."""
        given = self.key[2:] if self.key.startswith("i:") else self.digest if self.kind == REFUSED else ""
        return given or None

    @property
    def content(self) -> str:
        """The digest of its item's content; empty where it is not known."""
        if self.kind == REFUSED:
            return ""
        return self.digest if self.key.startswith("i:") else self.key[2:].partition("#")[0]


SCHEMA = """
CREATE TABLE items (
    row       INTEGER PRIMARY KEY,
    checksum  BLOB NOT NULL,          -- over all that follows but copies
    key       TEXT NOT NULL UNIQUE,   -- i:<id>, else d:<digest>; r:<position> if refused
    digest    TEXT NOT NULL,          -- of the content of an i: item; the id of an r: item that has one
    copies    INTEGER NOT NULL,       -- items of the last run with this digest
    run       INTEGER NOT NULL,       -- the last run that read it,
    position  INTEGER NOT NULL,       -- and its place in that run's input, from 0
    sends     INTEGER NOT NULL,       -- how often it was sent
    settled   INTEGER NOT NULL,       -- which send the result is of; 0 without one
    kind      INTEGER,                -- of the result: 0 failed, 1 answered, 2 refused
    doubt     INTEGER NOT NULL,       -- 1: failed, but a provider may have done the work
    shape     TEXT,                   -- of an answer: what shaped it, see shapes
    task      TEXT,
    documents TEXT,
    guard     TEXT,
    matter    TEXT,
    record    TEXT                    -- the answer or the error as JSON
);
CREATE INDEX items_by_shape ON items (shape, kind);
CREATE INDEX items_in_doubt ON items (position) WHERE sends > settled OR doubt;
CREATE INDEX items_never_sent ON items (row) WHERE kind = 2 OR (kind IS NULL AND sends = 0);
CREATE TABLE shapes (
    row      INTEGER PRIMARY KEY,
    checksum BLOB NOT NULL,
    shape    TEXT NOT NULL UNIQUE,
    backend  TEXT NOT NULL,
    parts    TEXT NOT NULL            -- a JSON object of digests, see batch/shape.py
);
CREATE TABLE facts (
    row      INTEGER PRIMARY KEY,
    checksum BLOB NOT NULL,
    name     TEXT NOT NULL UNIQUE,
    value    TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, started TEXT NOT NULL)
"""
# An item is in doubt if its last send has no result: `sends` is above `settled`. Taking back a send counts it down.

COLUMNS = (
    "row", "checksum", "key", "digest", "copies", "run", "position", "sends", "settled", "kind", "doubt", "shape",
    "task", "documents", "guard", "matter", "record",
)  # fmt: skip
"""The columns of ``items`` in their order: the fields of an entry in theirs, with the checksum behind the row."""

_COPIES = JournalEntry._fields.index("copies")


def checksum(values: Sequence[Any]) -> bytes:
    """16 bytes over plain values, in their order."""
    return MARK + hashlib.blake2b(repr(tuple(values)).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def to_row(entry: JournalEntry) -> tuple[Any, ...]:
    """The entry as it is stored."""
    row, *values = entry
    return (row, checksum(values[: _COPIES - 1] + values[_COPIES:]), *values)


def from_row(values: Sequence[Any]) -> JournalEntry:
    """The entry that ``to_row`` made. Raises ValueError if anything in it was changed since."""
    row, stored, *rest = values
    if stored != checksum(rest[: _COPIES - 1] + rest[_COPIES:]):
        raise ValueError(f"the record of item {rest[0]!r} was changed since it was written")
    return JournalEntry(row, *rest)
