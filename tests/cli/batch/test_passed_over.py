"""The command again over a long input that is answered: the same account and the same OUT, by what is left alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from complaint_llm.batch.journal.spans import LENGTH
from complaint_llm.cli.main import cli
from complaint_llm.exceptions import BatchError
from tests.end_to_end.everything import write_config

NUMBER = 2 * LENGTH + 3


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, [{"id": "m", "type": "mock", "echo": True}])
    (tmp_path / "in.txt").write_text("".join(f"letter {each}\n" for each in range(NUMBER)))
    return tmp_path


def batch(*more: str) -> Result:
    done = CliRunner().invoke(cli, ["batch", "in.txt", "-o", "out.jsonl", "--json", *more])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def account(done: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "recorded": 0}


def test_the_account_and_out_are_those_of_a_first_run(here: Path) -> None:
    first = batch()
    out = (here / "out.jsonl").read_bytes()
    again = batch()
    assert account(again) == account(first)
    assert json.loads(again.stdout.splitlines()[-1])["recorded"] == NUMBER
    assert (here / "out.jsonl").read_bytes() == out


def test_what_came_since_is_asked(here: Path) -> None:
    batch()
    with (here / "in.txt").open("a") as file:
        file.write("one more\n")
    assert account(batch())["answered"] == NUMBER + 1
    lines = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    assert [line["text"].partition("letter ")[2] for line in lines[:NUMBER]] == [str(each) for each in range(NUMBER)]
    assert lines[-1]["text"].endswith("one more")


def test_with_usage_each_answer_has_its_line(here: Path) -> None:
    batch()
    assert batch("--usage").stderr.count("tokens") >= NUMBER


def test_no_answer_is_read_before_out_is_written(here: Path) -> None:
    """One is damaged: that is said where OUT is written from it, and what was left has been asked by then."""
    batch()
    with closing(sqlite3.connect(here / "out.jsonl.journal")) as db, db:
        db.execute("UPDATE items SET record = 'x' WHERE position = 9")
    with (here / "in.txt").open("a") as file:
        file.write("one more\n")
    with pytest.raises(BatchError, match="changed since it was written"):
        batch()
    with closing(sqlite3.connect(here / "out.jsonl.journal")) as db:
        assert db.execute("SELECT count(*) FROM items WHERE kind = 1").fetchone() == (NUMBER + 1,)
