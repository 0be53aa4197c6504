"""The SQLite files of budgets and caches, in a private folder."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

STATE_PATH = Path(".complaint_llm/state.db")
"""Where budgets are kept: beside the config, or in the working directory where there is none."""


def state_fault(path: Path, schema: str) -> str | None:
    """Why ``open_state`` would fail; None where nothing shows. Nothing is made or changed."""

    def look(db: sqlite3.Connection) -> None:
        import sqlite3  # cold start: sqlite3

        with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            for name, text in db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall():
                if not name.startswith("sqlite_"):
                    copy.execute(text)
            copy.executescript(schema)

    from complaint_llm.private_database import database_fault  # cold start: budgets and caches

    return database_fault(path, look)


def open_state(path: Path, schema: str) -> sqlite3.Connection:
    """An SQLite file in such a folder, for one user at a time but any thread. Raises sqlite3.Error and OSError."""
    import sqlite3  # cold start: sqlite3

    from complaint_llm.private_folder import make_private_folder  # cold start: budgets and caches

    make_private_folder(path.parent)
    path.touch(mode=0o600)  # SQLite gives its side files the same mode
    db = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives the death of the process at once, and a power cut but for the last moments.
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(schema)
    except BaseException:
        db.close()
        raise
    return db
