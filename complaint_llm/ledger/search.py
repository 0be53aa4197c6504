"""Finds calls in a ledger, the newest first; each filter reads by an index no more than it hands out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from complaint_llm.call import times_of_call_name
from complaint_llm.ledger.periods import LATEST
from complaint_llm.ledger.tables import CALL_NAME

ANY_ERROR = "*"
_CLOCK_STEPS = 86_400.0
"""Seconds by which the time in a call's name and that of its row may differ: clocks are set, machines sleep."""


class CallFilter(NamedTuple):
    """Which calls. Times are in seconds since 1970, ``until`` not included; ``error`` is a class, or ``ANY_ERROR``."""

    since: float | None = None
    until: float | None = None
    backend: str | None = None
    matter: str | None = None
    error: str | None = None
    task: str | None = None
    batch: str | None = None
    call: str | None = None
    """The first letters of a call's name, in which its time is."""
    after: int | None = None
    """The ``id`` of a call: only those that are older."""


class FoundCall(NamedTuple):
    """A row of the view ``calls`` and its attempts, by the names of their columns."""

    call: dict[str, Any]
    attempts: Sequence[dict[str, Any]]


class Gaps(NamedTuple):
    """How many events were never written, and when that was last noted."""

    events: int
    last: float | None


def find_calls(db: sqlite3.Connection, wanted: CallFilter, most: int | None = None) -> Iterator[FoundCall]:
    """At most ``most`` of the calls, the newest first. ``db`` has the ledger open. Raises sqlite3.Error."""
    for (id,) in islice(find_ids(db, wanted), most):
        (call,) = _dicts(db, "SELECT * FROM calls WHERE id = ?", id)
        # Each part by itself: of the view both would be read.
        tried = "SELECT number, backend, model, error, seconds, sent, maybe_received FROM attempts WHERE call = ?"
        yield FoundCall(call, _dicts(db, tried + " ORDER BY number", id))


def find_ids(db: sqlite3.Connection, wanted: CallFilter) -> Iterator[tuple[int]]:
    """Their ids, the newest first."""
    conditions: list[str] = []
    values: list[Any] = []
    for time, sign in ((wanted.since, ">="), (wanted.until, "<")):
        if time is not None:
            conditions.append(f"id {sign} ?")
            values.append(_id_at(time))
    for column, name in (("matter", wanted.matter), ("batch", wanted.batch)):
        if name is not None:
            conditions.append(f"{column} = (SELECT id FROM names WHERE name = ?)")  # noqa: S608 - ours
            values.append(name)
    if wanted.after is not None:
        conditions.append("id < ?")
        values.append(wanted.after)
    if wanted.call is not None:
        named = times_of_call_name(wanted.call)
        if named is not None:
            conditions += ("id >= ?", "id < ?")
            values += (_id_at(named[0] - _CLOCK_STEPS), _id_at(named[1] + _CLOCK_STEPS))
        conditions.append(f"substr({CALL_NAME}, 1, ?) = ?")
        values += (len(wanted.call), wanted.call)
    contexts = _contexts(db, wanted)
    if contexts is None:
        return _newest(db, conditions, values)
    if wanted.matter is not None or wanted.batch is not None:
        of_context = f"+context IN ({', '.join(map(str, contexts))})"
        return _newest(db, [*conditions, of_context], values)
    streams = [_newest(db, [*conditions, "context = ?"], [*values, context]) for context in contexts]
    return merge(*streams, reverse=True)


def gaps(db: sqlite3.Connection) -> Gaps:
    """What could not be written."""
    return Gaps(*db.execute("SELECT coalesce(sum(events), 0), max(time) FROM gaps").fetchone())


def _contexts(db: sqlite3.Connection, wanted: CallFilter) -> list[int] | None:
    """The contexts that are wanted; None where any is."""
    conditions: list[str] = []
    values: list[str] = []
    for column, value in (("backend", wanted.backend), ("error", wanted.error), ("task", wanted.task)):
        if value == ANY_ERROR and column == "error":
            conditions.append("error IS NOT NULL")
        elif value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    if not conditions:
        return None
    found = db.execute(f"SELECT id FROM contexts WHERE {' AND '.join(conditions)}", values)  # noqa: S608 - marks only
    return [id for (id,) in found]


def _newest(db: sqlite3.Connection, conditions: Sequence[str], values: Sequence[Any]) -> Iterator[tuple[int]]:
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return db.execute(f"SELECT id FROM entries{where} ORDER BY id DESC", values)  # noqa: S608 - marks only


def _id_at(time: float) -> int:
    return int(min(max(time, 0.0), LATEST) * 1e9)


def _dicts(db: sqlite3.Connection, query: str, *values: Any) -> list[dict[str, Any]]:
    cursor = db.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
