"""From what observers are told to rows of the ledger's tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from complaint_llm.ledger.tables import CONTEXT
from complaint_llm.observers.call_end import CallEnd, attempt_error, attempt_model, sole_attempt
from complaint_llm.observers.observer import BatchEvent
from complaint_llm.observers.texts_digest import texts_digest

if TYPE_CHECKING:
    from complaint_llm.messages import Attempt

_FIND_CONTEXT = f"SELECT id FROM contexts WHERE {' AND '.join(f'{name} IS ?' for name in CONTEXT)}"  # noqa: S608
_ADD_CONTEXT = f"INSERT INTO contexts ({', '.join(CONTEXT)}) VALUES ({','.join('?' * len(CONTEXT))})"  # noqa: S608
_ALWAYS = ("id", "context", "seconds")
_SOMETIMES = ("call", "matter", "batch", "input_tokens", "output_tokens", "cost", "first_piece", "digest", "tried")
"""Columns of ``entries``, in the order in which a row's values are bound. What is not there is left out of the
statement: to bind None, or to have NULL made of another value, takes as long as all the rest."""
_CALL, _MATTER, _BATCH, _TOKENS, _COST, _FIRST_PIECE, _DIGEST, _TRIED = 1, 2, 4, 8 + 16, 32, 64, 128, 256
_AT_ONCE = (64, 8, 1)
"""Rows in one statement: each gives up the interpreter lock and waits to get it back, and few sizes are compiled."""
_ADD_TRY = "INSERT INTO tries VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_BEGIN_BATCH = "INSERT INTO batches (batch, began) VALUES (?, ?) ON CONFLICT DO NOTHING"
_END_BATCH = (
    "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (batch) DO UPDATE SET ended = excluded.ended, "
    "counts = excluded.counts, cost = excluded.cost, seconds = excluded.seconds"
)
_STEP = 256
"""Nanoseconds that a float does not tell apart in times of this century: so many calls get different ids."""

Values: TypeAlias = tuple[Any, ...]


def _tries(
    id: int, attempts: Sequence[Attempt], backend: str | None, model: str | None, error: str | None
) -> Iterator[Values]:
    """The rows of the attempts of the call in this row, which so ended."""
    for number, each in enumerate(attempts, 1):
        its_model = attempt_model(each, backend, model, error)
        yield id, number, each.backend, its_model, attempt_error(each), each.seconds, each.sent, each.maybe_received


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

    def write_calls(self, ends: Iterable[CallEnd], *, ids_are_free: bool = True) -> None:
        """Write the rows of these calls. Raises sqlite3.Error.

        Whether the ids that calls get by their times are free is looked up unless ``ids_are_free`` takes that for
        granted; then sqlite3.IntegrityError says that one was not.
        """
        self._taken = None if ids_are_free else {}
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._seen:  # another connection may have deleted names
            self._seen = version
            self.forget_ids()
        tries: list[Values] = []
        entries = self._entries(ends, tries)
        for shape, values in entries.items():
            self._write_entries(shape, values)
        if tries:
            self._db.executemany(_ADD_TRY, tries)

    def write_batches(self, events: Iterable[BatchEvent]) -> None:
        """Write that these batches began or ended. Raises sqlite3.Error."""
        for event in events:
            if event.phase == "begin":
                self._db.execute(_BEGIN_BATCH, (event.batch, event.time))
            else:
                counts = json.dumps(dict(event.counts))
                began = event.time - event.seconds
                self._db.execute(_END_BATCH, (event.batch, began, event.time, counts, event.cost, event.seconds))

    def write_gap(self, missed: int, now: float) -> None:
        """Write that so many events could not be written. Raises sqlite3.Error."""
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

    def _entries(self, ends: Iterable[CallEnd], tries: list[Values]) -> Mapping[int, Sequence[Any]]:
        """The values of rows by their shape, one row after the other; to ``tries`` the rows of attempts are added."""
        entries: dict[int, list[Any]] = {}
        contexts, names, taken = self._contexts, self._names, self._taken
        for number, (start, ended, time, attempts, error, status, backend, model, usage, cost, finish_reason, cached,
                     demo, first_piece, guards) in enumerate(ends, self._number):  # fmt: skip
            kind, deadline, task, matter, asked, batch, texts, began = start
            key = (kind, backend, model, asked, task, error, status, finish_reason, cached, demo, guards)
            seconds = ended - began
            id = int((time - seconds) * 1e9) + number % _STEP
            if taken is not None:
                id = self._free_id(id, taken)
            shape = 0
            row: list[Any] = [id, contexts.get(key) or self._context(key), seconds]
            call = deadline.known_call_id
            if call is not None:
                shape |= _CALL
                row.append(call)
            if matter is not None:
                shape |= _MATTER
                row.append(names.get(matter) or self._name(matter))
            if batch is not None:
                shape |= _BATCH
                row.append(names.get(batch) or self._name(batch))
            if error is None and (usage.prompt_tokens or usage.completion_tokens):
                shape |= _TOKENS
                row += usage[:2] if usage.unpriced is None else usage.known_counts
            if cost is not None:
                shape |= _COST
                row.append(cost)
            if first_piece is not None:
                shape |= _FIRST_PIECE
                row.append(first_piece)
            if texts is not None:
                shape |= _DIGEST
                row.append(texts if isinstance(texts, int) else texts_digest(texts))
            sole = sole_attempt(attempts, error)
            if sole is not None:
                shape |= _TRIED
                row.append(sole.seconds)
            elif attempts:
                tries += _tries(id, attempts, backend, model, error)
            known = entries.get(shape)
            if known is None:
                entries[shape] = row
            else:
                known += row
        self._number = (self._number + sum(len(each) for each in entries.values())) % _STEP
        return entries

    def _free_id(self, wanted: int, taken: dict[int, int]) -> int:
        """This id or the next one that is free; ``taken`` has, for those that are not, where to look on."""
        id = wanted
        while id in taken or self._db.execute("SELECT 1 FROM entries WHERE id = ?", (id,)).fetchone():
            id = taken.get(id, id + 1)
        taken[wanted] = taken[id] = id + 1
        return id

    def _context(self, key: Values) -> int:
        kind, backend, model, *plain, cached, demo, guards = key
        values = (kind, backend or None, model or None, *plain, int(cached), int(demo), ",".join(guards) or None)
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
