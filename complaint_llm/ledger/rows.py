"""From what observers are told to rows of the ledger's tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeAlias

from complaint_llm.ledger.tables import CONTEXT
from complaint_llm.observers.observer import AnswerEvent, AttemptEvent, BatchEvent

LedgerEvent: TypeAlias = AnswerEvent | AttemptEvent | BatchEvent

_FIND_CONTEXT = f"SELECT id FROM contexts WHERE {' AND '.join(f'{name} IS ?' for name in CONTEXT)}"  # noqa: S608
_ADD_CONTEXT = f"INSERT INTO contexts ({', '.join(CONTEXT)}) VALUES ({','.join('?' * len(CONTEXT))})"  # noqa: S608
# What is not there is 0, -1 or '' on its way: to bind None costs ten times as much.
_ENTRY = (
    "(?, ?, ?, nullif(?, 0), nullif(?, 0), nullif(?, -1), nullif(?, -1), nullif(?, -1), ?, nullif(?, -1), "
    "nullif(?, ''), nullif(?, -1))"
)
_AT_ONCE = 64
"""Rows in one statement: each gives up the interpreter lock and waits to get it back."""
_ADD_TRY = "INSERT INTO tries VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_BEGIN_BATCH = "INSERT INTO batches (batch, began) VALUES (?, ?) ON CONFLICT DO NOTHING"
_END_BATCH = (
    "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (batch) DO UPDATE SET ended = excluded.ended, "
    "counts = excluded.counts, cost = excluded.cost, seconds = excluded.seconds"
)
_STEP = 256
"""Nanoseconds within which a float tells times of this century apart: so many calls get different ids."""

Values: TypeAlias = tuple[Any, ...]


@cache
def _add_entries(count: int) -> str:
    return f"INSERT INTO entries VALUES {', '.join([_ENTRY] * count)}"


class RowWriter:
    """Writes rows into one connection, inside its caller's transactions. It keeps the ids of what calls share."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._contexts: dict[Values, int] = {}
        self._names: dict[str, int] = {}
        self._seen = -1
        self._number = 0

    def write(self, events: Iterable[LedgerEvent], missed: int, now: float) -> None:
        """Write the rows of these events: a call's attempts stand before its answer. Raises sqlite3.Error."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._seen:  # another connection may have deleted names
            self._seen = version
            self.forget_ids()
        entries: list[Values] = []
        tries: list[Values] = []
        attempts: list[AttemptEvent] = []
        for event in events:
            if type(event) is AttemptEvent:
                attempts.append(event)
            elif type(event) is AnswerEvent:
                entries.append(self._entry(event, attempts, tries))
                attempts.clear()
            elif type(event) is BatchEvent:
                self._write_batch(event)
        for start in range(0, len(entries), _AT_ONCE):
            some = entries[start : start + _AT_ONCE]
            self._db.execute(_add_entries(len(some)), tuple(chain.from_iterable(some)))
        if tries:
            self._db.executemany(_ADD_TRY, tries)
        if missed:
            self._db.execute("INSERT INTO gaps VALUES (?, ?)", (now, missed))

    def forget_ids(self) -> None:
        """What is shared may be another's now: a transaction was taken back, or rows were deleted."""
        self._contexts.clear()
        self._names.clear()

    def _entry(self, event: AnswerEvent, attempts: Sequence[AttemptEvent], tries: list[Values]) -> Values:
        (call, time, kind, seconds, error, status, backend, model, usage, cost, finish_reason, cached, demo, first_piece,
         guards, task, matter, asked, batch, digest, sole_attempt) = event  # fmt: skip
        key = (kind, backend, model, asked, task, error, status, finish_reason, cached, demo, guards)
        context = self._contexts.get(key) or self._context(key)
        number = self._number = self._number + 1
        id = int((time - seconds) * 1e9) // _STEP * _STEP + number % _STEP
        if sole_attempt is None:
            tries += (
                (id, each.number, each.backend, each.model, each.error, each.seconds, each.sent, each.maybe_received)
                for each in attempts
            )
        counted = error is None
        return (
            id,
            call,
            context,
            0 if matter is None else self._names.get(matter) or self._name(matter),
            0 if batch is None else self._names.get(batch) or self._name(batch),
            usage.prompt_tokens if counted else -1,
            usage.completion_tokens if counted else -1,
            -1.0 if cost is None else cost,
            seconds,
            -1.0 if first_piece is None else first_piece,
            digest or "",
            -1.0 if sole_attempt is None else sole_attempt,
        )

    def _context(self, key: Values) -> int:
        *plain, cached, demo, guards = key
        values = (*plain, int(cached), int(demo), ",".join(guards) or None)
        found = self._db.execute(_FIND_CONTEXT, values).fetchone()
        id: int = self._db.execute(_ADD_CONTEXT, values).lastrowid or 0 if found is None else found[0]
        self._contexts[key] = id
        return id

    def _name(self, name: str) -> int:
        found = self._db.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
        if found is None:
            id = self._db.execute("INSERT INTO names (name) VALUES (?)", (name,)).lastrowid or 0
        else:
            (id,) = found
        self._names[name] = id
        return id

    def _write_batch(self, event: BatchEvent) -> None:
        if event.phase == "begin":
            self._db.execute(_BEGIN_BATCH, (event.batch, event.time))
            return
        counts = json.dumps(dict(event.counts))
        began = event.time - event.seconds
        self._db.execute(_END_BATCH, (event.batch, began, event.time, counts, event.cost, event.seconds))
