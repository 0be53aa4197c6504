"""A folder for what we keep about a client's work: for its owner alone, and never committed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

STATE_PATH = Path(".complaint_llm/state.db")
"""Where budgets are kept: beside the config, or in the working directory where there is none."""


def make_private_folder(folder: Path) -> None:
    """Make ``folder`` with mode 0700 and a ``.gitignore`` of ``*``; one that is there already stays as it is."""
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="ascii")


def open_state(path: Path, schema: str) -> sqlite3.Connection:
    """An SQLite file in such a folder, for one user at a time but any thread. Raises sqlite3.Error and OSError."""
    import sqlite3  # cold start

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
