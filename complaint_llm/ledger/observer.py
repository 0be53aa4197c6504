"""The observer that keeps the ledger: it gathers what it is told, and writes it twice a second at most."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.ledger.expiry import Expiry
from complaint_llm.ledger.file import LEDGER_PATH, open_ledger
from complaint_llm.ledger.rows import LedgerEvent, RowWriter
from complaint_llm.observers.observer import AnswerEvent, AttemptEvent, BatchEvent, Observer
from complaint_llm.routing.threads.fork import reset_in_child

MOST_KEPT = 50_000
"""Events that are kept in memory while the file cannot be written; then the oldest are given up and counted."""
LONGEST_PAUSE = 60.0
"""Seconds between two tries to write a file that could not be written."""

_log = logging.getLogger("complaint_llm.ledger")


class LedgerObserver(Observer):
    """Keeps the ledger ``path``, and of it ``keep_days`` days if that is given. The file is opened when there is
    something to write.

    A fault of the file is logged once and costs no call: what is to be written waits, and is tried again. ``_lock``
    serialises the use of the one connection: who closes it may be another thread than who writes.
    """

    version: ClassVar[str] = "1"
    sole_attempts: ClassVar[bool] = False
    digests: ClassVar[bool] = True

    def __init__(
        self,
        path: Path,
        keep_days: int | None = None,
        *,
        clock: Callable[[], float] = time.time,
        most_kept: int = MOST_KEPT,
        open_file: Callable[[Path], sqlite3.Connection] = open_ledger,
    ) -> None:
        self._path = path
        self._keep_days = keep_days
        self._clock = clock
        self._most_kept = most_kept
        self._open_file = open_file
        self._inherited: list[sqlite3.Connection] = []
        self._db: sqlite3.Connection | None = None
        self._rows: RowWriter | None = None
        self.after_fork()
        reset_in_child(self)

    @classmethod
    def of(cls, setting: bool | Mapping[str, Any], folder: Path) -> Self:
        """The one that ``MEDIATOR.ledger`` describes; in ``folder`` where it names no path."""
        keys = setting if isinstance(setting, Mapping) else {}
        return cls(Path(keys.get("path") or folder / LEDGER_PATH), keys.get("keep_days"))

    def attempt(self, event: AttemptEvent) -> None:
        """Keep it until the next flush."""
        self._waiting.append(event)

    def answer(self, event: AnswerEvent) -> None:
        """The same."""
        self._waiting.append(event)

    def batch(self, event: BatchEvent) -> None:
        """The same."""
        self._waiting.append(event)

    def report_loss(self, events: int) -> None:
        """Note how many there were."""
        self._missed += events

    def flush(self) -> None:
        """Write what waits in one transaction, unless the file could not be written a moment ago."""
        if self._clock() >= self._pause_until or len(self._waiting) > self._most_kept:
            with self._lock:
                self._try_to_write()

    def close(self) -> None:
        """Write what waits, whatever was before; close the file. It is opened again if it is told more."""
        with self._lock:
            self._try_to_write()
            if self._waiting:
                _log.warning("%d events were not written to the ledger %s", len(self._waiting), self._path)
                self._waiting.clear()
            db, self._db = self._db, None
            self._rows = None
            if db is not None:
                with suppress(sqlite3.Error):
                    db.close()

    def after_fork(self) -> None:
        """What waits is the parent's, who writes it; the child opens a connection of its own."""
        self._lock = threading.Lock()
        self._waiting: list[LedgerEvent] = []
        self._missed = 0
        self._pause = 0.0
        self._pause_until = 0.0
        self._warned = False
        if self._db is not None:
            # Closing it here would tamper with the parent's file locks; it is kept and never used.
            self._inherited.append(self._db)
        self._db = None
        self._rows = None
        self._expiry: Expiry | None = None if self._keep_days is None else Expiry(self._keep_days, self._clock)

    def _try_to_write(self) -> None:
        """With the lock held."""
        if not self._waiting and not self._missed:
            return
        try:
            self._write()
        except (ComplaintLLMError, sqlite3.Error, OSError) as fault:
            if not self._warned:
                self._warned = True
                _log.warning("%s", _advice(self._path, fault))
            self._pause = min(max(1.0, 2 * self._pause), LONGEST_PAUSE)
            self._pause_until = self._clock() + self._pause
            self._give_up_oldest()
        else:
            self._pause = 0.0

    def _write(self) -> None:
        if self._db is None or self._rows is None:
            self._db = self._open_file(self._path)
            self._rows = RowWriter(self._db)
        db, rows = self._db, self._rows
        now = self._clock()
        try:
            self._transact(db, rows, now, ids_are_free=True)
        except sqlite3.IntegrityError:  # another call began in the same moment
            self._transact(db, rows, now, ids_are_free=False)
        self._waiting.clear()
        self._missed = 0
        if self._expiry is not None and self._expiry.delete_some(db):
            rows.forget_ids()

    def _transact(self, db: sqlite3.Connection, rows: RowWriter, now: float, *, ids_are_free: bool) -> None:
        db.execute("BEGIN IMMEDIATE")
        try:
            rows.write(self._waiting, self._missed, now, ids_are_free=ids_are_free)
            db.execute("COMMIT")
        except BaseException:
            rows.forget_ids()
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _give_up_oldest(self) -> None:
        """Of what waits too long, whole calls."""
        if len(self._waiting) <= self._most_kept:
            return
        end = len(self._waiting) - self._most_kept // 2
        while end < len(self._waiting) and type(self._waiting[end - 1]) is AttemptEvent:
            end += 1
        self._missed += end
        del self._waiting[:end]


def _advice(path: Path, fault: Exception) -> str:
    """What is wrong with the file and what to do, in a line."""
    said = str(fault)
    if isinstance(fault, ComplaintLLMError):
        return f"the ledger is not kept: {said}; calls go on"
    words = said.lower()
    if "full" in words or "no space" in words:
        advice = "free some space: rows wait, and are written then"
    elif "locked" in words or "busy" in words:
        advice = "another program holds it: rows wait, and are written when it lets go"
    elif "malformed" in words or "not a database" in words or "corrupt" in words:
        advice = "it is damaged and left as it is: move it away, and a new one is begun"
    else:
        advice = "make its folder writable, or give MEDIATOR.ledger another path"
    return f"the ledger {path} cannot be written ({said}): {advice}; calls go on"
