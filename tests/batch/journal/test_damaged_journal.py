"""A journal whose records were damaged below it: one line that says so, nothing asked on top of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.batch import Journal, run_batch
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import InferenceOutput


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal in which the second of three answers is cut."""
    path = tmp_path / "run.journal"
    assert len(list(run_batch(answer, "abc", journal=path))) == 3
    with sqlite3.connect(path) as database:
        database.execute("UPDATE items SET record = substr(record, 1, 5) WHERE position = 1")
    database.close()
    return path


def answer(prompt: Any, params: Any) -> InferenceOutput:
    return InferenceOutput(f"<{prompt}>", backend="b")


def test_a_run_over_it_stops_and_says_that_it_is_damaged(path: Path) -> None:
    """Not that it cannot be written, which sends the reader to the disk's free space."""
    with pytest.raises(BatchError, match="the journal cannot be read: it is damaged; restore it"):
        list(run_batch(answer, "abc", journal=path))


def test_its_results_end_with_the_same_error(path: Path) -> None:
    """What comes before the damage is handed out."""
    with Journal(path) as journal:
        recorded = journal.recorded_items()
        assert next(recorded).output == answer("a", {})
        with pytest.raises(BatchError, match="it is damaged"):
            next(recorded)
