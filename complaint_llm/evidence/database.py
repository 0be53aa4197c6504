"""The SQLite files of a store: connections, transactions, and the lock that keeps collectors away from writers.

Two files. ``store.db`` (WAL) has the tables. ``lock.db`` has nothing: it is there for SQLite's file locks, which work
on every system and end with the process that holds them. Whoever adds blocks holds it shared until the record that
refers to them is committed; whoever removes blocks holds it exclusively. ``lock.db`` is the connection's main file
and ``store.db`` the attached one because BEGIN EXCLUSIVE locks them in this order: the other way round a collector
would hold the tables while it waits for a writer who needs them to finish.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from complaint_llm.evidence.blocks import sync_folder
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError

Row = tuple[object, ...]

FORMAT = 2
SCHEMA = f"""
PRAGMA journal_mode = wal;
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    record_id TEXT NOT NULL UNIQUE,
    cid TEXT NOT NULL,
    user_id TEXT,
    body BLOB NOT NULL,
    body_sha256 BLOB NOT NULL
);
CREATE INDEX records_by_cid ON records (cid);
CREATE INDEX records_by_user ON records (user_id) WHERE user_id IS NOT NULL;
CREATE TABLE blocks (digest BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE pins (cid TEXT PRIMARY KEY);
CREATE TABLE provenance (seq INTEGER PRIMARY KEY, cid TEXT NOT NULL UNIQUE, data BLOB NOT NULL);
CREATE TABLE texts (cid TEXT PRIMARY KEY, data BLOB NOT NULL);
PRAGMA user_version = {FORMAT};
"""

_BEGIN = {
    "read": ("BEGIN",),
    "shared": ("BEGIN", "SELECT count(*) FROM main.sqlite_master"),
    "exclusive": ("BEGIN EXCLUSIVE",),
}
# Connections that a fork copied: SQLite forbids the child to use or close them, so they are kept from being collected.
_of_the_parent: list[sqlite3.Connection] = []


class StoreBusyError(EvidenceError):
    """Others were at work in the store for longer than was to be waited."""


class Database:
    """Connections to one store. Any thread may call it; each transaction has a connection to itself.

    ``patience`` is how long to wait for other processes, in seconds.
    """

    def __init__(self, folder: Path, patience: float = 60.0) -> None:
        self._folder = folder
        self._patience = patience
        self._path = folder / "store.db"
        self._idle: list[sqlite3.Connection] = []
        self._process = os.getpid()
        self._closed = False
        with self._worded():
            for name, script in (("lock.db", "CREATE TABLE locked (never INTEGER);"), ("store.db", SCHEMA)):
                _create(folder / name, script)
            self._release(self._connection())

    @contextmanager
    def transaction(
        self, kind: Literal["read", "shared", "exclusive"], patience: float | None = None
    ) -> Iterator[sqlite3.Connection]:
        """A connection inside a transaction that commits at the end, durably, or rolls back on an error.

        ``shared`` keeps collectors out, ``exclusive`` all other writers, in all processes. Raises StoreBusyError
        if that is not to be had for ``patience`` seconds, EvidenceError where the files cannot be used.
        """
        connection = self._connection()
        try:
            with self._worded():
                if patience is not None:
                    connection.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
                for statement in _BEGIN[kind]:
                    connection.execute(statement).fetchall()
            try:
                with self._worded():
                    yield connection
                    connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if patience is not None:
                connection.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")
        except BaseException:
            connection.close()
            raise
        self._release(connection)

    def check(self) -> list[str]:
        """What SQLite's own check of its file structure finds; empty if nothing."""
        with self.transaction("read") as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA store.integrity_check(20)")]
        return [] if found == ["ok"] else found

    def overwrite_deleted(self) -> None:
        """Take deleted rows out of the write-ahead log too, unless others are reading it just now."""
        connection = self._connection()
        with self._worded():
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA store.wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")
        self._release(connection)

    def close(self) -> None:
        """Close the connections; one that is in use is closed when its transaction ends. May be called again."""
        self._closed = True
        self._forget_parent()
        while self._idle:
            self._idle.pop().close()

    def _connection(self) -> sqlite3.Connection:
        if self._closed:
            raise EvidenceError(f"the evidence store {self._folder} is closed")
        self._forget_parent()
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _release(self, connection: sqlite3.Connection) -> None:
        self._idle.append(connection)
        if self._closed:
            self.close()

    def _open(self) -> sqlite3.Connection:
        with self._worded():
            connection = sqlite3.connect(
                self._folder / "lock.db", timeout=self._patience, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("ATTACH ? AS store", (str(self._path),))
                connection.execute("PRAGMA store.synchronous = FULL")
                connection.execute("PRAGMA store.secure_delete = ON")
                (found,) = connection.execute("PRAGMA store.user_version").fetchone()
            except BaseException:
                connection.close()
                raise
        if found != FORMAT:
            connection.close()
            raise EvidenceError(
                f"{self._path} has format {found}, this version reads {FORMAT}: use the version that wrote it"
            )
        return connection

    def _forget_parent(self) -> None:
        if self._process != os.getpid():
            _of_the_parent.extend(self._idle)
            self._idle = []
            self._process = os.getpid()

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise StoreBusyError(f"{self._path} is in use by others; try again when they have finished") from error
            raise EvidenceError(f"{self._path} cannot be used: {error}; check free space and permissions") from error
        except sqlite3.DatabaseError as error:
            raise EvidenceCorruptedError(f"{self._path} is damaged: {error}; restore it from a copy") from error


def _create(path: Path, script: str) -> None:
    """Make a database file once, whoever else tries at the same time: it appears under its name finished."""
    if path.exists():
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{id(path):x}")
    connection = sqlite3.connect(temporary)
    try:
        connection.executescript(script)
    finally:
        connection.close()
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    sync_folder(str(path.parent))
