"""Where later runs found items that they did not ask again: a few bytes for each instead of its whole row anew.

What is in ``items`` is as it was when the item was last asked; its place in a later run's input stands here. The one of
the later run counts.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from complaint_llm.batch.journal.entries import COLUMNS, JournalEntry, from_row
from complaint_llm.batch.journal.spans import span_rows

SCHEMA = """
CREATE TABLE places (
    row      INTEGER PRIMARY KEY,    -- of the item
    run      INTEGER NOT NULL,       -- the last run that read it,
    position INTEGER NOT NULL        -- and its place in that run's input, from 0
)
"""
_ITEMS = ", ".join(f"items.{name}" for name in COLUMNS)
WITH_PLACES = f"SELECT {_ITEMS}, places.run, places.position FROM items LEFT JOIN places USING (row)"  # noqa: S608
"""Rows for ``placed_entry``; a condition on ``items`` may follow."""

_IN_ORDER = """
SELECT items.row, max(items.run, coalesce(places.run, 0)) AS last,
    CASE WHEN places.run > items.run THEN places.position ELSE items.position END AS place
FROM items LEFT JOIN places USING (row) WHERE last >= ? ORDER BY place, last
"""


def placed_entry(values: Sequence[Any]) -> JournalEntry:
    """The entry with the place that the last run found it at. Raises ValueError as ``from_row`` does."""
    *stored, run_number, position = values
    entry = from_row(stored)
    if run_number is None or run_number <= entry.run_number:
        return entry
    return entry._replace(run_number=run_number, position=position)


def rows_in_order(db: sqlite3.Connection, run_number: int) -> Iterator[int]:
    """The rows of items that this run or a later one read, in the order of their places. Raises ValueError where that
    was changed from outside."""
    alone = ((place, last, row) for row, last, place in db.execute(_IN_ORDER, (run_number,)))
    if not run_number:  # all are among them
        return (row for *_, row in alone)
    together = ((place, last, row) for row, place, last in span_rows(db, run_number))
    return (row for *_, row in heapq.merge(alone, together))


def keep_places(db: sqlite3.Connection, entries: Iterable[JournalEntry]) -> None:
    """Note the places of items whose rows are there, in the caller's transaction."""
    places = [(entry.row, entry.run_number, entry.position) for entry in entries]
    db.executemany("INSERT OR REPLACE INTO places (row, run, position) VALUES (?, ?, ?)", places)
