"""The file that makes a batch survive: which items were sent, which were answered, and the answers.

One SQLite database in WAL mode with ``synchronous=FULL``, opened by one process at a time (the exclusive lock is the
system's: it ends with the process). It holds digests, answers and errors, never prompts or keys. A ``Journal`` belongs
to one thread at a time; what is
written between ``begin`` and ``commit`` is one durable group.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from complaint_llm.batch.codec import decode_output, describe_error
from complaint_llm.batch.items import differing_part
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_llm.batch.executors import Work
    from complaint_llm.messages import InferenceOutput

APPLICATION_ID = 0x434C4A31  # "CLJ1"
VERSION = 1

KNOWN, SENT, ANSWERED, FAILED, REFUSED = range(5)
"""States of an item: read but not sent · sent, no answer yet · answered · failed · refused before sending."""

_SCHEMA = """
CREATE TABLE items (
    row      INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,          -- the item's id, else its digest
    named    INTEGER NOT NULL,              -- 1: the key is an id
    digest   TEXT NOT NULL,                 -- of the content; empty where the key is the digest
    state    INTEGER NOT NULL,
    doubt    INTEGER NOT NULL DEFAULT 0,    -- 1: failed, but a provider may have done the work
    sends    INTEGER NOT NULL DEFAULT 0,    -- how often it was marked as sent
    copies   INTEGER NOT NULL DEFAULT 1,    -- items of this run with the same digest
    run      INTEGER NOT NULL,              -- the last run that read it,
    position INTEGER NOT NULL,              -- and its place in that run's input, from 0
    record   TEXT                           -- the answer or the error as JSON
);
CREATE TABLE runs (run INTEGER PRIMARY KEY, started TEXT NOT NULL);
"""

InDoubt = Literal["resend", "skip", "error"]


class Resume(NamedTuple):
    """What is done with items that an earlier run left behind."""

    in_doubt: InDoubt = "resend"
    accept_changes: bool = False
    only_failed: bool = False


class Verdict(NamedTuple):
    """What becomes of an item that was read: it is asked (``work``), or has its answer, or its error, or is refused.

    ``change`` describes content that changed under the same id.
    """

    work: Work
    output: InferenceOutput | None = None
    error: Exception | None = None
    change: str | None = None
    resent: bool = False


class Recorded(NamedTuple):
    """An item of the last run, as recorded. ``error`` holds plain values, see ``codec.describe_error``."""

    position: int
    key: str
    id: str | None
    output: InferenceOutput | None
    error: dict[str, Any] | None


class Counts(NamedTuple):
    """What a journal holds. ``in_doubt`` counts what was sent, without an answer or a certain failure."""

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
            self._db = sqlite3.connect(self.path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            with self._translated("opened"):
                self._prepare()
                self._run = self._db.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()[0]
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        execute = self._db.execute
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        tables = execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
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
            else:
                self._db.execute("DELETE FROM items WHERE state IN (?, ?)", (KNOWN, REFUSED))
            self._run += 1
            self._db.execute("INSERT INTO runs VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ'))", (self._run,))

    def begin(self) -> None:
        """Start a transaction, or go on with the open one."""
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

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self.begin()
            yield
            self.commit()
        except BaseException:
            self.abandon()
            raise

    # -- one item

    def read(self, work: Work, resume: Resume) -> Verdict:
        """Note an item of the input and say what becomes of it; what is to be asked is marked as sent."""
        found = self._find(work.key)
        if found is not None and found[4] == self._run:
            if work.named:
                error = BatchError(f"id {work.key!r} was already used in this input; ids must differ")
                return self.refuse(work._replace(key=f"{work.key}#{work.position}"), error)
            self._db.execute("UPDATE items SET copies = copies + 1 WHERE row = ?", (found[0],))
            work = work._replace(key=f"{work.key}#{found[5] + 1}")
            found = self._find(work.key)
        if found is None:
            if resume.only_failed:
                return Verdict(work, error=BatchError(_NOT_ASKED))
            return Verdict(self._insert(work, SENT, None))
        row, digest, state, doubt, _, _, record = found
        work = work._replace(row=row)
        if work.named and digest != work.digest:
            if not resume.accept_changes:
                return Verdict(work, change=differing_part(digest, work.digest))
            # Another question than the one recorded: what is known of that one says nothing of this.
            self._db.execute("UPDATE items SET sends = 0, doubt = 0, record = NULL WHERE row = ?", (row,))
            return Verdict(self._mark(work))
        if state == ANSWERED:
            self._place(work)
            return Verdict(work, output=decode_output(record))
        if resume.only_failed and state != FAILED:
            self._place(work)
            return Verdict(work, error=BatchError(_NOT_ASKED))
        doubtful = state == SENT or bool(doubt)
        if doubtful and resume.in_doubt == "skip":
            self._place(work)
            return Verdict(work, error=BatchError(_NOT_RESENT))
        return Verdict(self._mark(work), resent=doubtful)

    def change(self, work: Work) -> str | None:
        """What differs from the content recorded under this id, or None."""
        found = self._find(work.key) if work.named else None
        return None if found is None or found[1] == work.digest else differing_part(found[1], work.digest)

    def refuse(self, work: Work, error: Exception) -> Verdict:
        """Note an item that cannot be asked at all."""
        record = json.dumps(describe_error(error))
        return Verdict(self._insert(work, REFUSED, record), error=error)

    def finish(self, work: Work, state: int, record: str, doubt: bool = False) -> None:
        """Record an answer or an error."""
        self._db.execute(
            "UPDATE items SET state = ?, doubt = ?, record = ? WHERE row = ?", (state, doubt, record, work.row)
        )

    def withdraw(self, work: Work) -> None:
        """Take back the mark of an item that was not sent after all: it is as before this run."""
        self._db.execute(
            "UPDATE items SET sends = sends - 1, state = CASE WHEN sends > 1 THEN "
            "CASE WHEN record IS NULL THEN ? ELSE ? END ELSE ? END WHERE row = ?",
            (SENT, FAILED, KNOWN, work.row),
        )

    def _find(self, key: str) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._db.execute(
            "SELECT row, digest, state, doubt, run, copies, record FROM items WHERE key = ?", (key,)
        ).fetchone()
        return found

    def _insert(self, work: Work, state: int, record: str | None) -> Work:
        row = self._db.execute(
            "INSERT INTO items (key, named, digest, state, sends, run, position, record) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (work.key, work.named, _digest(work), state, state == SENT, self._run, work.position, record),
        ).lastrowid
        return work._replace(row=row or 0)

    def _mark(self, work: Work) -> Work:
        self._db.execute(
            "UPDATE items SET record = CASE state WHEN ?1 THEN NULL ELSE record END,"
            " state = ?1, sends = sends + 1, copies = 1, run = ?2, position = ?3, digest = ?4 WHERE row = ?5",
            (SENT, self._run, work.position, _digest(work), work.row),
        )
        return work

    def _place(self, work: Work) -> None:
        self._db.execute(
            "UPDATE items SET run = ?, position = ?, copies = 1 WHERE row = ?", (self._run, work.position, work.row)
        )

    # -- the whole

    def counts(self) -> Counts:
        """How many items are in which state, over all runs."""
        with self._translated("read"):
            found = self._db.execute(
                "SELECT coalesce(sum(state = ?1), 0), coalesce(sum(state = ?2), 0),"
                " coalesce(sum(state = ?3 OR (state = ?2 AND doubt)), 0) FROM items",
                (ANSWERED, FAILED, SENT),
            ).fetchone()
        return Counts(*found)

    def in_doubt(self, limit: int = 1000) -> list[str]:
        """Keys of items that were sent and have neither an answer nor a certain failure."""
        with self._translated("read"):
            found = self._db.execute(
                "SELECT key FROM items WHERE state = ? OR (state = ? AND doubt) ORDER BY position LIMIT ?",
                (SENT, FAILED, limit),
            )
            return [key for (key,) in found]

    def recorded(self, *, earlier: bool = False) -> Iterator[Recorded]:
        """The items of the last run that have a result, in the order of its input.

        ``earlier``: also items that the last run did not read (it was cut short), each at its last known place.
        """
        with self._translated("read"):
            found = self._db.execute(
                "WITH o AS MATERIALIZED (SELECT row FROM items WHERE run >= ? AND state != ? ORDER BY position, run) "
                "SELECT position, key, named, state, record FROM o CROSS JOIN items USING (row)",
                (0 if earlier else self._run, KNOWN),
            )
            for position, key, named, state, record in found:
                output = decode_output(record) if state == ANSWERED else None
                error = None if state == ANSWERED else _DOUBT if record is None or state == SENT else json.loads(record)
                yield Recorded(position, key, key if named else None, output, error)

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


_NOT_ASKED = "not asked: it did not fail before, and only failed items are asked"
_NOT_RESENT = "in doubt: sent by an earlier run, no answer recorded; not sent again"
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


def _digest(work: Work) -> str:
    return work.digest if work.named else ""


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
