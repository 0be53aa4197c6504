"""A ledger of the version before is read as it is, and gone on with: no row, no figure of it is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.ledger.file import open_ledger
from complaint_llm.ledger.observer import LedgerObserver
from complaint_llm.ledger.read_only import open_read_only
from complaint_llm.ledger.search import CallFilter, find_calls
from complaint_llm.ledger.summary import summarise
from complaint_llm.ledger.tables import APPLICATION_ID, VERSION
from complaint_llm.messages import Message
from complaint_llm.observers.texts_digest import in_hex, texts_digest
from tests.ledger.made_ledgers import call_end

VERSION_1 = """
CREATE TABLE contexts (id INTEGER PRIMARY KEY,
    kind, backend, model, asked, task, error, status, finish_reason, cached, demo, guards);
CREATE INDEX contexts_backend ON contexts (backend, model);
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE entries (id INTEGER PRIMARY KEY, call TEXT NOT NULL, context INTEGER NOT NULL, matter INTEGER,
    batch INTEGER, input_tokens INTEGER, output_tokens INTEGER, cost REAL, seconds REAL NOT NULL, first_piece REAL,
    digest TEXT, tried REAL);
CREATE INDEX entries_context ON entries (context);
CREATE INDEX entries_matter ON entries (matter) WHERE matter IS NOT NULL;
CREATE INDEX entries_batch ON entries (batch) WHERE batch IS NOT NULL;
CREATE TABLE tries (call INTEGER NOT NULL, number INTEGER NOT NULL, backend TEXT NOT NULL, model TEXT, error TEXT,
    seconds REAL NOT NULL, sent INTEGER NOT NULL, maybe_received INTEGER NOT NULL,
    PRIMARY KEY (call, number)) WITHOUT ROWID;
CREATE TABLE batches (batch TEXT PRIMARY KEY, began REAL NOT NULL, ended REAL, counts TEXT, cost REAL, seconds REAL);
CREATE TABLE gaps (time REAL NOT NULL, events INTEGER NOT NULL);
CREATE VIEW calls AS
    SELECT entries.id AS id, call, entries.id / 1e9 AS time, kind, backend, model, asked, task, matters.name AS matter,
        input_tokens, output_tokens, cost, seconds, first_piece, error, status, finish_reason, cached, demo, guards,
        digest, runs.name AS batch
    FROM entries JOIN contexts ON contexts.id = context
    LEFT JOIN names AS matters ON matters.id = matter
    LEFT JOIN names AS runs ON runs.id = batch;
CREATE VIEW attempts AS
    SELECT call, number, backend, model, error, seconds, sent, maybe_received FROM tries
    UNION ALL
    SELECT entries.id, 1, backend, model, NULL, tried, 1, 0 FROM entries JOIN contexts ON contexts.id = context
    WHERE tried IS NOT NULL;
INSERT INTO contexts VALUES (1, 'infer', 'a', 'm', NULL, 'claims', NULL, NULL, 'stop', 0, 0, NULL),
    (2, 'stream', 'b', NULL, 'b', NULL, 'ServerError', 500, NULL, 0, 0, 'names,dates');
INSERT INTO names VALUES (1, '2026-0417'), (2, 'night');
INSERT INTO batches VALUES ('night', 1795800000.0, NULL, NULL, NULL, NULL);
INSERT INTO gaps VALUES (1795800001.0, 7)
"""
PROMPT = (Message("user", "What is a notice to quit?"),)
DIGEST = "f6c3c2a8ef4ab1b1" + "0" * 16
NAMES = [f"{1_795_800_000_000 + later:011x}" + "a" * 21 for later in (0, 100_000)]
ROWS = [
    (1_795_800_000 * 10**9, NAMES[0], 1, 1, 2, 10, 4, 0.25, 1.5, None, DIGEST, 1.25),
    (1_795_800_100 * 10**9, NAMES[1], 2, None, None, None, None, None, 0.5, 0.1, None, None),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of version 1 with a call that answered at once and one that failed twice."""
    with closing(sqlite3.connect(tmp_path / "l.db")) as db:
        db.executescript(f"PRAGMA journal_mode = WAL; {VERSION_1}; PRAGMA application_id = {APPLICATION_ID}")
        db.executemany(f"INSERT INTO entries VALUES ({', '.join('?' * 12)})", ROWS)
        failed = [(ROWS[1][0], number, "b", None, "ServerError", 0.2, 1, 0) for number in (1, 2)]
        db.executemany("INSERT INTO tries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", failed)
        db.execute("PRAGMA user_version = 1")
        db.commit()
    return tmp_path / "l.db"


def found(path: Path, **wanted: Any) -> list[Any]:
    """What ``logs`` has of it."""
    with open_read_only(path) as db:
        return [(each.call, each.attempts) for each in find_calls(db, CallFilter(**wanted))]


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_it_is_read_without_a_change(path: Path) -> None:
    """By ``logs`` and the report, also by the beginning of a call's name."""
    before = path.read_bytes()
    assert [call["call"] for call, _ in found(path)] == [ROWS[1][1], ROWS[0][1]]
    assert len(found(path, call=NAMES[1][:11])) == 1
    assert summarise(path).total.calls == 2
    assert path.read_bytes() == before


def test_it_is_gone_on_with(path: Path) -> None:
    """What was in it is there as it was, but for digests, of which half is kept; every filter finds both."""
    old, figures = found(path), summarise(path)
    observer = LedgerObserver(path)
    observer.calls([call_end(None, 1_795_800_200.0, backend="a", matter="2026-0417", digest=texts_digest(PROMPT))])
    observer.close()
    (new, _), *kept = found(path)
    assert version(path) == VERSION
    assert [dict(call, digest=None) for call, _ in kept] == [dict(call, digest=None) for call, _ in old]
    assert [attempts for _, attempts in kept] == [attempts for _, attempts in old]
    assert [call["digest"] for call, _ in kept] == [None, DIGEST[:16]]
    assert new["digest"] == in_hex(texts_digest(PROMPT))
    assert len(found(path, matter="2026-0417")) == 2
    assert len(found(path, backend="a")) == 2
    assert len(found(path, batch="night")) == 1
    assert found(path, call=new["call"][:13]) == [(new, [])]
    after = summarise(path)
    assert (after.total.calls, after.total.spend, after.missed_events) == (3, figures.total.spend, 7)


def test_it_is_upgraded_once_by_whoever_comes_first(path: Path) -> None:
    """And nothing of the work is left in it."""
    with closing(open_ledger(path)) as first, closing(open_ledger(path)) as second:
        for db in (first, second):
            assert db.execute("SELECT count(*) FROM calls").fetchone() == (2,)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name LIKE '%version%'")] == []


@pytest.mark.parametrize("statement", ["UPDATE entries SET digest = 'no hex'", "DROP VIEW attempts"])
def test_one_that_cannot_be_upgraded_stays_as_it_is(
    path: Path, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    """There is one warning, and calls go on."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()
    observer = LedgerObserver(path)
    observer.calls([call_end("c", 1_795_800_200.0)])
    observer.close()
    assert version(path) == 1
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM entries").fetchone() == (2,)
    assert sum("calls go on" in each.getMessage() for each in caplog.records) == 1
