"""What a ledger has of a matter, and its deletion."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.ledger.expiry import DELETE_UNUSED_NAMES
from complaint_llm.ledger.file import open_ledger
from complaint_llm.ledger.read_only import open_read_only
from complaint_llm.ledger.transaction import transaction

_OF_MATTER = "SELECT entries.id FROM entries JOIN names ON names.id = entries.matter WHERE name = ?"
_LONGEST_WAIT = 30.0
"""Seconds to wait for programs that write and read meanwhile."""


def calls_of_matter(path: Path, matter: str) -> int:
    """How many calls it has of it. Raises ComplaintLLMError."""
    with open_read_only(path) as db:
        return int(db.execute(f"SELECT count(*) FROM ({_OF_MATTER})", (matter,)).fetchone()[0])  # noqa: S608 - ours


def forget_calls(path: Path, matter: str) -> int:
    """Delete them so that nothing of them is left in the file; how many. Raises ComplaintLLMError, sqlite3.Error,
    OSError."""
    with closing(open_ledger(path, _LONGEST_WAIT)) as db:
        count = _delete(db, matter)
        # What was moved within the file may have left copies behind; so the file is made anew, without them.
        db.execute("VACUUM")
        ((busy, *_),) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise ComplaintLLMError(
                f"{path}: the rows are deleted, but another program reads the ledger, and until it ends they can be "
                f"found in {path}-wal: run the same again then"
            )
    return count


def _delete(db: sqlite3.Connection, matter: str) -> int:
    with transaction(db):
        ids: Sequence[tuple[int]] = db.execute(_OF_MATTER, (matter,)).fetchall()
        db.executemany("DELETE FROM tries WHERE call = ?", ids)
        db.executemany("DELETE FROM entries WHERE id = ?", ids)
        if ids:
            db.execute(DELETE_UNUSED_NAMES)
    return len(ids)
