"""A matter's calls are counted, and deleted so that nothing of them is left in the file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm import Mediator
from complaint_llm.ledger.matter import calls_of_matter, forget_calls
from complaint_llm.ledger.observer import LedgerObserver
from complaint_llm.matters.stores import LedgerHolder
from complaint_llm.messages import Attempt
from tests.ledger.made_ledgers import call_end
from tests.matters.holdings import command

if TYPE_CHECKING:
    import pytest


def fill(path: Path, calls: int = 3000) -> None:
    observer = LedgerObserver(path)
    for number in range(calls):
        matter = "forget-me-0417" if number % 3 == 0 else "keep-me-0001"
        failed = Attempt("b", "ServerError: no", 0.1)
        observer.calls([call_end(f"{matter}-{number}", float(number), 0.1, matter=matter, attempts=[failed])])
    observer.close()


def test_nothing_of_the_matter_is_left_in_the_file(tmp_path: Path) -> None:
    """Neither its number nor what its calls were called, in the file and in its log; the others stay."""
    path = tmp_path / "l.db"
    fill(path)
    assert forget_calls(path, "forget-me-0417") == 1000
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"forget-me" not in content
    assert content.count(b"keep-me-0001-") >= 2000
    assert (calls_of_matter(path, "forget-me-0417"), calls_of_matter(path, "keep-me-0001")) == (0, 2000)


def test_a_ledger_in_use_forgets_too(tmp_path: Path) -> None:
    """What is written afterwards by who has it open is of the right matter."""
    path = tmp_path / "l.db"
    observer = LedgerObserver(path)
    observer.calls([call_end("c1", 1.0, matter="forget-me")])
    observer.flush()
    assert forget_calls(path, "forget-me") == 1
    observer.calls([call_end("c2", 2.0, matter="another")])
    observer.calls([call_end("c3", 3.0, matter="forget-me")])
    observer.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT call, matter FROM calls ORDER BY id").fetchall() == [
            ("c2", "another"),
            ("c3", "forget-me"),
        ]


def test_the_command_finds_and_deletes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """forget lists the ledger among the places, and deletes there on --yes."""
    monkeypatch.chdir(tmp_path)
    config = {"BACKENDS": [{"id": "m", "type": "mock", "echo": True}], "MEDIATOR": {"ledger": True}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with Mediator.from_config(tmp_path / "config.json") as mediator:
        mediator.generate("x", matter="2026-0417")
    for more in ([], ["--yes"]):
        code, said = command(tmp_path, "forget", "--matter", "2026-0417", "--json", *more)
        assert code == 0
        assert [(each["kind"], each["number"]) for each in json.loads(said)["places"]] == [("ledger", 1)]
    assert LedgerHolder(tmp_path / ".complaint_llm/ledger.db").find("2026-0417") == ()
