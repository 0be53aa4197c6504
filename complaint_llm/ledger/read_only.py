"""A ledger opened for reading alone, also while somebody writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.ledger.tables import OLDEST, VERSION


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection in one transaction: all that is read is of one moment. Nothing is written, not even beside it.

    Raises ComplaintLLMError, also for what goes wrong while it is used.
    """
    if not path.is_file():
        raise ComplaintLLMError(f"{path}: there is no ledger here" + (" but a folder" if path.is_dir() else ""))
    try:
        with closing(_connect(path)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if not {"calls", "attempts", "batches"} <= names:
                raise ComplaintLLMError(f"{path}: is no ledger")
            if not OLDEST <= version <= VERSION:
                raise ComplaintLLMError(
                    f"{path}: is a ledger of version {version}; this program reads {OLDEST} to {VERSION}"
                )
            connection.execute("PRAGMA temp_store = MEMORY")  # matters must not come to lie in another file
            yield connection
    except sqlite3.Error as error:
        raise ComplaintLLMError(f"{path}: the ledger cannot be read: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        return _begin(address)
    except sqlite3.OperationalError:
        # In a folder that may not be written SQLite makes no index of the log beside the file. Without a log there is
        # nothing to index.
        if path.with_name(f"{path.name}-wal").exists():
            raise
        return _begin(f"{address}&immutable=1")


def _begin(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=10.0)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
