"""The SQLite files of a store: connections, transactions, and the lock that keeps collectors away from writers.

Two files. ``store.db`` (WAL) has the tables. ``lock.db`` has nothing: it is there for SQLite's file locks, which work
on every system and end with the process that holds them. Whoever adds blocks holds it shared until the record that
refers to them is committed; whoever removes blocks holds it exclusively. ``lock.db`` is the connection's main file
and ``store.db`` the attached one because BEGIN EXCLUSIVE locks them in this order: the other way round a collector
would hold the tables while it waits for a writer who needs them to finish.

What a transaction adds is in the log, durably, before it commits.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from urllib.parse import quote

from complaint_llm.evidence.blocks.durable_names import name_once
from complaint_llm.evidence.index.record_log import DELETED, Frame, RecordLog
from complaint_llm.evidence.index.schema import FORMAT, SCHEMA
from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError
from complaint_llm.private_database import database_fault

_OLDEST = 2
_PAGES_A_CHECKPOINT = 4000
"""Pages (4 KiB) in SQLite's own log before it moves them to ``store.db``, with three syncs; a record writes 15."""

_LOCK = "CREATE TABLE locked (never INTEGER);"

_BEGIN = {
    "read": ("BEGIN",),
    "shared": ("BEGIN", "SELECT count(*) FROM main.sqlite_master"),
    "exclusive": ("BEGIN EXCLUSIVE",),
}
# Connections that a fork copied: SQLite forbids the child to use or close them, so they are kept from being collected.
_of_the_parent: list[Transaction] = []


class Transaction(sqlite3.Connection):
    """A connection; ``frames`` is what its transaction has to say to the log, ``file`` the inode of the index."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.frames: list[Frame] = []
        self.file = -1


class StoreBusyError(EvidenceError):
    """Others were at work in the store for longer than was to be waited."""


class Database:
    """Connections to one store. Any thread may call it; each transaction has a connection to itself.

    ``busy_timeout`` is how long to wait for other processes, in seconds. ``read_only`` is for a folder that cannot be
    written: it is read where it is, or, where that takes writing, from a private copy that ends with ``close``;
    ``from_log`` makes that copy an empty index, and once it is ``sealed`` nothing is written to the copy either. An
    index that is damaged shows with the first transaction, so that the store can be opened and mended.
    """

    def __init__(
        self, folder: Path, busy_timeout: float = 60.0, *, read_only: bool = False, from_log: bool = False
    ) -> None:
        self.folder = folder
        self.log = RecordLog(folder / "records.log")
        self.read_only = read_only
        self.sealed = False
        self.made_anew = from_log or not (folder / "store.db").exists()
        self._busy_timeout = busy_timeout
        self._copy: TemporaryDirectory[str] | None = None
        self._immutable = False
        self._path = folder / "store.db"
        self._idle: list[Transaction] = []
        self._process = os.getpid()
        self._closed = False
        if read_only:
            self._immutable = not self.made_anew and not _has_rest(folder)
            if not self._immutable:
                self.work_on_a_copy()
        else:
            self._create()
        try:
            self._release(self._connection())
        except EvidenceCorruptedError:
            pass  # every use says so; ``rebuild`` mends it

    def work_on_a_copy(self) -> None:
        """Go on with a copy of the index in a private folder: what is done to it stays there."""
        if self._copy is not None:
            return
        with self._translate_errors(), self._disk():
            copy = TemporaryDirectory(prefix="complaint_llm-")
            for name in () if self.made_anew else ("store.db", "store.db-wal"):
                if (self.folder / name).exists():
                    shutil.copyfile(self.folder / name, Path(copy.name, name))
        while self._idle:
            self._idle.pop().close()
        self._copy, self._immutable = copy, False
        self._path = Path(copy.name, "store.db")
        self._create()

    def replace(self) -> Path | None:
        """Put the files of the index aside and begin an empty one, while nobody is adding; where the old one is now."""
        while self._idle:
            self._idle.pop().close()
        with self._translate_errors(), self._disk():
            lock = self._path.with_name("lock.db")
            if not _is_database(lock):
                lock.unlink(missing_ok=True)  # it holds nothing but locks
                _create(lock, _LOCK)
            with closing(sqlite3.connect(lock, timeout=self._busy_timeout, isolation_level=None)) as connection:
                connection.execute("BEGIN EXCLUSIVE")
                aside = self._put_aside()
                self._create()
                connection.execute("COMMIT")
        return aside

    def _put_aside(self) -> Path | None:
        if not self._path.exists():
            return None
        names = (f"{self._path.name}.damaged-{number}" for number in range(10**6))
        aside = next(path for path in map(self._path.with_name, names) if not path.exists())
        for end in ("-wal", "-shm", ""):
            path = Path(f"{self._path}{end}")
            if path.exists():
                path.replace(f"{aside}{end}")
        return aside

    def _create(self) -> None:
        with self._translate_errors(), self._disk():
            for name, script in (("lock.db", _LOCK), ("store.db", SCHEMA)):
                _create(self._path.with_name(name), script)
            if not self.read_only:
                self.log.create()

    def format(self) -> int:
        """The format that the index is written in."""
        with self.transaction("read") as connection:
            return _format(connection)

    def is_behind(self) -> bool:
        """Whether the log says more than the index has, or is another one."""
        with self.transaction("read") as connection:
            known = dict(connection.execute("SELECT name, value FROM meta"))
        with self._disk():
            return self.log.key() not in (b"", known["log_key"]) or self.log.size() > known["log_end"]

    @contextmanager
    def transaction(
        self, kind: Literal["read", "shared", "exclusive"], busy_timeout: float | None = None
    ) -> Iterator[Transaction]:
        """A connection inside a transaction that commits at the end, durably, or rolls back on an error.

        ``shared`` keeps collectors out, ``exclusive`` all other writers, in all processes. Raises StoreBusyError
        if that is not to be had for ``busy_timeout`` seconds, EvidenceError where the files cannot be used or written.
        """
        if kind != "read" and self.read_only and (self.sealed or self._copy is None):
            raise EvidenceError(f"{self.folder} cannot be written: its medium or its mode only allows reading")
        connection = self._begun(kind, busy_timeout)
        try:
            try:
                with self._translate_errors():
                    yield connection
                    with self._disk():
                        self._say_to_the_log(connection)
                    connection.execute("COMMIT")
            except BaseException:
                connection.frames.clear()
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if busy_timeout is not None:
                connection.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
        except BaseException:
            connection.close()
            raise
        self._release(connection)

    def _begun(self, kind: Literal["read", "shared", "exclusive"], busy_timeout: float | None) -> Transaction:
        while True:
            connection = self._connection()
            try:
                with self._translate_errors():
                    if busy_timeout is not None:
                        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout * 1000)}")
                    for statement in _BEGIN[kind]:
                        connection.execute(statement).fetchall()
                    with self._disk():
                        if connection.file == self._path.stat().st_ino:
                            return connection
            except BaseException:
                connection.close()
                raise
            # Another process put the index aside and made it anew.
            connection.close()

    def _say_to_the_log(self, connection: Transaction) -> None:
        frames, connection.frames = connection.frames, []
        if not frames or self.read_only:
            return
        places, before, after = self.log.append(frames)
        connection.executemany(
            "INSERT OR IGNORE INTO logged VALUES (?, ?, ?)",
            [(key_of(f.cid), f.kind, at) for f, at in zip(frames, places, strict=True) if f.kind != DELETED],
        )
        # If it is not at the frames' beginning, there is something before them that this index has yet to read.
        connection.execute("UPDATE meta SET value = ? WHERE name = 'log_end' AND value = ?", (after, before))

    def check(self) -> list[str]:
        """What SQLite's own check of its file structure finds; empty if nothing."""
        with self.transaction("read") as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA store.integrity_check(20)")]
        return [] if found == ["ok"] else found

    def vacuum(self) -> None:
        """Write the index anew without what was deleted. Raises StoreBusyError while others use it."""
        connection = self._connection()
        try:
            with self._translate_errors():
                connection.execute("VACUUM store")
        except BaseException:
            connection.close()
            raise
        self._release(connection)

    def overwrite_deleted(self) -> None:
        """Take deleted rows out of the write-ahead log too, unless others are reading it just now."""
        connection = self._connection()
        with self._translate_errors():
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA store.wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
        self._release(connection)

    def close(self) -> None:
        """Close the connections; one that is in use is closed when its transaction ends. May be called again."""
        self._closed = True
        self._forget_parent()
        while self._idle:
            self._idle.pop().close()
        if self._copy is not None and self._process == os.getpid():
            self._copy.cleanup()

    def _connection(self) -> Transaction:
        if self._closed:
            raise EvidenceError(f"the evidence store {self.folder} is closed")
        self._forget_parent()
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _release(self, connection: Transaction) -> None:
        self._idle.append(connection)
        if self._closed:
            self.close()

    def _open(self) -> Transaction:
        locks = ":memory:" if self._immutable else str(self._path.with_name("lock.db"))
        store = f"file:{quote(str(self._path.absolute()))}?immutable=1" if self._immutable else str(self._path)
        with self._translate_errors(), self._disk():
            connection = sqlite3.connect(
                locks,
                timeout=self._busy_timeout,
                isolation_level=None,
                check_same_thread=False,
                factory=Transaction,
                uri=self._immutable,
            )
            try:
                connection.execute("ATTACH ? AS store", (store,))
                connection.file = self._path.stat().st_ino
                if not self._immutable:
                    # The log is synced; what the power takes from the index, it reads there.
                    connection.execute("PRAGMA store.synchronous = NORMAL")
                    connection.execute("PRAGMA store.secure_delete = ON")
                    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_A_CHECKPOINT}")
                found = _format(connection)
                if not _OLDEST <= found <= FORMAT:
                    raise _refusal(self._path, found)
            except BaseException:
                connection.close()
                raise
        return connection

    def _forget_parent(self) -> None:
        if self._process != os.getpid():
            _of_the_parent.extend(self._idle)
            self._idle = []
            self._process = os.getpid()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EvidenceError(f"{self.folder} cannot be used: {error.strerror or error}") from error

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise StoreBusyError(f"{self._path} is in use by others; try again when they have finished") from error
            raise EvidenceError(f"{self._path} cannot be used: {error}; check free space and permissions") from error
        except sqlite3.DatabaseError as error:
            raise EvidenceCorruptedError(
                f"{self._path} is damaged: {error}; `complaint-llm evidence rebuild` makes it again from the log"
            ) from error


def key_of(cid: Cid) -> bytes:
    """A block's name in the tables: a byte for the codec, then the digest."""
    return bytes((cid.codec,)) + cid.digest


def cid_of_key(key: bytes) -> Cid:
    """The block of such a name."""
    return Cid(key[0], bytes(key[1:]))


def _format(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("PRAGMA store.user_version").fetchone()
    return int(found)


def index_fault(folder: Path) -> str | None:
    """Why the index in a folder could not be opened and written; None where nothing shows, or where it is still to be
    made. Nothing is made or changed."""

    def look(connection: sqlite3.Connection) -> None:
        ((found,),) = connection.execute("PRAGMA user_version").fetchall()
        # What its log has yet to say is not seen: a new index may be wholly there.
        if found > FORMAT or (found < _OLDEST and not _has_rest(folder)):
            raise _refusal(folder / "store.db", found)

    lock = folder / "lock.db"
    return database_fault(folder / "store.db", look) or database_fault(lock, lambda _: None)


def _refusal(path: Path, found: int) -> EvidenceError:
    if found > FORMAT:
        text = f"{path} has format {found}, this version reads up to {FORMAT}: update complaint-llm to use it"
        return EvidenceError(text)
    return EvidenceCorruptedError(
        f"{path} has no tables of this program: `complaint-llm evidence rebuild` makes it again from the log"
    )


def _is_database(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.OperationalError:
        return True  # it is locked, or cannot be opened: nothing that a new file would mend
    except sqlite3.DatabaseError:
        return False
    return path.stat().st_size > 0


def _has_rest(folder: Path) -> bool:
    """Whether a log of SQLite's own has what the file does not."""
    try:
        return (folder / "store.db-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _create(path: Path, script: str) -> None:
    """Make a database file once, whoever else tries at the same time: it appears under its name finished."""
    if path.exists():
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{id(path):x}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        connection = sqlite3.connect(temporary)
        try:
            connection.executescript(script)
        finally:
            connection.close()
        name_once(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
