"""What a journal keeps, and what it refuses."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from itertools import count

import pytest

from complaint_llm.batch import BatchItem, Journal, run_batch
from complaint_llm.exceptions import BackendTimeoutError, BatchError, ServerError
from complaint_llm.messages import Attempt, InferenceOutput, TokenUsage


class Model:
    """Answers, counts what it was asked, and fails where it is told to."""

    def __init__(self, *fails, error=None):
        self.fails = set(fails)
        self.error = error or ServerError("broken", backend="b")
        self.asked = []

    def __call__(self, prompt, params):
        self.asked.append(prompt)
        if prompt in self.fails:
            raise self.error
        return InferenceOutput(f"<{prompt}>", backend="b", token_usage=TokenUsage(2, 1, 3))


def texts(results):
    return {r.prompt: r.output.content if r.output else None for r in results}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.journal"


def test_what_was_answered_is_not_asked_again(path):
    first, second = Model(), Model()
    assert len(list(run_batch(first, map(str, range(30)), journal=path))) == 30
    run = run_batch(second, map(str, range(40)), journal=path)
    assert texts(run) == {str(i): f"<{i}>" for i in range(40)}
    assert sorted(second.asked) == sorted(map(str, range(30, 40)))
    assert run.summary.recorded == 30


def test_failed_items_are_asked_again_by_the_same_call(path):
    list(run_batch(Model("3", "4"), map(str, range(6)), journal=path))
    model = Model()
    assert None not in texts(run_batch(model, map(str, range(6)), journal=path)).values()
    assert sorted(model.asked) == ["3", "4"]


def test_only_failed_asks_nothing_else(path):
    list(run_batch(Model("3"), map(str, range(6)), journal=path))
    model = Model()
    results = texts(run_batch(model, map(str, range(8)), journal=path, only_failed=True))
    assert model.asked == ["3"]
    assert results == {**{str(i): f"<{i}>" for i in range(6)}, "6": None, "7": None}


def test_a_journal_is_readable_by_its_owner_alone(path):
    list(run_batch(Model(), ["a"], journal=path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_journal_holds_no_prompts(path):
    list(
        run_batch(lambda p, q: InferenceOutput("fine"), ["my landlord is Smith", BatchItem("Smith", "i")], journal=path)
    )
    assert b"Smith" not in path.read_bytes()


def test_answers_come_back_equal(path):
    given = InferenceOutput(
        "x\ud800\0é",
        confidence=0.1 + 0.2,
        finish_reason="stop",
        cost=0.0,
        backend="b",
        attempts=(Attempt("a", "no", 0.1, maybe_received=True), Attempt("b", None, 0.2)),
        metadata={"cached": True, "raw": (1, b"\xff")},
    )
    list(run_batch(lambda p, q: given, ["a"], journal=path))
    (again,) = run_batch(Model(), ["a"], journal=path)
    assert again.output == given


def test_items_may_be_added_removed_and_reordered(path):
    list(run_batch(Model(), [BatchItem(c, c) for c in "abcd"], journal=path))
    model = Model()
    list(run_batch(model, [BatchItem(c, c) for c in "dxab"], journal=path))
    assert model.asked == ["x"]
    with Journal(path) as journal:
        assert [(r.position, r.id, r.output.content) for r in journal.recorded_items()] == [
            (0, "d", "<d>"),
            (1, "x", "<x>"),
            (2, "a", "<a>"),
            (3, "b", "<b>"),
        ]


def test_changed_content_under_the_same_id_is_refused_with_count_and_first_example(path):
    items = [BatchItem(str(i), f"id{i}") for i in range(9)]
    list(run_batch(Model(), items, journal=path))
    items[4] = BatchItem("other", "id4")
    items[6] = BatchItem("6", "id6", {"temperature": 1})
    model = Model()
    with pytest.raises(
        BatchError, match=r"2 of 10 items changed under the same id \(first: 'id4', its prompt differs\)"
    ):
        list(run_batch(model, [*items, BatchItem("new", "new")], journal=path))
    assert model.asked == []


def test_changes_are_counted_far_beyond_what_may_be_under_way(path):
    list(run_batch(Model(), [BatchItem("a", str(i)) for i in range(300)], journal=path))
    with pytest.raises(BatchError, match="300 of 300 items changed"):
        list(run_batch(Model(), [BatchItem("b", str(i)) for i in range(300)], journal=path, max_workers=2))


def test_an_endless_input_with_a_change_is_refused_too(path):
    list(run_batch(Model(), [BatchItem("a", "0")], journal=path))
    with pytest.raises(BatchError, match="changed under the same id"):
        list(run_batch(Model(), (BatchItem("b", str(i)) for i in count()), journal=path))


def test_accepted_changes_are_asked_again(path):
    list(run_batch(Model(), [BatchItem("a", "1"), BatchItem("b", "2")], journal=path))
    model = Model()
    results = run_batch(model, [BatchItem("new", "1"), BatchItem("b", "2")], journal=path, accept_changes=True)
    assert texts(results) == {"new": "<new>", "b": "<b>"}
    assert model.asked == ["new"]
    assert texts(run_batch(Model(), [BatchItem("new", "1")], journal=path)) == {"new": "<new>"}


def test_routing_and_timeouts_are_no_part_of_a_key(path):
    list(run_batch(Model(), [BatchItem("a", "1", {"timeout": 1, "backend": "x"}), BatchItem("b")], journal=path))
    model = Model()
    list(
        run_batch(
            model, [BatchItem("a", "1", {"privacy": "local"}), BatchItem("b", None, {"timeout": 9})], journal=path
        )
    )
    assert model.asked == []


def test_fresh_forgets_everything(path):
    list(run_batch(Model(), "abc", journal=path))
    model = Model()
    list(run_batch(model, "ab", journal=path, fresh=True))
    assert sorted(model.asked) == ["a", "b"]
    with Journal(path) as journal:
        assert journal.counts().answered == 2


def test_equal_prompts_are_items_of_their_own_and_all_resume(path):
    list(run_batch(Model(), ["same"] * 20, journal=path))
    model = Model()
    assert len(list(run_batch(model, ["same"] * 22, journal=path))) == 22
    assert model.asked == ["same"] * 2


def test_an_id_used_twice_is_an_error_of_the_second(path):
    items = [BatchItem("a", "x"), BatchItem("b", "x"), BatchItem("c", "x#1")]
    results = list(run_batch(Model(), items, journal=path))
    assert sorted((r.index, r.key, r.error is None) for r in results) == [
        (0, "x", True),
        (1, "x", False),
        (2, "x#1", True),
    ]
    with Journal(path) as journal:
        assert [(r.id, r.error is None) for r in journal.recorded_items()] == [("x", True), ("x", False), ("x#1", True)]


def test_items_that_cannot_be_read_are_recorded_in_their_place_and_forgotten_by_the_next_run(path):
    list(run_batch(Model(), ["a", ValueError("line 2: not JSON"), 5], journal=path))
    with Journal(path) as journal:
        assert [r.error and r.error["message"] for r in journal.recorded_items()][:2] == [None, "line 2: not JSON"]
    list(run_batch(Model(), ["a", "b"], journal=path))
    with Journal(path) as journal:
        assert [r.error for r in journal.recorded_items()] == [None, None]


# -- in doubt


@pytest.fixture
def doubtful(path):
    """A journal where "b" was sent and a crash followed, "c" ended in a read timeout, and "d" failed for certain."""
    error = BackendTimeoutError("no answer", maybe_received=True)

    def ask(prompt, params):
        if prompt == "c":
            raise error
        return Model("d")(prompt, params)

    list(run_batch(ask, "acd", journal=path))
    script = (
        "import os, sys; from complaint_llm.batch import run_batch\n"
        "run = run_batch(lambda p, q: os._exit(9), ['b'], journal=sys.argv[1])\nlist(run)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    return path


def test_what_was_sent_without_an_answer_is_in_doubt(doubtful):
    with Journal(doubtful) as journal:
        assert sorted(text for text in journal.in_doubt()) != []
        assert journal.counts() == (1, 2, 2)


def test_in_doubt_items_are_sent_again_and_counted(doubtful):
    model = Model()
    run = run_batch(model, "abcd", journal=doubtful)
    assert None not in texts(run).values()
    assert sorted(model.asked) == ["b", "c", "d"]
    assert run.summary.resent == 2


def test_in_doubt_items_can_be_skipped_with_an_error_that_says_so(doubtful):
    model = Model()
    results = list(run_batch(model, "abcd", journal=doubtful, in_doubt="skip"))
    assert model.asked == ["d"]
    assert sorted(r.prompt for r in results if r.error is not None and "in doubt" in str(r.error)) == ["b", "c"]


def test_in_doubt_items_can_refuse_the_batch_before_anything_is_sent(doubtful):
    with pytest.raises(BatchError, match="2 items are in doubt"):
        run_batch(Model(), "abcd", journal=doubtful, in_doubt="error")
    with Journal(doubtful) as journal:
        assert journal.counts().in_doubt == 2


@pytest.mark.parametrize(("policy", "most"), [("resend", 8), ("skip", 4)])
def test_how_many_items_are_marked_ahead(path, policy, most):
    """At most max_workers ahead with resend, none with skip: seen by what a crash leaves in doubt."""
    script = (
        "import os, sys, threading, time; from complaint_llm.batch import run_batch\n"
        "def ask(p, q):\n    time.sleep(30)\n"
        "threading.Timer(0.6, os._exit, [9]).start()\n"
        "list(run_batch(ask, map(str, range(99)), journal=sys.argv[1], max_workers=4, in_doubt=sys.argv[2]))"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path), policy], check=False).returncode == 9
    with Journal(path) as journal:
        assert journal.counts().in_doubt == most


def test_what_was_marked_ahead_and_not_sent_is_not_in_doubt_after_a_stop(path):
    gate = threading.Event()
    model = Model()

    def ask(prompt, params):
        gate.wait(5)
        return model(prompt, params)

    run = run_batch(ask, map(str, count()), max_workers=3, journal=path)
    threading.Event().wait(0.1)
    run.stop()
    gate.set()
    assert len(list(run)) == len(model.asked) == 3
    with Journal(path) as journal:
        assert journal.counts() == (3, 0, 0)


def test_a_stop_leaves_failed_items_failed(path):
    list(run_batch(Model(*"bcdefgh"), "abcdefgh", journal=path, max_workers=1))
    gate = threading.Event()

    def ask(prompt, params):
        gate.wait(5)
        return Model()(prompt, params)

    run = run_batch(ask, "abcdefgh", max_workers=1, journal=path)
    threading.Event().wait(0.1)
    run.stop()
    gate.set()
    list(run)
    with Journal(path) as journal:
        assert journal.counts() == (2, 6, 0)


# -- files that are refused


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
    with subprocess.Popen(
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


# -- a journal that fails while it is used


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
