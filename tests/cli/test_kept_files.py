"""``check`` tells of a ledger, a cache or a budget that could not be opened or written, as the first call of the night
would; it makes and changes nothing."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from complaint_llm.cli.main import cli
from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.messages import InferenceOutput
from complaint_llm.private_folder import folder_fault, make_private_folder
from complaint_llm.routing.cache.sqlite_store import CacheFile, answers_of_matter, cache_fault
from tests.cli.kept_files import (
    ANY,
    FILES,
    STATES,
    Kept,
    another_programs,
    checked,
    left_by_a_crash,
    newer,
    path_of,
)
from tests.end_to_end.everything import write_config

ROWS = [(name, fault) for name in FILES for fault in ANY]
ROWS += [("ledger", another_programs), ("cache", another_programs), ("ledger", newer)]


@pytest.mark.rows(10)
@pytest.mark.parametrize(("name", "put"), ROWS, ids=lambda part: part if isinstance(part, str) else part.__name__)
def test_a_file_that_could_not_be_used_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, put: Callable[[Path], None]
) -> None:
    """With its place and what to do, in ``--json`` too; and so it is: opened for good it fails."""
    kept, path = FILES[name], path_of(name)
    put(tmp_path / path)
    for options in ((), ("--json",)):
        done = checked(tmp_path, monkeypatch, *options, **kept.sections(path))
        (line,) = done.stderr.splitlines()
        assert line.startswith("config.json:1:"), line
        assert f" {kept.place}: the {name} cannot be kept" in line
        assert any(word in line for word in ("move it away", "another path", "MEDIATOR.ledger", "remove the link"))
        assert done.exit_code == 1
        assert "offline" in done.stdout
    assert name == "budget" or json.loads(done.stdout)[0]["state"] == "ready"
    with pytest.raises((ComplaintLLMError, sqlite3.Error, OSError)):
        kept.open(tmp_path / path)


@pytest.mark.rows(6)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("state", STATES)
def test_a_file_that_can_be_used_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, state: str
) -> None:
    """Nothing is said, and nothing is made: neither it nor its folder, nor what SQLite keeps beside it."""
    kept, path = FILES[name], path_of(name)
    file = tmp_path / path
    if state == "empty":
        make_private_folder(file.parent)
        file.touch()
    elif state != "missing":
        kept.open(file)
    with closing(sqlite3.connect(file if state == "being used" else ":memory:", isolation_level=None)) as db:
        if state == "being used":
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE another (x)")
        if state == "left by a crash":
            left_by_a_crash(file)
        done = checked(tmp_path, monkeypatch, **kept.sections(path))
    assert (done.exit_code, done.stderr) == (0, "")
    kept.open(file)


def test_what_a_config_does_not_keep_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept in ``.complaint_llm`` here, and nobody's answers are."""
    (tmp_path / ".complaint_llm").write_text("a file")
    done = checked(tmp_path, monkeypatch, MEDIATOR={"ledger": False})
    assert (done.exit_code, done.stderr) == (0, "")


def test_each_fault_is_a_line_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the file, and the entry that has a budget is named where MEDIATOR has none."""
    (tmp_path / ".complaint_llm").write_text("a file")
    monkeypatch.chdir(tmp_path)
    mock = {"id": "offline", "type": "mock", "echo": True, "budget": 1.0, "cache_enabled": True}
    sections = {"MEDIATOR": {"ledger": True, "cache": {"path": ".complaint_llm/c.db"}, "provenance": "digests"}}
    write_config(tmp_path, [mock], **sections)
    done = CliRunner().invoke(cli, ["-c", "config.json", "check", "--json"])
    said = [line.split(": ")[1] for line in done.stderr.splitlines() if line.startswith("config.json")]
    wanted = ["/BACKENDS/0/budget", "/MEDIATOR/ledger", "/MEDIATOR/cache/path", "/MEDIATOR/provenance"]
    assert sorted(said) == sorted(wanted)


@pytest.mark.parametrize("below", ["", "a", "a/b/c"])
@pytest.mark.parametrize("there", ["folder", "file", "nothing"])
def test_a_folder_that_can_be_made_has_no_fault(tmp_path: Path, there: str, below: str) -> None:
    """What is said beforehand is what happens."""
    folder = tmp_path / "x"
    if there == "folder":
        folder.mkdir()
    elif there == "file":
        folder.touch()
    fault = folder_fault(folder / below)
    try:
        make_private_folder(folder / below)
        (folder / below / "file").touch()
    except OSError:
        assert fault is not None
    else:
        assert fault is None


def test_answers_are_still_found_where_a_look_was_taken(tmp_path: Path) -> None:
    """A look while it is written takes nothing from who writes."""
    path = tmp_path / "cache.db"
    kept = CacheFile(path, size=10)
    for number in range(20):
        kept.put(f"k{number}", InferenceOutput("text"), None)
        kept.note_matter(f"k{number}", "m")
        assert cache_fault(path) is None
    kept.close()
    assert answers_of_matter(path, "m") > 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("kept", FILES.values(), ids=FILES)
def test_a_folder_of_another_mode_is_told(tmp_path: Path, kept: Kept) -> None:
    """As far as modes bind who asks."""
    (tmp_path / "away").mkdir(mode=0o500)
    assert "cannot be written by this user" in str(kept.fault(tmp_path / "away" / "file.db"))
