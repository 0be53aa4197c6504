"""Deletes what is more than a ledger is to keep, the oldest first, a little at a time with what is written."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable

from complaint_llm.ledger.transaction import transaction

DAY = 86_400.0
MOST_AT_ONCE = 5_000
"""Calls deleted in one transaction, beside what is written."""

_log = logging.getLogger("complaint_llm.ledger")


class Expiry:
    """``keep_days`` days are kept, if that is given, looked at once a day; and ``max_bytes`` of rows. One thread uses
    it."""

    def __init__(self, keep_days: int | None, max_bytes: int, clock: Callable[[], float]) -> None:
        self._keep = None if keep_days is None else keep_days * DAY
        self._max_bytes = max_bytes
        self._clock = clock
        self._next = float("-inf")
        self._warned = False

    def delete_some(self, db: sqlite3.Connection) -> bool:
        """Delete some if there is too much now; whether something was deleted. Raises sqlite3.Error."""
        now = self._clock()
        if self._keep is not None and now >= self._next:
            if self._delete(db, now - self._keep) < MOST_AT_ONCE:
                self._next = now + DAY
            return True
        if _bytes_used(db) <= self._max_bytes:
            return False
        if not self._warned:
            self._warned = True
            _log.warning(
                "the ledger has reached its %d bytes: its oldest calls are deleted as new ones come; a larger "
                "MEDIATOR.ledger.max_bytes keeps more",
                self._max_bytes,
            )
        return bool(self._delete(db, None))

    @staticmethod
    def _delete(db: sqlite3.Connection, before: float | None) -> int:
        """Delete the oldest calls, those of before that time if one is given, and what only they had; how many."""
        with transaction(db):
            limit = 2**63 - 1 if before is None else int(before * 1e9)
            oldest = "SELECT id FROM entries WHERE id < ? ORDER BY id LIMIT ?"
            ids = db.execute(oldest, (limit, MOST_AT_ONCE)).fetchall()
            if ids:
                ((last,),) = ids[-1:]
                db.execute("DELETE FROM tries WHERE call <= ?", (last,))
                db.execute("DELETE FROM entries WHERE id <= ?", (last,))
            if len(ids) < MOST_AT_ONCE or before is None:
                since = ids[-1][0] / 1e9 if before is None and ids else before
                db.execute("DELETE FROM batches WHERE began < ?", (since,))
                db.execute("DELETE FROM gaps WHERE time < ?", (since,))
                db.execute(DELETE_UNUSED_NAMES)
        return len(ids)


def _bytes_used(db: sqlite3.Connection) -> int:
    """Bytes of the file's pages that hold something: those of what was deleted are filled again."""
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


DELETE_UNUSED_NAMES = """
DELETE FROM names WHERE NOT EXISTS (SELECT 1 FROM entries WHERE matter = names.id)
    AND NOT EXISTS (SELECT 1 FROM entries WHERE batch = names.id)
"""
