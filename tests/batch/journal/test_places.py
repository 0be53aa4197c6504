"""A run that goes on writes what is left: of what is answered only its place in the input, and that is right."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.batch import BatchItem, run_batch, salvage_journal
from complaint_llm.batch.journal.journal import Journal
from complaint_llm.exceptions import BackendError
from complaint_llm.messages import InferenceOutput

RUNS = st.lists(st.lists(st.integers(0, 7), max_size=12), min_size=1, max_size=5)


def answer_to(prompt: str, params: object) -> InferenceOutput:
    return InferenceOutput(f"<{prompt}>")


def items_of(numbers: Sequence[int]) -> list[Any]:
    """Items with an id where the number is even, once each; the others by their content, copies too."""
    named: set[int] = set()
    items: list[Any] = []
    for number in numbers:
        if number % 2 == 0 and number not in named:
            named.add(number)
            items.append(BatchItem(f"p{number}", f"id{number}"))
        else:
            items.append(f"p{number}")
    return items


@given(RUNS)
@settings(max_examples=15, deadline=None)
def test_the_journal_has_the_last_run_in_its_order_however_inputs_change(runs: list[list[int]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        for numbers in runs:
            items = items_of(numbers)
            texts = [item if isinstance(item, str) else item.prompt for item in items]
            results = list(run_batch(answer_to, items, journal=path, ordered=True))
            assert [result.output.content for result in results if result.output] == [f"<{text}>" for text in texts]
            with Journal(path) as journal:
                recorded = list(journal.recorded_items())
                everything = {each.output.content for each in journal.recorded_items(earlier=True) if each.output}
            assert [each.position for each in recorded] == list(range(len(items)))
            assert [each.output and each.output.content for each in recorded] == [f"<{text}>" for text in texts]
            assert {f"<{text}>" for text in texts} <= everything


@given(RUNS)
@settings(max_examples=6, deadline=None)
def test_what_is_salvaged_stands_where_it_stood(runs: list[list[int]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        for numbers in runs:
            list(run_batch(answer_to, items_of(numbers), journal=path, ordered=True))
        with Journal(path) as journal:
            before = list(journal.recorded_items())
        if not any(runs):
            return
        salvage_journal(path)
        with Journal(path) as journal:
            if before:
                assert list(journal.recorded_items()) == before


class Written:
    """Rows of ``items`` that are written, counted by the database itself."""

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE written (rows INTEGER NOT NULL)")
            db.execute("INSERT INTO written VALUES (0)")
            for event in ("INSERT", "UPDATE"):
                count = "UPDATE written SET rows = rows + 1"
                db.execute(f"CREATE TRIGGER written_{event} AFTER {event} ON items BEGIN {count}; END")
        self._path = path

    def rows(self) -> int:
        with closing(sqlite3.connect(self._path)) as db:
            ((rows,),) = db.execute("SELECT rows FROM written").fetchall()
        return int(rows)


@pytest.mark.parametrize("change", ["same", "reversed", "shifted", "half", "named"])
def test_a_resume_writes_no_answer_again(tmp_path: Path, change: str) -> None:
    """A thousand answers: not one row is written, wherever its item stands now; the one that is new is."""
    path = tmp_path / "j"
    items: list[Any] = [f"p{n}" for n in range(1000)]
    if change == "named":
        items = [BatchItem(f"p{n}", f"id{n}") for n in range(1000)]
    list(run_batch(answer_to, items, journal=path))
    written = Written(path)
    again = {"reversed": items[::-1], "shifted": items[7:] + items[:7], "half": items[::2]}.get(change, items)
    asked: list[str] = []

    def ask(prompt: str, params: object) -> InferenceOutput:
        asked.append(prompt)
        return answer_to(prompt, params)

    with run_batch(ask, [*again, "new"], journal=path) as run:
        assert sum(1 for _ in run) == len(again) + 1
    assert asked == ["new"]
    assert written.rows() <= 4  # sent, answered, and each once more where a group is padded
    with Journal(path) as journal:
        assert [each.position for each in journal.recorded_items()] == list(range(len(again) + 1))


def test_what_else_changes_is_written(tmp_path: Path) -> None:
    """A matter that the item was given since, and a copy of it."""
    path = tmp_path / "j"
    list(run_batch(answer_to, ["a", "b"], journal=path))
    list(run_batch(answer_to, ["b", "a", "a"], journal=path, matter="m"))
    with Journal(path) as journal:
        assert [each.matter for each in journal.recorded_items()] == ["m", "m", "m"]
        assert journal.forget_matter("m") == 0
        assert list(journal.recorded_items(earlier=True)) == []


def test_one_that_failed_is_asked_again_where_it_stands_now(tmp_path: Path) -> None:
    path = tmp_path / "j"

    def ask(prompt: str, params: object) -> InferenceOutput:
        if prompt == "b" and not mended:
            raise BackendError("no", sent=False)
        return answer_to(prompt, params)

    mended = False
    list(run_batch(ask, ["a", "b", "c"], journal=path))
    mended = True
    list(run_batch(ask, ["c", "b", "a"], journal=path))
    with Journal(path) as journal:
        texts = [each.output.content for each in journal.recorded_items() if each.output]
    assert texts == ["<c>", "<b>", "<a>"]


def test_a_journal_of_the_second_format_goes_on(tmp_path: Path) -> None:
    """One without places: it is given them, and what it answered is not asked."""
    path = tmp_path / "j"
    list(run_batch(answer_to, ["a", "b"], journal=path))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE places")
        db.execute("PRAGMA user_version=2")
    results = list(run_batch(answer_to, ["b", "c", "a"], journal=path, ordered=True))
    assert [result.output.content for result in results if result.output] == ["<b>", "<c>", "<a>"]
    with Journal(path) as journal:
        assert [each.output.content for each in journal.recorded_items() if each.output] == ["<b>", "<c>", "<a>"]
