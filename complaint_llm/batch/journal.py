"""The file that makes a batch survive: which items were sent, which were answered, and the answers.

One SQLite database in WAL mode with ``synchronous=FULL``, opened by one process at a time (the exclusive lock is the
system's: it ends with the process). It holds digests, answers and errors, never prompts or keys. A ``Journal`` belongs
to one thread at a time. What is written between ``begin`` and ``commit`` is one durable group, and each kind of thing
in it one statement: every statement gives up the interpreter lock and waits to get it back.
"""

from __future__ import annotations

import json
import os
import sqlite3
from array import array
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.batch.codec import decode_output
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from complaint_llm.messages import InferenceOutput

APPLICATION_ID = 0x434C4A31  # "CLJ1"
VERSION = 1

FAILED, ANSWERED, REFUSED = range(3)
"""Kinds of results; a refused item was never sent."""

# An item whose last send has no result is in doubt: `sends` of both tables tell. Taking back a send is counting it down.
_SCHEMA = """
CREATE TABLE items (
    row      INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,   -- i:<id>, else d:<digest>; r:<position> if refused
    digest   TEXT NOT NULL,          -- of the content of an i: item; the id of an r: item that has one
    sends    INTEGER NOT NULL,       -- how often it was sent
    copies   INTEGER NOT NULL,       -- items of the last run with this digest
    run      INTEGER NOT NULL,       -- the last run that read it,
    position INTEGER NOT NULL        -- and its place in that run's input, from 0
);
CREATE TABLE results (
    row      INTEGER PRIMARY KEY,    -- of items
    kind     INTEGER NOT NULL,       -- 0 failed, 1 answered, 2 refused
    doubt    INTEGER NOT NULL,       -- 1: failed, but a provider may have done the work
    sends    INTEGER NOT NULL,       -- which send this is the result of
    record   TEXT NOT NULL           -- the answer or the error as JSON
);
CREATE TABLE runs (run INTEGER PRIMARY KEY, started TEXT NOT NULL)
"""

_IN_DOUBT = (
    "FROM items LEFT JOIN results USING (row)"
    " WHERE items.sends > coalesce(results.sends, 0) OR (results.kind = 0 AND results.doubt)"
)


class ItemRow(NamedTuple):
    """A row of ``items``."""

    row: int
    key: str
    digest: str
    sends: int
    copies: int
    run: int
    position: int


class ResultRow(NamedTuple):
    """A row of ``results``."""

    row: int
    kind: int
    doubt: bool
    sends: int
    record: str


class Known(NamedTuple):
    """An item that the journal has, and the result of its last finished send."""

    item: ItemRow
    result: ResultRow | None

    @property
    def in_doubt(self) -> bool:
        """It was sent, and whether the provider has done the work is not known."""
        settled = 0 if self.result is None else self.result.sends
        return self.item.sends > settled or (self.result is not None and self.result.doubt)


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
        _create(self.path)
        with self._translated("opened"):
            # The thread that opens it hands it to the thread that writes.
            self._db = sqlite3.connect(
                self.path, timeout=1.0, isolation_level=None, check_same_thread=False, cached_statements=1024
            )
        try:
            with self._translated("opened"):
                self._prepare()
                (self.run,) = self._db.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()
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
        execute("PRAGMA wal_autocheckpoint=4000")
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
                self._db.execute("DELETE FROM results")
            else:
                self._db.execute("DELETE FROM results WHERE kind = ?", (REFUSED,))
                self._db.execute(
                    "DELETE FROM items WHERE sends = 0 AND NOT EXISTS (SELECT 1 FROM results WHERE row = items.row)"
                )
            self.run += 1
            self._db.execute("INSERT INTO runs VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ'))", (self.run,))

    # -- groups

    def begin(self) -> None:
        """Start a group, or go on with the open one."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Everything since ``begin`` is on disk when this returns."""
        self._db.execute("COMMIT")

    def abandon(self) -> None:
        """Forget what was not committed. Quiet, because it follows an error that is reported."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the next reader of the file rolls it back

    def new_row(self) -> int:
        """The number of an item that is to be added."""
        self._last_row += 1
        return self._last_row

    def find(self, keys: Sequence[str]) -> dict[str, Known]:
        """What is known of these keys."""
        found = self._db.execute(
            "SELECT i.row, i.key, i.digest, i.sends, i.copies, i.run, i.position, r.row, r.kind, r.doubt, r.sends, r.record"
            f" FROM items i LEFT JOIN results r USING (row) WHERE i.key IN ({','.join('?' * len(keys))})",
            keys,
        )
        return {
            each[1]: Known(ItemRow._make(each[:7]), None if each[7] is None else ResultRow._make(each[7:]))
            for each in found.fetchall()
        }

    def put_items(self, rows: Sequence[ItemRow]) -> None:
        """Add or replace items."""
        self._put("items", ItemRow._fields, rows)

    def put_results(self, rows: Sequence[ResultRow]) -> None:
        """Add or replace results."""
        self._put("results", ResultRow._fields, rows)

    def forget_results(self, rows: Sequence[int]) -> None:
        """Remove the results of these items."""
        if rows:
            self._db.execute(f"DELETE FROM results WHERE row IN ({','.join('?' * len(rows))})", rows)

    def take_back(self, rows: Sequence[int]) -> None:
        """These items were not sent after all: they are as before."""
        if rows:
            self._db.execute(f"UPDATE items SET sends = sends - 1 WHERE row IN ({','.join('?' * len(rows))})", rows)

    def _put(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            row = f"({','.join('?' * len(columns))})"
            self._db.execute(
                f"INSERT OR REPLACE INTO {table} ({','.join(columns)}) VALUES {','.join([row] * len(rows))}",
                [value for values in rows for value in values],
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self.begin()
            yield
            self.commit()
        except BaseException:
            self.abandon()
            raise

    # -- the whole

    def counts(self) -> Counts:
        """How many items are in which state, over all runs."""
        with self._translated("read"):
            kinds = dict(
                self._db.execute(
                    "SELECT kind, count(*) FROM items JOIN results USING (row)"
                    " WHERE items.sends = results.sends GROUP BY kind"
                ).fetchall()
            )
            (in_doubt,) = self._db.execute(f"SELECT count(*) {_IN_DOUBT}").fetchone()
        return Counts(kinds.get(ANSWERED, 0), kinds.get(FAILED, 0), in_doubt)

    def in_doubt(self, limit: int = 1000) -> list[str]:
        """Keys of items that were sent and have neither an answer nor a certain failure."""
        with self._translated("read"):
            found = self._db.execute(f"SELECT items.key {_IN_DOUBT} ORDER BY position LIMIT ?", (limit,))
            return [key[2:] for (key,) in found]

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
                position, key, digest, sends, kind, settled, record = self._db.execute(
                    "SELECT position, key, digest, items.sends, kind, results.sends, record"
                    " FROM items LEFT JOIN results USING (row) WHERE items.row = ?",
                    (row,),
                ).fetchone()
                id_ = key[2:] if key[0] == "i" else digest if kind == REFUSED else ""
                if kind == ANSWERED:
                    yield Recorded(position, id_ or None, decode_output(record), None)
                elif sends > (settled or 0):
                    yield Recorded(position, id_ or None, None, dict(_DOUBT))
                elif record is not None:
                    yield Recorded(position, id_ or None, None, json.loads(record))

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

    def failure(self, error: sqlite3.Error, doing: str) -> BatchError:
        """One line for what SQLite says."""
        name = getattr(error, "sqlite_errorname", "") or ""
        for prefix, advice in _ADVICE:
            if name.startswith(prefix):
                return BatchError(f"{self.path}: the journal cannot be {doing}: {advice}")
        return BatchError(f"{self.path}: the journal cannot be {doing}: {error} ({name})")


_DOUBT = {"type": "BatchError", "message": "in doubt: sent, no answer recorded", "maybe_received": True}

_ADVICE = (
    ("SQLITE_BUSY", "another process uses it; wait until that ends, or give another journal"),
    ("SQLITE_LOCKED", "another process uses it; wait until that ends, or give another journal"),
    ("SQLITE_NOTADB", "it is no batch journal; give the journal another path"),
    ("SQLITE_CORRUPT", "it is damaged; restore it, or start over with another journal"),
    ("SQLITE_FULL", "the disk is full; make room and run again"),
    ("SQLITE_READONLY", "it is write-protected; change its permissions"),
    ("SQLITE_CANTOPEN", "no permission, or its folder is missing"),
    ("SQLITE_IOERR", "the disk reports an error; look at it and run again"),
)


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
