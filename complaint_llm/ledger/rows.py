"""From what observers are told to rows of the ledger's tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeAlias

from complaint_llm.ledger.tables import CONTEXT
from complaint_llm.observers.observer import AnswerEvent, AttemptEvent, BatchEvent

LedgerEvent: TypeAlias = AnswerEvent | AttemptEvent | BatchEvent

_FIND_CONTEXT = f"SELECT id FROM contexts WHERE {' AND '.join(f'{name} IS ?' for name in CONTEXT)}"  # noqa: S608
_ADD_CONTEXT = f"INSERT INTO contexts ({', '.join(CONTEXT)}) VALUES ({','.join('?' * len(CONTEXT))})"  # noqa: S608
_ALWAYS = ("id", "call", "context", "seconds")
_SOMETIMES = ("matter", "batch", "input_tokens", "output_tokens", "cost", "first_piece", "digest", "tried")
"""Columns of ``entries``, in the order in which a row's values are bound. What is not there is left out of the
statement: to bind None, or to have NULL made of another value, takes as long as all the rest."""
_MATTER, _BATCH, _TOKENS, _COST, _FIRST_PIECE, _DIGEST, _TRIED = 1, 2, 4 + 8, 16, 32, 64, 128
_AT_ONCE = (64, 8, 1)
"""Rows in one statement: each gives up the interpreter lock and waits to get it back, and few sizes are compiled."""
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
def _add_entries(shape: int, count: int) -> tuple[str, int]:
    """The statement for so many rows that have what ``shape`` says, and the number of values of a row."""
    columns = (*_ALWAYS, *(name for place, name in enumerate(_SOMETIMES) if shape >> place & 1))
    row = f"({', '.join('?' * len(columns))})"
    values = ", ".join([row] * count)
    return f"INSERT INTO entries ({', '.join(columns)}) VALUES {values}", len(columns)  # noqa: S608 - marks only


class RowWriter:
    """Writes rows into one connection, inside its caller's transactions. It keeps the ids of what calls share."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._contexts: dict[Values, int] = {}
        self._names: dict[str, int] = {}
        self._seen = -1
        self._number = 0
        self._taken: dict[int, int] | None = None

    def write(self, events: Iterable[LedgerEvent], missed: int, now: float, *, ids_are_free: bool = True) -> None:
        """Write the rows of these events: a call's attempts stand before its answer. Raises sqlite3.Error.

        Whether the ids that calls get by their times are free is looked up unless ``ids_are_free`` takes that for
        granted; then sqlite3.IntegrityError says that one was not.
        """
        self._taken = None if ids_are_free else {}
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._seen:  # another connection may have deleted names
            self._seen = version
            self.forget_ids()
        entries: dict[int, list[Any]] = {}
        tries: list[Values] = []
        attempts: list[AttemptEvent] = []
        for event in events:
            if type(event) is AttemptEvent:
                attempts.append(event)
            elif type(event) is AnswerEvent:
                self._add_entry(event, attempts, entries, tries)
                attempts.clear()
            elif type(event) is BatchEvent:
                self._write_batch(event)
        for shape, values in entries.items():
            self._write_entries(shape, values)
        if tries:
            self._db.executemany(_ADD_TRY, tries)
        if missed:
            self._db.execute("INSERT INTO gaps VALUES (?, ?)", (now, missed))

    def forget_ids(self) -> None:
        """What is shared may be another's now: a transaction was taken back, or rows were deleted."""
        self._contexts.clear()
        self._names.clear()

    def _write_entries(self, shape: int, values: Sequence[Any]) -> None:
        at = 0
        for count in _AT_ONCE:
            statement, columns = _add_entries(shape, count)
            size = count * columns
            while at + size <= len(values):
                self._db.execute(statement, values[at : at + size])
                at += size

    def _add_entry(
        self,
        event: AnswerEvent,
        attempts: Sequence[AttemptEvent],
        entries: dict[int, list[Any]],
        tries: list[Values],
    ) -> None:
        """Add its values to those of the rows of the same shape, and its attempts."""
        (call, time, kind, seconds, error, status, backend, model, usage, cost, finish_reason, cached, demo,
         first_piece, guards, task, matter, asked, batch, digest, sole_attempt) = event  # fmt: skip
        key = (kind, backend, model, asked, task, error, status, finish_reason, cached, demo, guards)
        context = self._contexts.get(key) or self._context(key)
        number = self._number = self._number + 1
        id = int((time - seconds) * 1e9) // _STEP * _STEP + number % _STEP
        if self._taken is not None:
            id = self._free_id(id, self._taken)
        shape, row = 0, [id, call, context, seconds]
        if matter is not None:
            shape |= _MATTER
            row.append(self._names.get(matter) or self._name(matter))
        if batch is not None:
            shape |= _BATCH
            row.append(self._names.get(batch) or self._name(batch))
        if error is None:
            shape |= _TOKENS
            row += (usage.prompt_tokens, usage.completion_tokens)
        if cost is not None:
            shape |= _COST
            row.append(cost)
        if first_piece is not None:
            shape |= _FIRST_PIECE
            row.append(first_piece)
        if digest is not None:
            shape |= _DIGEST
            row.append(digest)
        if sole_attempt is not None:
            shape |= _TRIED
            row.append(sole_attempt)
        else:
            tries += (
                (id, each.number, each.backend, each.model, each.error, each.seconds, each.sent, each.maybe_received)
                for each in attempts
            )
        known = entries.get(shape)
        if known is None:
            entries[shape] = row
        else:
            known += row

    def _free_id(self, wanted: int, taken: dict[int, int]) -> int:
        """This id or the next one that is free; ``taken`` has, for those that are not, where to look on."""
        id = wanted
        while id in taken or self._db.execute("SELECT 1 FROM entries WHERE id = ?", (id,)).fetchone():
            id = taken.get(id, id + 1)
        taken[wanted] = taken[id] = id + 1
        return id

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
