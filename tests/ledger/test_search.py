"""Calls are found newest first, and every filter reads by an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.ledger.observer import LedgerObserver
from complaint_llm.ledger.read_only import open_read_only
from complaint_llm.ledger.search import ANY_ERROR, CallFilter, find_calls, find_ids
from complaint_llm.observers.observer import AnswerEvent

CALLS: list[dict[str, Any]] = [
    {"backend": "a", "matter": "1", "task": "claims"},
    {"backend": "b", "matter": "2", "error": "ServerError"},
    {"backend": "a", "matter": "2", "batch": "night"},
    {"backend": "a", "error": "RateLimitError", "task": "claims"},
    {"backend": "c"},
]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger with a call at each of the seconds 100, 200, ..."""
    observer = LedgerObserver(tmp_path / "l.db")
    for number, call in enumerate(CALLS):
        observer.answer(AnswerEvent(f"c{number}", 100.0 * (number + 1) + 1, "infer", 1.0, **call))
    observer.close()
    with open_read_only(tmp_path / "l.db") as opened:
        yield opened


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "43210"),
        ({"backend": "a"}, "320"),
        ({"backend": "nobody"}, ""),
        ({"matter": "2"}, "21"),
        ({"matter": "2", "backend": "a"}, "2"),
        ({"task": "claims"}, "30"),
        ({"error": ANY_ERROR}, "31"),
        ({"error": "ServerError"}, "1"),
        ({"error": ANY_ERROR, "backend": "a"}, "3"),
        ({"batch": "night"}, "2"),
        ({"since": 200.0}, "4321"),
        ({"until": 200.0}, "0"),
        ({"since": 200.0, "until": 400.0, "backend": "a"}, "2"),
        ({"call": "c4"}, "4"),
        ({"matter": "no such"}, ""),
    ],
)
def test_filters_find_the_calls_newest_first(db: sqlite3.Connection, wanted: dict[str, Any], expected: str) -> None:
    """One filter, several, and none."""
    assert "".join(found.call["call"][1:] for found in find_calls(db, CallFilter(**wanted))) == expected


def test_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    """Of many rows, -n 20 takes few steps of SQLite, with every filter; counted by its own progress."""
    observer = LedgerObserver(tmp_path / "l.db")
    for number in range(30_000):
        error = "ServerError" if number % 50 == 0 else None
        backend = "rare" if number < 20 else f"b{number % 5}"
        observer.answer(
            AnswerEvent(f"c{number}", float(number), "infer", 0.0, error, backend=backend, matter=f"{number % 9}")
        )
    observer.close()
    steps: dict[str, int] = {}
    filters = [
        {},
        {"backend": "b3"},
        {"backend": "rare"},
        {"matter": "4"},
        {"error": "ServerError"},
        {"since": 100.0, "until": 5000.0},
        {"since": 100.0, "until": 5000.0, "backend": "b1"},
    ]
    for wanted in filters:
        with closing(sqlite3.connect(tmp_path / "l.db")) as db:
            counted = [0]

            def count(counted: list[int] = counted) -> int:
                counted[0] += 1
                return 0

            db.set_progress_handler(count, 100)
            assert len(list(find_calls(db, CallFilter(**wanted), 20))) == 20  # type: ignore[arg-type]
            steps[str(wanted)] = counted[0] * 100
    assert max(steps.values()) < 15_000, steps


@pytest.mark.parametrize(
    "wanted", [{"backend": "a"}, {"matter": "1"}, {"batch": "night"}, {"error": "X"}, {"since": 1.0}]
)
def test_every_filter_has_an_index(db: sqlite3.Connection, wanted: dict[str, Any]) -> None:
    """SQLite's plan says SEARCH, and sorts nothing."""
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    list(find_ids(db, CallFilter(**wanted)))
    db.set_trace_callback(None)
    for query in [each for each in asked if "FROM entries" in each]:
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert plan[0].startswith("SEARCH entries"), plan
        assert not any("TEMP B-TREE" in line for line in plan)
