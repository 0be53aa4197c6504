"""Deletes what is older than a ledger is to keep: a little at a time, when it is opened and once a day."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

DAY = 86_400.0
MOST_AT_ONCE = 5_000
"""Calls deleted in one transaction, beside what is written."""


class Expiry:
    """``keep_days`` days are kept. One thread uses it."""

    def __init__(self, keep_days: int, clock: Callable[[], float]) -> None:
        self._keep = keep_days * DAY
        self._clock = clock
        self._next = float("-inf")

    def delete_some(self, db: sqlite3.Connection) -> bool:
        """Delete some if any are due now; whether something was deleted. Raises sqlite3.Error."""
        now = self._clock()
        if now < self._next:
            return False
        before = now - self._keep
        limit = int(before * 1e9)
        db.execute("BEGIN IMMEDIATE")
        try:
            oldest = "SELECT id FROM entries WHERE id < ? ORDER BY id LIMIT ?"
            ids = db.execute(oldest, (limit, MOST_AT_ONCE)).fetchall()
            if ids:
                last = ids[-1][0]
                db.execute("DELETE FROM tries WHERE call <= ?", (last,))
                db.execute("DELETE FROM entries WHERE id <= ?", (last,))
            if len(ids) < MOST_AT_ONCE:
                self._delete_unused(db, before)
                self._next = now + DAY
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return True

    @staticmethod
    def _delete_unused(db: sqlite3.Connection, before: float) -> None:
        db.execute("DELETE FROM batches WHERE began < ?", (before,))
        db.execute("DELETE FROM gaps WHERE time < ?", (before,))
        db.execute(DELETE_UNUSED_NAMES)


DELETE_UNUSED_NAMES = """
DELETE FROM names WHERE NOT EXISTS (SELECT 1 FROM entries WHERE matter = names.id)
    AND NOT EXISTS (SELECT 1 FROM entries WHERE batch = names.id)
"""
