"""Files that are no journal or in use are refused; a journal that fails in use loses no answer."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from itertools import count

import pytest

from complaint_llm.batch import Journal, run_batch
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import InferenceOutput
from tests import forked
from tests.batch.journal.counted_model import Model


def test_a_journal_in_use_is_refused(path):
    gate = threading.Event()
    run = run_batch(lambda p, q: gate.wait(5) and InferenceOutput("x"), ["a"], journal=path)
    with pytest.raises(BatchError, match="another process uses it"):
        run_batch(Model(), ["b"], journal=path)
    gate.set()
    assert len(list(run)) == 1


def test_a_journal_in_use_by_another_process_is_refused(path):
    script = (
        "import sys; from complaint_llm.batch import Journal\n"
        "j = Journal(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    with forked.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(BatchError, match="another process uses it"):
            Journal(path)
        other.communicate()
    Journal(path).close()


def test_another_database_is_refused_and_left_alone(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(BatchError, match="no batch journal"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.write_text("dear diary, " * 100)
    with pytest.raises(BatchError, match="no batch journal"):
        run_batch(Model(), ["a"], journal=path)
    assert path.read_text() == "dear diary, " * 100


def test_a_newer_journal_is_refused(path):
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    with pytest.raises(BatchError, match="version 7"):
        Journal(path)


def test_a_path_that_cannot_be_written_is_one_clear_line(tmp_path):
    with pytest.raises(BatchError, match="cannot be created: No such file or directory"):
        run_batch(Model(), ["a"], journal=tmp_path / "no" / "run.journal")


def test_when_the_journal_cannot_be_written_sending_stops_and_answers_come_with_the_error(path, monkeypatch):
    """The database may grow no further: SQLite says it is full, as on a full disk."""
    gate = threading.Event()

    def ask(prompt, params):
        gate.wait(5)
        return InferenceOutput("x" * 20000, backend="b")

    connect, opened = sqlite3.connect, []

    def note_opened(*args, **kwargs):
        opened.append(connect(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", note_opened)
    run = run_batch(ask, map(str, count()), max_workers=4, journal=path)
    (db,) = opened
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + 2}")
    gate.set()
    handed_out = []
    with pytest.raises(BatchError, match="disk is full") as caught:
        handed_out.extend(result.index for result in run)
    lost = caught.value.results
    assert 1 <= len(lost) <= 8
    assert all(r.output.metadata["journaled"] is False and len(r.output.content) == 20000 for r in lost)
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    with Journal(path) as journal:
        recorded = {r.position for r in journal.recorded_items() if r.output is not None}
        assert recorded == set(handed_out)
        assert not recorded & {r.index for r in lost}
        assert {r.key for r in lost} <= set(journal.in_doubt())


def test_closing_a_batch_keeps_what_was_answered(path):
    with run_batch(Model(), map(str, count()), max_workers=2, journal=path) as run:
        for _ in range(10):
            next(run)
    with Journal(path) as journal:
        assert journal.counts().answered >= 10


def test_the_journal_file_is_alone_when_closed(path):
    list(run_batch(Model(), "abc", journal=path))
    assert os.listdir(path.parent) == ["run.journal"]


def test_an_answer_that_cannot_be_recorded_is_an_error_of_its_item(path):
    deep = []
    for _ in range(100_000):
        deep = [deep]

    def ask(prompt, params):
        return InferenceOutput(prompt, metadata={"deep": deep} if prompt == "b" else {})

    good, bad, fine = run_batch(ask, "abc", journal=path, ordered=True)
    assert (good.error, fine.error) == (None, None)
    assert "cannot be recorded" in str(bad.error)
    with Journal(path) as journal:
        assert journal.counts() == (2, 1, 0)
