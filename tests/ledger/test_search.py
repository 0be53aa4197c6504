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
from tests.ledger.made_ledgers import call_end

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
        observer.calls([call_end(f"no{number}", 100.0 * (number + 1) + 1, 1.0, **call)])
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
        ({"call": "no4"}, "4"),
        ({"matter": "no such"}, ""),
    ],
)
def test_filters_find_the_calls_newest_first(db: sqlite3.Connection, wanted: dict[str, Any], expected: str) -> None:
    """One filter, several, and none."""
    assert "".join(found.call["call"][2:] for found in find_calls(db, CallFilter(**wanted))) == expected


def test_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    """Of many rows, -n 20 takes few steps of SQLite, with every filter; counted by its own progress."""
    observer = LedgerObserver(tmp_path / "l.db")
    for number in range(30_000):
        error = "ServerError" if number % 50 == 0 else None
        backend = "rare" if number < 20 else f"b{number % 5}"
        more = {"error": error, "backend": backend, "matter": f"{number % 9}"}
        observer.calls([call_end(f"c{number}", float(number), 0.0, **more)])
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


DAY = 86_400


def test_a_call_is_found_by_the_time_in_its_name(tmp_path: Path) -> None:
    """Of many rows only those of about that time are read, whether it is there or not."""
    observer = LedgerObserver(tmp_path / "l.db")
    names = [f"{number * 600_000:011x}{number:021x}" for number in range(30_000)]  # one every ten minutes
    for number, name in enumerate(names):
        observer.calls([call_end(name, 600.0 * number + 2, 2.0, backend="b")])
    observer.close()
    with closing(sqlite3.connect(tmp_path / "l.db")) as db:
        counted: list[int] = []
        db.set_progress_handler(lambda: counted.append(1), 100)  # type: ignore[func-returns-value]
        for number in (0, 1, 77, 15_000, 29_999):
            for letters in (9, 12, 32):
                found = [each.call["call"] for each in find_calls(db, CallFilter(call=names[number][:letters]))]
                assert names[number] in found
                assert all(each.startswith(names[number][:letters]) for each in found)
        for missing in ("0" * 10 + "1", names[77][:-1] + "f", "f" * 32):
            assert list(find_calls(db, CallFilter(call=missing))) == []
        assert len(counted) * 100 < 18 * 15_000


@pytest.mark.parametrize("behind", [-DAY + 60, -3600, -1, 0, 1, 3600, DAY - 60])
def test_a_clock_that_was_set_hides_no_call(tmp_path: Path, behind: int) -> None:
    """The time of a row is not quite that in the call's name."""
    observer = LedgerObserver(tmp_path / "l.db")
    name = f"{1_795_800_000_000:011x}" + "a" * 21
    observer.calls([call_end(name, 1_795_800_000.0 + behind, 0.0, backend="b")])
    observer.close()
    with open_read_only(tmp_path / "l.db") as db:
        assert [each.call["call"] for each in find_calls(db, CallFilter(call=name[:11]))] == [name]


@pytest.mark.parametrize(
    "wanted",
    [
        {"call": "19f"},
        {"call": "19f00000000"},
        {"task": "claims"},
        {"backend": "a"},
        {"matter": "1"},
        {"batch": "night"},
        {"error": "X"},
        {"since": 1.0},
    ],
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
