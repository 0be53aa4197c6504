"""Journals of earlier releases open, and a long one opens without reading all of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from complaint_llm.batch import BatchItem, Journal, run_batch
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import Attempt, InferenceOutput, TokenUsage

FIRST = Path(__file__).parent / "stores" / "journal-1.sql"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of the first format, written by the release that had it."""
    path = tmp_path / "run.journal"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST.read_text(encoding="utf-8"))
    return path


def test_a_journal_of_the_first_format_has_all_that_it_had(path: Path) -> None:
    with Journal(path) as journal:
        assert journal.counts() == (8, 2, 2)
        found = list(journal.recorded_items())
    assert [(each.position, each.id, each.output.content if each.output else None) for each in found] == [
        (0, "a", "<one>"),
        (1, None, "<two>"),
        (2, None, "<two>"),
        (3, "c", None),
        (4, None, None),
        (5, "d", None),
        (6, None, "<tool>"),
        (7, "e", "<parsed>"),
        (8, "f", "<cut>"),
        (9, None, "<demo>"),
        (10, "ü", "<zwölf>"),
        (11, None, None),
    ]
    assert found[0].output == InferenceOutput(
        "<one>",
        token_usage=TokenUsage(4, 2, 6),
        finish_reason="stop",
        cost=0.25,
        backend="gpt",
        model="m",
        attempts=(Attempt("gpt", None, 0.25),),
        metadata={"raw": (1, b"\xff")},
    )
    assert found[3].error is not None
    assert (found[3].error["type"], found[3].error["status"]) == ("ServerError", 503)
    assert found[11].error is not None
    assert found[11].error["maybe_received"]


def test_a_batch_goes_on_with_a_journal_of_the_first_format(path: Path) -> None:
    """What it answered is not asked, whatever the settings are: the first format did not say what made an answer."""
    asked: list[str] = []

    def ask(prompt: str, params: object) -> InferenceOutput:
        asked.append(prompt)
        return InferenceOutput(f"<{prompt}>")

    items = [BatchItem("one", "a"), "two", "two", BatchItem("bad", "c"), BatchItem("zwölf", "ü"), "die", "new"]
    results = list(run_batch(ask, items, journal=path, ordered=True))
    assert sorted(asked) == ["bad", "die", "new"]
    assert [each.output.content for each in results if each.output] == [
        f"<{item if isinstance(item, str) else item.prompt}>" for item in items
    ]


def test_it_opens_again_and_only_once_is_changed(path: Path) -> None:
    with Journal(path) as journal:
        first = list(journal.recorded_items(earlier=True))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (4,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Journal(path) as journal:
        assert list(journal.recorded_items(earlier=True)) == first


def test_a_journal_of_a_later_release_is_left_alone(path: Path) -> None:
    with Journal(path):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=5")
    before = path.read_bytes()
    with pytest.raises(BatchError, match="version 5, this release reads up to 4"):
        Journal(path)
    assert path.read_bytes() == before


def test_an_item_has_fields_for_its_task_documents_guard_and_matter(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal, closing(sqlite3.connect(":memory:")):
        journal.begin_run()
    with closing(sqlite3.connect(tmp_path / "j")) as db:
        columns = {name for _, name, *_ in db.execute("PRAGMA table_info(items)")}
    assert {"task", "documents", "guard", "matter", "shape"} <= columns


def test_nothing_that_is_done_at_the_start_of_a_run_reads_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million rows open as fast as ten: every statement goes over an index, or takes the first row it meets."""
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*given: object, **how: object) -> sqlite3.Connection:
        made = connect(*given, **how)  # type: ignore[arg-type]
        made.set_trace_callback(statements.append)
        return made

    path = tmp_path / "j"
    list(run_batch(lambda p, q: InferenceOutput(p), map(str, range(10)), journal=path))
    monkeypatch.setattr(sqlite3, "connect", traced)
    with Journal(path) as journal:
        journal.begin_run()
        journal.answer_shapes()
        journal.count_answers(["x"])
        journal.in_doubt(1)
        journal.metadata("out")
        journal.find(["d:x"])
    with closing(connect(path)) as db:
        for statement in statements:
            if not statement.startswith(("SELECT", "DELETE", "UPDATE")):
                continue
            plans = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            whole = [plan for plan in plans if plan.startswith("SCAN items") and "INDEX items_" not in plan]
            assert not whole or "LIMIT 1" in statement, (statement, plans)
