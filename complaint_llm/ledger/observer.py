"""The observer that keeps the ledger: it gathers what it is told, and writes it twice a second at most."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.ledger.expiry import Expiry
from complaint_llm.ledger.file import LEDGER_PATH, open_ledger
from complaint_llm.ledger.rows import RowWriter
from complaint_llm.ledger.transaction import transaction
from complaint_llm.observers.call_end import CallEnd, CallObserver
from complaint_llm.observers.observer import BatchEvent
from complaint_llm.routing.threads.fork import reset_in_child

MOST_KEPT = 50_000
"""Calls that are kept in memory while the file cannot be written; then the oldest are given up and counted."""
MOST_WITH_TEXTS = 1_000
"""Calls that wait with the texts of which a digest is to be made: with more, they are written at once."""
MAX_BYTES = 1_000_000_000
"""Of rows, if nothing else is said: some ten million calls."""
LONGEST_PAUSE = 60.0
"""Seconds between two tries to write a file that could not be written."""

_log = logging.getLogger("complaint_llm.ledger")


class LedgerObserver(CallObserver):
    """Keeps the ledger ``path``, and of it ``keep_days`` days, if that is given, and ``max_bytes`` of the newest rows.
    The file is opened when there is something to write.

    A fault of the file is logged once and costs no call: what is to be written waits, and is tried again. ``_lock``
    serialises the use of the one connection: who closes it may be another thread than who writes.
    """

    version: ClassVar[str] = "1"
    digests: ClassVar[bool] = True

    def __init__(
        self,
        path: Path,
        keep_days: int | None = None,
        max_bytes: int = MAX_BYTES,
        *,
        clock: Callable[[], float] = time.time,
        most_kept: int = MOST_KEPT,
        open_file: Callable[[Path], sqlite3.Connection] = open_ledger,
    ) -> None:
        self._path = path
        self._keep_days = keep_days
        self._max_bytes = max_bytes
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
        path = Path(keys.get("path") or folder / LEDGER_PATH)
        return cls(path, keys.get("keep_days"), keys.get("max_bytes", MAX_BYTES))

    def calls(self, ends: Sequence[CallEnd]) -> None:
        """Keep them until the next flush, or until they are many."""
        self._calls += (each.without_texts() for each in ends) if self._pause else ends
        if len(self._calls) >= MOST_WITH_TEXTS:
            self.flush()

    def batch(self, event: BatchEvent) -> None:
        """Keep it until the next flush."""
        self._batches.append(event)

    def report_loss(self, events: int) -> None:
        """Note how many there were."""
        self._missed += events

    def flush(self) -> None:
        """Write what waits in one transaction, unless the file could not be written a moment ago."""
        if self._clock() >= self._pause_until or len(self._calls) > self._most_kept:
            with self._lock:
                self._try_to_write()

    def close(self) -> None:
        """Write what waits, whatever was before; close the file. It is opened again if it is told more."""
        with self._lock:
            self._try_to_write()
            lost = self._number_of_events(len(self._calls)) + len(self._batches)
            if lost:
                _log.warning("%d events were not written to the ledger %s", lost, self._path)
                self._calls.clear()
                self._batches.clear()
            db, self._db = self._db, None
            self._rows = None
            if db is not None:
                with suppress(sqlite3.Error):
                    db.close()

    def after_fork(self) -> None:
        """What waits is the parent's, who writes it; the child opens a connection of its own."""
        self._lock = threading.Lock()
        self._calls: list[CallEnd] = []
        self._batches: list[BatchEvent] = []
        self._missed = 0
        self._pause = 0.0
        self._pause_until = 0.0
        self._warned = False
        if self._db is not None:
            # Closing it here would tamper with the parent's file locks; it is kept and never used.
            self._inherited.append(self._db)
        self._db = None
        self._rows = None
        self._expiry = Expiry(self._keep_days, self._max_bytes, self._clock)

    def _try_to_write(self) -> None:
        """With the lock held."""
        if not self._calls and not self._batches and not self._missed:
            return
        try:
            self._write()
        except (ComplaintLLMError, sqlite3.Error, OSError) as fault:
            if not self._warned:
                self._warned = True
                _log.warning("%s", _advice(self._path, fault))
            self._pause = min(max(1.0, 2 * self._pause), LONGEST_PAUSE)
            self._pause_until = self._clock() + self._pause
            self._keep_what_fits()
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
        self._calls.clear()
        self._batches.clear()
        self._missed = 0
        if self._expiry.delete_some(db):
            rows.forget_ids()

    def _transact(self, db: sqlite3.Connection, rows: RowWriter, now: float, *, ids_are_free: bool) -> None:
        try:
            with transaction(db):
                rows.write_calls(self._calls, ids_are_free=ids_are_free)
                rows.write_batches(self._batches)
                rows.write_gap(self._missed, now)
        except BaseException:
            rows.forget_ids()
            raise

    def _keep_what_fits(self) -> None:
        """Of what waits too long, the newest and no texts."""
        if len(self._calls) > self._most_kept:
            given_up = len(self._calls) - self._most_kept // 2
            self._missed += self._number_of_events(given_up)
            del self._calls[:given_up]
        self._calls = [each.without_texts() for each in self._calls]

    def _number_of_events(self, calls: int) -> int:
        """How many events so many of the oldest calls are."""
        return sum(each.number_of_events(sole_attempts=False) for each in self._calls[:calls])


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
