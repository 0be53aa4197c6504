"""``complaint-llm report --ledger``."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.ledger.made_ledgers import make_ledger, office_calls

BACKEND = {"id": "offline", "type": "mock", "echo": True}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TZ": "America/Los_Angeles"}
    command = [sys.executable, "-m", "complaint_llm", *arguments]
    return forked.run(command, cwd=folder, capture_output=True, text=True, timeout=150, env=environment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_ledger(tmp_path / "ledger.db", office_calls(500, 40))
    return tmp_path


def test_a_page_is_written_for_its_owner(folder: Path) -> None:
    """Under spend.html, or where it is told to; its zone is named."""
    done = run(folder, "report", "--ledger", "ledger.db")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "spend.html\n")
    assert stat.S_IMODE((folder / "spend.html").stat().st_mode) == 0o600
    assert "Times are PST, UTC-08:00." in (folder / "spend.html").read_text(encoding="utf-8")
    assert run(folder, "report", "--ledger", "ledger.db", "-o", "other.html", "--title", "Spring").returncode == 0
    assert "<title>Spring</title>" in (folder / "other.html").read_text(encoding="utf-8")


def test_json_has_the_numbers_of_the_page(folder: Path) -> None:
    """On standard output and nothing else; a page is written with -o only."""
    done = run(folder, "report", "--ledger", "ledger.db", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["total"]["calls"] == sum(each["calls"] for each in found["over_time"])
    assert [path.name for path in folder.glob("*.html")] == []
    run(folder, "report", "--ledger", "ledger.db", "--json", "-o", "page.html")
    assert f"{found['total']['calls']:,} calls cost" in (folder / "page.html").read_text(encoding="utf-8")


def test_since_until_and_matter_choose_calls(folder: Path) -> None:
    """Both ends are within; the parts make the total."""

    def calls(*options: str) -> Any:
        return json.loads(run(folder, "report", "--ledger", "ledger.db", "--json", *options).stdout)["total"]

    total = calls()["calls"]
    parts = [
        calls("--until", "2026-10"),
        calls("--since", "2026-11", "--until", "2026-11-10"),
        calls("--since", "2026-11-11"),
    ]
    assert all(0 < each["calls"] < total for each in parts)
    assert sum(each["calls"] for each in parts) == total
    assert 0 < calls("--matter", "2026-0000")["calls"] < total
    assert calls("--matter", "nobody's")["calls"] == 0


@pytest.mark.rows(1)
@pytest.mark.parametrize("settings", [True, {"path": "kept/calls.db"}])
def test_the_configs_ledger_is_found(settings: Any, tmp_path: Path) -> None:
    """Where calls through that config are written, seen from any folder."""
    (tmp_path / "elsewhere").mkdir()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"BACKENDS": [BACKEND], "MEDIATOR": {"ledger": settings}}))
    assert run(tmp_path, "generate", "hello").returncode == 0
    done = run(tmp_path / "elsewhere", "-c", "../config.json", "report", "--ledger", "--json")
    assert done.returncode == 0, done.stderr
    total = json.loads(done.stdout)["total"]
    assert total["calls"] + total["demo"] == 1


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--ledger", "none.db"], 1, "none.db: there is no ledger here"),
        (["--ledger", "config.json"], 1, "cannot be read"),
        (["--ledger"], 2, 'keeps no ledger: set MEDIATOR "ledger" to true'),
        (["--ledger", "ledger.db", "out.csv"], 2, "--ledger is a page of its own"),
        (["--ledger", "ledger.db", "--against", "x"], 2, "--ledger is a page of its own"),
        (["out.csv", "--matter", "1"], 2, "give --ledger too"),
        (["out.csv", "--since", "2026-11"], 2, "give --ledger too"),
        (["--ledger", "ledger.db", "--since", "soon"], 2, "'soon' is no time"),
        ([], 2, "give OUT"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], code: int, words: str, folder: Path) -> None:
    """With what to do; nothing is written."""
    (folder / "config.json").write_text(json.dumps({"BACKENDS": [BACKEND]}))
    done = run(folder, "-c", "config.json", "report", *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.glob("*.html")) == []
