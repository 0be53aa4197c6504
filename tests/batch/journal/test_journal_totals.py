"""How many items are in which state is known without going through them: counted in SQLite's steps, not in time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.batch.journal.entries import ANSWERED, FAILED, JournalEntry
from complaint_llm.batch.journal.journal import Counts, Journal
from complaint_llm.batch.journal.shape import Shape

KINDS: list[dict[str, Any]] = [
    {"kind": ANSWERED, "sends": 1, "settled": 1},
    {"kind": ANSWERED, "sends": 2, "settled": 1},
    {"kind": FAILED, "sends": 1, "settled": 1},
    {"kind": FAILED, "sends": 1, "settled": 1, "doubt": 1},
    {"kind": FAILED, "sends": 3, "settled": 2},
    {"sends": 1},
    {},
    {"kind": 2},
]


def counted_by_hand(path: Path) -> Counts:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT kind, sends, settled, doubt FROM items").fetchall()
    return Counts(
        sum(kind == ANSWERED and sends == settled for kind, sends, settled, _ in rows),
        sum(kind == FAILED and sends == settled for kind, sends, settled, _ in rows),
        sum(sends > settled or bool(doubt) for _, sends, settled, doubt in rows),
    )


def fill(path: Path, number: int) -> None:
    with Journal(path) as journal:
        shape = journal.add_shape(Shape("b", {"model": "m"}))
        journal.begin_run()
        entries = [
            JournalEntry(
                journal.new_row(), f"d:{n}", run_number=1, position=n, sends=1, settled=1, kind=ANSWERED, shape=shape
            )
            for n in range(number)
        ]
        journal.write(entries)


@pytest.mark.parametrize("seed", range(12))
def test_the_totals_are_those_of_the_items_whatever_was_written(tmp_path: Path, seed: int) -> None:
    """Written, written again in another state, forgotten, begun anew."""
    chance, path = random.Random(seed), tmp_path / "journal"
    with Journal(path) as journal:
        for _ in range(6):
            journal.begin_run(fresh=chance.random() < 0.15)
            rows = [chance.randrange(60) for _ in range(chance.randrange(1, 90))]
            journal.write(
                [JournalEntry(row + 1, f"d:{row}", matter=f"m{row % 3}", **chance.choice(KINDS)) for row in rows]
            )
            if chance.random() < 0.3:
                journal.forget_matter("m1")
        found = journal.counts()
    assert found == counted_by_hand(path)
    with Journal(path) as journal:
        assert journal.counts() == found


@pytest.mark.parametrize("number", [0, 1, 7, 40])
def test_a_journal_of_before_is_counted_once(tmp_path: Path, number: int) -> None:
    path = tmp_path / "journal"
    fill(path, number)
    with closing(sqlite3.connect(path)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DROP TABLE totals")
    for _ in range(2):
        with Journal(path) as journal:
            assert journal.counts() == Counts(number, 0, 0)


def steps(path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[Journal], object]) -> int:
    """Groups of ten steps of SQLite for opening a journal and doing ``work``."""
    counted = 0
    connect = sqlite3.connect

    def count() -> None:
        nonlocal counted
        counted += 1

    def counting(*given: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*given, **more)
        connection.set_progress_handler(count, 10)
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", counting)
        with Journal(path) as journal:
            work(journal)
    return counted


WORK: dict[str, Callable[[Journal], object]] = {
    "open": lambda journal: None,
    "counts": lambda journal: journal.counts(),
    "settings": lambda journal: journal.answer_shapes(),
    "doubt": lambda journal: journal.in_doubt(1),
    "begin": lambda journal: journal.begin_run(),
    "find": lambda journal: journal.find(["d:3", "d:4"]),
}


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", WORK)
def test_a_long_journal_is_opened_with_as_many_steps_as_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fill(tmp_path / "short", 20)
    fill(tmp_path / "long", 20_000)
    short = steps(tmp_path / "short", monkeypatch, WORK[name])
    long = steps(tmp_path / "long", monkeypatch, WORK[name])
    assert short > 0
    assert long <= short * 1.1 + 5
