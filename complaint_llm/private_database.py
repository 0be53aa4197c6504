"""SQLite files for what we keep of a client's work, looked at before they are needed: nothing is made or changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.private_folder import folder_fault

if TYPE_CHECKING:
    import sqlite3

_BESIDE = ("-wal", "-shm", "-journal")
"""How SQLite calls what it keeps beside a file."""


def database_fault(path: Path, look: Callable[[sqlite3.Connection], object]) -> str | None:
    """Why the file could not be opened and written, or made where it is not there; None where nothing shows.

    ``look`` is shown what is in it, and raises ComplaintLLMError or sqlite3.Error for what could not be used. What lies
    in SQLite's log beside the file alone is not seen.
    """
    import sqlite3  # cold start

    for each in (path, *(path.with_name(path.name + end) for end in _BESIDE)):
        if each.is_dir():
            return f"{each} is a folder, where a file is wanted: move it away, or give another path"
    found = folder_fault(path.parent)
    if found is not None or not path.exists():
        return found
    if not path.is_file():
        return f"{path} is no file: give another path"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path} cannot be written by this user: make it writable, or give another path"
    try:
        # Otherwise SQLite would make an index of its log beside the file.
        address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            look(connection)
    except ComplaintLLMError as fault:
        return str(fault)
    except (sqlite3.Error, OSError) as fault:
        if "malformed" in str(fault) and _has_log(path):
            return None  # somebody writes it just now: what is read past the log may be of two moments
        return f"{path} cannot be used: {fault}: it is damaged or no database: move it away, or give another path"
    return None


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0
