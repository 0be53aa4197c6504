"""A ledger holds so many bytes at most, of the newest calls."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from complaint_llm import Mediator
from complaint_llm.exceptions import ConfigError
from complaint_llm.ledger.observer import LedgerObserver
from complaint_llm.messages import Attempt
from tests.ledger.made_ledgers import call_end

FAILED = (Attempt("first", "ServerError: no", 0.1), Attempt("second", None, 0.1))


@pytest.mark.rows(3)
@pytest.mark.parametrize("most", [1_000_000, 1_500_000])
@pytest.mark.parametrize("attempts", [(), FAILED], ids=["plain", "with attempts"])
@pytest.mark.parametrize("at_once", [500, 3_000])
def test_the_oldest_go_where_it_is_full(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, most: int, attempts: tuple[Attempt, ...], at_once: int
) -> None:
    """With what only they had; the file does not grow further, the newest are there, and one line says so."""
    path = tmp_path / "l.db"
    observer = LedgerObserver(path, max_bytes=most)
    sizes: list[int] = []
    for number in range(0, 30_000, at_once):
        calls = [
            call_end(f"{each:032x}", float(each), backend="b", matter=f"m{each // 1000}", attempts=attempts)
            for each in range(number, number + at_once)
        ]
        observer.calls(calls)
        observer.flush()
        sizes.append(path.stat().st_size)
    observer.close()
    with closing(sqlite3.connect(path)) as db:
        count, oldest, newest = db.execute("SELECT count(*), min(id), max(id) FROM entries").fetchone()
        (names,) = db.execute("SELECT count(*) FROM names").fetchone()
        (orphans,) = db.execute("SELECT count(*) FROM tries WHERE call < ?", (oldest,)).fetchone()
    assert max(sizes) <= most + 1_500_000
    assert 1_000 <= count < 30_000
    assert newest // 10**9 == 29_998  # it began half a second before
    assert orphans == 0
    assert names <= count // 1000 + 2
    assert len([each for each in caplog.records if "max_bytes" in each.getMessage()]) == 1


def test_nothing_goes_where_there_is_room(tmp_path: Path) -> None:
    """By default there is room for millions."""
    observer = LedgerObserver(tmp_path / "l.db")
    for number in range(10):
        observer.calls([call_end(f"c{number}", float(number))])
        observer.flush()
    observer.close()
    with closing(sqlite3.connect(tmp_path / "l.db")) as db:
        assert db.execute("SELECT count(*) FROM entries").fetchone() == (10,)


def test_a_config_sets_it(tmp_path: Path) -> None:
    """``max_bytes`` beside ``keep_days``; too small a one is refused with its place."""
    config = {"BACKENDS": [{"id": "m", "type": "mock", "echo": True}], "MEDIATOR": {"ledger": {"max_bytes": 1_000_000}}}
    (tmp_path / "c.json").write_text(json.dumps(config), encoding="utf-8")
    with Mediator.from_config(tmp_path / "c.json") as mediator:
        mediator.generate("x")
    config["MEDIATOR"] = {"ledger": {"max_bytes": 10}}
    (tmp_path / "c.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigError, match="/MEDIATOR/ledger"):
        Mediator.from_config(tmp_path / "c.json")
