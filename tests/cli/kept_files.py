"""What a config keeps on this machine, what may be in its way, and ``check`` of it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.openable import store_fault
from complaint_llm.ledger.file import ledger_fault, open_ledger
from complaint_llm.routing.cache.sqlite_store import cache_fault, forget_answers
from complaint_llm.routing.policies.budget_book import BudgetBook, book_fault
from tests.end_to_end.everything import write_config

if TYPE_CHECKING:
    import pytest


class Kept(NamedTuple):
    """One thing that is kept: how it is opened for good, how it is looked at, and what of a config has it at a path."""

    open: Callable[[Path], object]
    fault: Callable[[Path], str | None]
    sections: Callable[[str], dict[str, Any]]
    place: str


def ledger(path: Path) -> None:
    with closing(open_ledger(path)) as db:
        db.execute("INSERT INTO gaps VALUES (1, 1)")


def cache(path: Path) -> None:
    forget_answers(path, "a matter")


def budget(path: Path) -> None:
    book = BudgetBook(path)
    try:
        book.record("a", {1: 1}, 0)
    finally:
        book.close()


def evidence(path: Path) -> None:
    with EvidenceStore(path) as store:
        store.submit_evidence(os.urandom(100_000), "document")


FILES = {
    "ledger": Kept(ledger, ledger_fault, lambda path: {"MEDIATOR": {"ledger": {"path": path}}}, "/MEDIATOR/ledger"),
    "cache": Kept(cache, cache_fault, lambda path: {"MEDIATOR": {"cache": {"path": path}}}, "/MEDIATOR/cache/path"),
    "budget": Kept(budget, book_fault, lambda _: {"MEDIATOR": {"budget": 1.0}}, "/MEDIATOR/budget"),
}
STORE = Kept(evidence, store_fault, lambda path: {"EVIDENCE": {"path": path}}, "/EVIDENCE/path")


def path_of(name: str) -> str:
    """Where the test has it; a budget's is no choice of the config."""
    return ".complaint_llm/state.db" if name == "budget" else "kept/below/file.db"


STATES = ("missing", "used", "being used", "left by a crash", "empty")

# -- what is in the way --------------------------------------------------------------------------------------------


def file_for_its_folder(path: Path) -> None:
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.write_text("a file")


def file_above(path: Path) -> None:
    above = path.parent if path.parent.name == ".complaint_llm" else path.parent.parent
    above.write_text("a file")


def link_to_nothing(path: Path) -> None:
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.symlink_to(path.parent.parent / "gone" / "away")


def folder_in_its_place(path: Path) -> None:
    path.mkdir(parents=True)


def folder_for_its_log(path: Path) -> None:
    path.with_name(path.name + "-wal").mkdir(parents=True)


def damaged(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all " * 400)


def no_file(path: Path) -> None:
    path.parent.mkdir(parents=True)
    os.mkfifo(path)


def damaged_schema(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE answers (x); CREATE TABLE spent (x); CREATE TABLE entries (x);")
    data = bytearray(path.read_bytes())
    data[100:400] = b"\xff" * 300
    path.write_bytes(data)


ANY = [file_for_its_folder, file_above, link_to_nothing, folder_in_its_place, folder_for_its_log, damaged]
ANY += [damaged_schema]


def another_programs(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE answers (x); CREATE VIEW spent AS SELECT 1; PRAGMA application_id = 7;")


def newer(path: Path) -> None:
    ledger(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


def file_in_its_place(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("a file")


def left_by_a_crash(file: Path) -> None:
    """A log beside it that nobody has put into the file."""
    code = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('PRAGMA journal_mode = WAL'); db.execute('CREATE TABLE left_over (x)'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert file.with_name(file.name + "-wal").exists()


def snapshot(folder: Path) -> list[tuple[object, ...]]:
    """All that is there, with content and time of change."""
    found = []
    for each in sorted(folder.rglob("*")):
        state = each.lstat()
        data = each.read_bytes() if each.is_file() else b""
        found.append((str(each), state.st_mode, state.st_mtime_ns, state.st_ino, data))
    return found


def checked(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, **sections: Any) -> Result:
    monkeypatch.chdir(folder)
    mock = {"id": "offline", "type": "mock", "echo": True, "cache_enabled": True}
    write_config(folder, [mock], **sections)
    before = snapshot(folder)
    done = CliRunner().invoke(cli, ["-c", "config.json", "check", *options])
    if (folder / path_of("budget")).is_file():
        # What is spent is read as each call reads it: SQLite may put its log into the file.
        assert {str(each) for each in folder.rglob("*")} <= {str(name) for name, *_ in before}
    else:
        assert snapshot(folder) == before
    return done
