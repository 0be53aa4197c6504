"""The cache's file: SQLite, answers as JSON. A fault of it is logged once and never costs an answer."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from complaint_llm.routing.cache.answer_json import answer_from_json, answer_to_json
from complaint_llm.routing.cache.file_bounds import SCHEMA as BOUNDS
from complaint_llm.routing.cache.file_bounds import delete_some
from complaint_llm.routing.cache.memory import DEFAULT_BYTES
from complaint_llm.routing.policies.state_folder import open_state, state_fault
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import Waiter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import Request

T = TypeVar("T")
Row = tuple[str, float | None, float, str]
"""Key, end of its life (seconds since 1970, None: none), when it was made, answer behind its checksum."""
MatterRow = tuple[str, str]
"""Key and the matter that the answer was given for."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, until REAL, made REAL NOT NULL, answer TEXT NOT NULL)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_made ON answers (made);
CREATE TABLE IF NOT EXISTS matters (matter TEXT, key TEXT, PRIMARY KEY (matter, key)) WITHOUT ROWID;
PRAGMA secure_delete = ON;
"""
_SCHEMA += BOUNDS
_PUT = """
INSERT INTO answers VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET until = excluded.until, made = excluded.made,
    answer = excluded.answer
"""
_NOTE = "INSERT OR IGNORE INTO matters (key, matter) SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM answers WHERE key = ?1)"
_GET = "SELECT until, made, answer FROM answers WHERE key = ? AND (until IS NULL OR until > ?) AND made <= ?"
_IDENTITIES = "SELECT substr(key, ?) FROM answers WHERE key > ? AND key < ?"
_IDLE = 1.0
"""Seconds without anything to write after which the writing thread ends."""
_MOST_WAITING = 1000
_MOST_KNOWN = 100_000


class CacheFile:
    """Answers in one SQLite file, at most ``size`` of them and ``most_bytes`` of their JSON; the oldest go first, a few
    with each write. Any thread may call it.

    ``_lock`` serialises the use of the one connection. Writing is done by a thread of its own that ends when there is
    nothing to write; ``close`` writes what waits. A reader never waits for a commit to reach the disk.
    """

    def __init__(
        self, path: Path, size: int, wall: Callable[[], float] = time.time, *, most_bytes: int = DEFAULT_BYTES
    ) -> None:
        self._path = path
        self._size = size
        self._most_bytes = most_bytes
        self._wall = wall
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inherited: list[sqlite3.Connection] = []
        self._waiting: deque[Row] = deque()
        self._waiting_matters: set[MatterRow] = set()
        self._known_matters: set[MatterRow] = set()
        self._state = threading.Lock()
        self._writer: threading.Thread | None = None
        self._wake = Waiter()
        self._broken = False
        reset_in_child(self)

    def identities(self, digest: str) -> Sequence[str]:
        """What follows the digest in the keys of the answers that are kept of it: ``DIGEST:IDENTITY``."""
        first, end = f"{digest}:", f"{digest};"
        rows = self._use(lambda db: db.execute(_IDENTITIES, (len(first) + 1, first, end)).fetchall())
        return [identity for (identity,) in rows or ()]

    def get(self, key: str, request: Request) -> tuple[InferenceOutput, float | None] | None:
        """The answer of this key and the seconds that it is still good for (None: for ever), or None."""
        now = float(self._wall())
        # One that was made in the future was written under a wrong clock: so is the end of its life.
        row = self._use(lambda db: db.execute(_GET, (key, now, now)).fetchone())
        if row is None:
            return None
        until, made, answer = row
        form = request.response_format
        try:
            stored, _, text = answer.partition(" ")
            if stored != _checksum(key, until, made, text):
                return None  # changed since, or of a version without checksums: as good as not there
            output = answer_from_json(text, None if form is None else form.model)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # written by another version of this library: as good as not there
        return output, None if until is None else until - now

    def put(self, key: str, output: InferenceOutput, ttl: float | None) -> None:
        """Keep an answer, soon. An answer that has no JSON form is not kept."""
        try:
            text = answer_to_json(output)
        except (TypeError, ValueError):
            return
        now = float(self._wall())
        with self._state:
            if len(self._waiting) >= _MOST_WAITING:
                return  # the disk is slower than the answers: a cache may miss some
            until = None if ttl is None else now + ttl
            self._waiting.append((key, until, now, f"{_checksum(key, until, now, text)} {text}"))
            self._start_writer()
        self._wake.wake()

    def note_matter(self, key: str, matter: str) -> None:
        """Keep beside an answer, soon, that it was given for this matter: so it is found when that is forgotten."""
        with self._state:
            if (key, matter) in self._known_matters or len(self._waiting_matters) >= _MOST_WAITING:
                return
            if len(self._known_matters) < _MOST_KNOWN:
                self._known_matters.add((key, matter))
            self._waiting_matters.add((key, matter))
            self._start_writer()
        self._wake.wake()

    def close(self) -> None:
        """Write what waits, end the thread and close the file; it is opened again if it is used again."""
        self._write_waiting()
        with self._state:
            writer = self._writer
        self._wake.wake()
        if writer is not None:
            writer.join(5.0)
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def after_fork(self) -> None:
        """The child opens a connection of its own; what waits is written by the parent."""
        self._lock = threading.Lock()
        self._state = threading.Lock()
        self._waiting.clear()
        self._waiting_matters.clear()
        self._known_matters.clear()
        self._writer = None
        self._wake = Waiter()
        if self._connection is not None:
            # Closing it here would tamper with the parent's file locks; it is kept and never used.
            self._inherited.append(self._connection)
            self._connection = None

    def _start_writer(self) -> None:
        """Start the thread if there is none; the caller has ``_state``."""
        if self._writer is None:
            writer = threading.Thread(target=self._write_until_idle, name="cache writer", daemon=True)
            try:
                writer.start()
            except RuntimeError:
                return  # no more threads: what waits is written with the next one, or by close
            self._writer = writer

    def _write_until_idle(self) -> None:
        while True:
            self._write_waiting()
            self._wake.wait(_IDLE)
            with self._state:
                if not self._waiting and not self._waiting_matters:
                    self._writer = None
                    return

    def _write_waiting(self) -> None:
        with self._state:
            rows, matters = list(self._waiting), list(self._waiting_matters)
            self._waiting.clear()
            self._waiting_matters.clear()
        if rows or matters:
            self._use(lambda db: self._write(db, rows, matters))

    def _write(self, db: sqlite3.Connection, rows: list[Row], matters: list[MatterRow]) -> None:
        with db:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(_PUT, rows)
            db.executemany(_NOTE, matters)
            delete_some(db, self._wall(), added=len(rows), size=self._size, most_bytes=self._most_bytes)

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        import sqlite3  # cold start

        with self._lock:
            if self._broken:
                return None
            try:
                return work(self._connection or self._open())
            except (sqlite3.Error, OSError) as error:
                self._broken = True
                fault = error
        logging.getLogger("complaint_llm.routing").warning(
            "the cache %s cannot be used and is left alone from now on: %s", self._path, fault
        )
        return None

    def _open(self) -> sqlite3.Connection:
        self._connection = open_state(self._path, _SCHEMA)
        return self._connection


def cache_fault(path: Path) -> str | None:
    """Why answers could not be kept there; None where nothing shows. Nothing is made or changed."""
    return state_fault(path, _SCHEMA)


def answers_of_matter(path: Path, matter: str) -> int:
    """How many answers the file has that were given for a matter. Raises sqlite3.Error, OSError."""
    with closing(open_state(path, _SCHEMA)) as db:
        ((count,),) = db.execute("SELECT count(*) FROM matters WHERE matter = ?", (matter,)).fetchall()
        return int(count)


def forget_answers(path: Path, matter: str) -> int:
    """Delete those answers for good, also where another matter got one of them too; their number.

    Raises sqlite3.Error, OSError.
    """
    with closing(open_state(path, _SCHEMA)) as db:
        with db:
            db.execute("BEGIN IMMEDIATE")
            ((count,),) = db.execute("SELECT count(*) FROM matters WHERE matter = ?", (matter,)).fetchall()
            db.execute("DELETE FROM answers WHERE key IN (SELECT key FROM matters WHERE matter = ?)", (matter,))
            db.execute("DELETE FROM matters WHERE matter = ?", (matter,))
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return int(count)


def _checksum(*values: object) -> str:
    """Over all of a row: a byte that changed on the disk must not come back as an answer."""
    return hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
