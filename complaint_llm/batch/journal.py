"""The file that makes a batch survive: which items were sent, which were answered, and the answers.

One SQLite database in WAL mode with ``synchronous=FULL``, opened by one process at a time (the exclusive lock is the
system's: it ends with the process). It holds digests, answers and errors, never prompts or keys. A ``Journal`` belongs
to one thread at a time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from array import array
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from complaint_llm.batch.codec import decode_output
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from complaint_llm.messages import InferenceOutput

T = TypeVar("T")

APPLICATION_ID = 0x434C4A31  # "CLJ1"
VERSION = 1

FAILED, ANSWERED, REFUSED = range(3)
"""Kinds of results; a refused item was never sent."""

# An item is in doubt if its last send has no result: `sends` is above `settled`. Taking back a send counts it down.
_SCHEMA = """
CREATE TABLE items (
    row      INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,   -- i:<id>, else d:<digest>; r:<position> if refused
    digest   TEXT NOT NULL,          -- of the content of an i: item; the id of an r: item that has one
    copies   INTEGER NOT NULL,       -- items of the last run with this digest
    run      INTEGER NOT NULL,       -- the last run that read it,
    position INTEGER NOT NULL,       -- and its place in that run's input, from 0
    sends    INTEGER NOT NULL,       -- how often it was sent
    settled  INTEGER NOT NULL,       -- which send the result is of; 0 without one
    kind     INTEGER,                -- of the result: 0 failed, 1 answered, 2 refused
    doubt    INTEGER NOT NULL,       -- 1: failed, but a provider may have done the work
    record   TEXT                    -- the answer or the error as JSON
);
CREATE TABLE runs (run INTEGER PRIMARY KEY, started TEXT NOT NULL)
"""


class Entry(NamedTuple):
    """A row of ``items``."""

    row: int
    key: str
    digest: str
    copies: int
    run: int
    position: int
    sends: int = 0
    settled: int = 0
    kind: int | None = None
    doubt: bool = False
    record: str | None = None

    @property
    def in_doubt(self) -> bool:
        """It was sent, and whether the provider has done the work is not known."""
        return self.sends > self.settled or bool(self.doubt)


_COLUMNS = ", ".join(Entry._fields)
_ROW = f"({', '.join('?' * len(Entry._fields))})"
# An item's result is written by what was known when it was read; copies of it may have been counted since.
_REPLACE = (
    " ON CONFLICT (row) DO UPDATE SET copies = CASE WHEN run = excluded.run THEN max(copies, excluded.copies)"
    " ELSE excluded.copies END, "
    + ", ".join(f"{name} = excluded.{name}" for name in Entry._fields if name not in ("row", "key", "copies"))
)

_MAX_NOTED = 1000
_MAX_ROWS = 500


class Recorded(NamedTuple):
    """An item of a past run. ``error`` holds plain values, see ``codec.describe_error``."""

    position: int
    id: str | None
    output: InferenceOutput | None
    error: dict[str, Any] | None


class Counts(NamedTuple):
    """What a journal holds. ``in_doubt`` counts what was sent and has neither an answer nor a certain failure."""

    answered: int
    failed: int
    in_doubt: int


class Journal:
    """An open journal. Raises BatchError if the file is no journal, newer, in use, or cannot be read or written."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._noted: dict[str, Entry] = {}
        self.blind = False
        _create(self.path)
        with self._translated("opened"):
            # The thread that opens it hands it to the thread that writes.
            self._db = sqlite3.connect(self.path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            with self._translated("opened"):
                self._prepare()
                self.run: int
                (self.run,) = self._db.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()
                # A group is one statement where it can be: each gives up the interpreter lock and waits to get it back.
                self._rows_at_once = min(
                    _MAX_ROWS, self._db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(Entry._fields)
                )
                self._last_row: int
                (self._last_row,) = self._db.execute("SELECT coalesce(max(row), 0) FROM items").fetchone()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        execute = self._db.execute
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        (tables,) = execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and (application or version or tables):
            raise BatchError(f"{self.path}: this database is no batch journal; give the journal another path")
        if version > VERSION:
            raise BatchError(
                f"{self.path}: the journal has version {version}, this release reads up to {VERSION}; use a newer one"
            )
        execute("PRAGMA locking_mode=EXCLUSIVE")
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        with self._transaction():  # takes the lock, which is kept until close()
            if not tables:
                for statement in _SCHEMA.split(";\n"):
                    execute(statement)
                execute(f"PRAGMA application_id={APPLICATION_ID}")
                execute(f"PRAGMA user_version={VERSION}")

    def begin_run(self, *, fresh: bool = False) -> None:
        """Number a new run; ``fresh`` forgets everything recorded."""
        with self._translated("written"), self._transaction():
            if fresh:
                self._db.execute("DELETE FROM items")
            else:
                self._db.execute("DELETE FROM items WHERE kind = ? OR (kind IS NULL AND sends = 0)", (REFUSED,))
            # In an empty file a key can only be one of this run; that is left to the UNIQUE constraint to find.
            self.blind = self._db.execute("SELECT 1 FROM items LIMIT 1").fetchone() is None
            self.run += 1
            self._db.execute("INSERT INTO runs VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ'))", (self.run,))

    # -- groups

    def new_row(self) -> int:
        """The number of an item that is to be added."""
        self._last_row += 1
        return self._last_row

    def find(self, keys: Sequence[str]) -> dict[str, Entry]:
        """What is known of these keys; while ``blind``, only of those not yet written."""
        found: dict[str, Entry] = {}
        if self.blind:
            return {key: self._noted[key] for key in keys if key in self._noted} if self._noted else found
        for part in range(0, len(keys), self._rows_at_once):
            some = _padded(keys[part : part + self._rows_at_once], self._rows_at_once)
            query = f"SELECT {_COLUMNS} FROM items WHERE key IN ({','.join('?' * len(some))})"  # noqa: S608 - marks only
            for values in self._db.execute(query, some).fetchall():
                found[values[1]] = Entry._make(values)
        if self._noted:
            found.update((key, self._noted[key]) for key in keys if key in self._noted)
        return found

    def note(self, entries: Iterable[Entry]) -> None:
        """Entries that may be lost in a crash (only places in the input changed): they go with the next ``write``."""
        self._noted.update((entry.key, entry) for entry in entries)
        if len(self._noted) > _MAX_NOTED:
            self.write(())

    def write(self, entries: Sequence[Entry]) -> None:
        """Add or replace entries, the later of two with one row counts; they are on disk when this returns."""
        entries = [*self._noted.values(), *entries]
        if len(entries) <= self._rows_at_once:
            self._write(entries)
        else:
            with self._transaction():
                for part in range(0, len(entries), self._rows_at_once):
                    self._write(entries[part : part + self._rows_at_once])
        self._noted.clear()

    def _write(self, entries: Sequence[Entry]) -> None:
        if entries:
            entries = _padded(entries, self._rows_at_once)
            rows = ",".join([_ROW] * len(entries))
            self._db.execute(
                f"INSERT INTO items ({_COLUMNS}) VALUES {rows}{_REPLACE}",  # noqa: S608 - marks only
                list(chain.from_iterable(entries)),
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # -- the whole

    def counts(self) -> Counts:
        """How many items are in which state, over all runs."""
        with self._translated("read"):
            found = self._db.execute(
                "SELECT coalesce(sum(kind = ? AND sends = settled), 0), coalesce(sum(kind = ? AND sends = settled), 0),"
                " coalesce(sum(sends > settled OR doubt), 0) FROM items",
                (ANSWERED, FAILED),
            ).fetchone()
        return Counts(*found)

    def in_doubt(self, limit: int = 1000) -> list[str]:
        """Keys of items that were sent and have neither an answer nor a certain failure."""
        with self._translated("read"):
            found = self._db.execute(
                "SELECT key FROM items WHERE sends > settled OR doubt ORDER BY position LIMIT ?", (limit,)
            )
            return [key[2:] for (key,) in found]

    def answer(self, entry: Entry) -> InferenceOutput:
        """The answer that an entry holds. Raises BatchError if it is damaged."""
        with self._translated("read"):
            return decode_output(entry.record or "")

    def recorded(self, *, earlier: bool = False) -> Iterator[Recorded]:
        """The items of the last run that have a result or are in doubt, in the order of its input.

        ``earlier``: also items that the last run did not read (it was cut short), each at its last known place.
        """
        with self._translated("read"):
            # Only row numbers are sorted (8 bytes each): sorting whole records would go through temporary files.
            rows = array("q")
            for (row,) in self._db.execute(
                "SELECT row FROM items WHERE run >= ? ORDER BY position, run", (0 if earlier else self.run,)
            ):
                rows.append(row)
            for row in rows:
                entry = Entry._make(
                    self._db.execute(f"SELECT {_COLUMNS} FROM items WHERE row = ?", (row,)).fetchone()  # noqa: S608
                )
                id_ = entry.key[2:] if entry.key[0] == "i" else entry.digest if entry.kind == REFUSED else ""
                if entry.kind == ANSWERED and entry.record is not None:
                    yield Recorded(entry.position, id_ or None, decode_output(entry.record), None)
                elif entry.sends > entry.settled:
                    yield Recorded(entry.position, id_ or None, None, dict(_DOUBT))
                elif entry.record is not None:
                    yield Recorded(entry.position, id_ or None, None, json.loads(entry.record))

    def close(self) -> None:
        """Give the file free. What was committed stays."""
        self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self.failure(error, doing) from error
        except ValueError as error:
            raise BatchError(f"{self.path}: the journal cannot be {doing}: {_ADVICE_DAMAGED}: {error}") from error

    def failure(self, error: sqlite3.Error, doing: str) -> BatchError:
        """One line for what SQLite says."""
        name = getattr(error, "sqlite_errorname", "") or ""
        for prefix, advice in _ADVICE:
            if name.startswith(prefix):
                return BatchError(f"{self.path}: the journal cannot be {doing}: {advice}")
        return BatchError(f"{self.path}: the journal cannot be {doing}: {error} ({name})")


_DOUBT = {"type": "BatchError", "message": "in doubt: sent, no answer recorded", "maybe_received": True}

_ADVICE_DAMAGED = "it is damaged; restore it, or start over with another journal"

_ADVICE = (
    ("SQLITE_BUSY", "another process uses it; wait until that ends, or give another journal"),
    ("SQLITE_LOCKED", "another process uses it; wait until that ends, or give another journal"),
    ("SQLITE_NOTADB", "it is no batch journal; give the journal another path"),
    ("SQLITE_CORRUPT", _ADVICE_DAMAGED),
    ("SQLITE_FULL", "the disk is full; make room and run again"),
    ("SQLITE_READONLY", "it is write-protected; change its permissions"),
    ("SQLITE_CANTOPEN", "no permission, or its folder is missing"),
    ("SQLITE_IOERR", "the disk reports an error; look at it and run again"),
)


_SIZES = tuple(sorted({size for power in range(9) for size in (1 << power, 3 << power >> 1)}))


def _padded(values: Sequence[T], most: int) -> Sequence[T]:
    """The values, the last one repeated up to one of a few lengths: preparing a statement takes longer than running it.

    To look for a key twice or to write an entry twice changes nothing.
    """
    length = len(values)
    wanted = min(most, next((size for size in _SIZES if size >= length), length))
    return [*values, *[values[-1]] * (wanted - length)] if wanted > length else values


def _create(path: Path) -> None:
    """A new, empty file for its owner's eyes only, durable as a name too."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise BatchError(f"{path}: the journal cannot be created: {error.strerror}") from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
