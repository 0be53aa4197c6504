"""A store on media that cannot be written can be read."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from complaint_llm.evidence import EvidenceStore
from tests.evidence.store_files import lose_index

READING = """
import sys
from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence import trace
with EvidenceStore(sys.argv[1]) as store:
    print(sorted(store.retrieve_evidence(r["cid"])[:9] for r in store.list_evidence()))
    print([fault.kind for fault in store.verify().faults])
    for act in (lambda: store.submit_evidence(b"x", "letter"), store.gc, store.rebuild,
                lambda: store.delete_evidence(store.list_evidence()[0]["cid"])):
        try:
            act()
            print("written")
        except Exception as error:
            print(type(error).__name__, "cannot be written" in str(error))
"""


def no_change(path: Path) -> None:
    """As it was closed."""


def open_log(path: Path) -> None:
    """As a copy that was made while it was open: the last records are in SQLite's own log."""
    with closing(sqlite3.connect(path / "store.db")) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("INSERT INTO pins VALUES ('x')")
        database.commit()
        for name in ("store.db", "store.db-wal"):
            shutil.copyfile(path / name, path / f"{name}.copy")
    for name in ("store.db", "store.db-wal"):
        (path / f"{name}.copy").replace(path / name)


def without_lock(path: Path) -> None:
    """As a backup that left empty files out."""
    (path / "lock.db").unlink()


@pytest.mark.rows(2)
@pytest.mark.parametrize("change", [no_change, open_log, lose_index, without_lock], ids=lambda f: f.__name__)
def test_media_that_cannot_be_written_can_be_read(
    tmp_path: Path, change: Callable[[Path], None], run_as_anyone: Callable[..., str]
) -> None:
    """Listed, read, verified, without a byte written there; what would write is one clear error."""
    path = tmp_path / "e"
    with EvidenceStore(path) as store:
        store.submit_evidence(b"a letter", "letter")
        store.submit_evidence(b"long " * 20_000, "letter")
    change(path)
    before = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    for each in (path, *path.rglob("*")):
        each.chmod(0o555 if each.is_dir() else 0o444)
    said = run_as_anyone(READING, path).splitlines()
    for each in (path, *path.rglob("*")):
        each.chmod(0o700 if each.is_dir() else 0o600)
    assert said[:2] == [str([b"a letter", b"long long"]), "[]"]
    assert said[2:] == ["EvidenceError True"] * 4
    assert {each: each.read_bytes() for each in path.rglob("*") if each.is_file()} == before
