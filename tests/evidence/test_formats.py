"""Stores of earlier versions open as what they were; each format that was ever in use has a fixture here."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import decompress

import pytest

from complaint_llm.evidence import EvidenceStore, trace
from complaint_llm.exceptions import EvidenceError
from tests import forked

FIXTURES = sorted(Path(__file__).with_name("fixtures").glob("store-format-*.json"))


@pytest.fixture(params=FIXTURES, ids=[path.stem for path in FIXTURES])
def known(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a store of that format has: its files, and the records and answers that its own version read from it."""
    found: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def old(known: dict[str, Any], tmp_path: Path) -> Path:
    """The store, as it was written."""
    top = tmp_path / "old"
    for name in known["folders"]:
        (top / name).mkdir(parents=True, mode=0o700)
    for name, data in known["files"].items():
        (top / name).write_bytes(decompress(b64decode(data)))
        (top / name).chmod(0o600 if name.startswith("blocks/") else 0o644)
    (top / "blocks").chmod(0o755)
    return top


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what later versions added."""
    later = ("record_created", "pinned", "imported", "matter")
    return {key: value for key, value in record.items() if key not in later}


def check(store: EvidenceStore, known: dict[str, Any]) -> None:
    assert [shown(record) for record in store.list_evidence()] == [shown(record) for record in known["records"]]
    for record in known["records"]:
        assert len(store.retrieve_evidence(record["cid"])) == record["size"]
        assert store.get_evidence_by_cid(record["cid"])["imported"] is None
    assert [trace(store, cid).ok for cid in known["provenance"]] == [True] * len(known["provenance"])
    verified = store.verify()
    assert verified.ok, verified.faults
    assert verified.records == len(known["records"])
    assert verified.provenance == len(known["provenance"])


def test_a_store_is_migrated_and_whole(old: Path, known: dict[str, Any]) -> None:
    """All records in their order, all content, all answers; then it is a store like any other."""
    with EvidenceStore(old) as store:
        check(store, known)
        assert store.gc()["blocks"] == 0
        store.submit_evidence(b"a letter", "letter", "another record of the same bytes")
        deleted = known["records"][-2]["cid"]
        assert store.delete_evidence(deleted)["blocks"] > 0
        assert store.verify().ok
    for path in old.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077 or path.name == ".gitignore", path


def test_a_migrated_store_survives_the_loss_of_its_index(old: Path, known: dict[str, Any]) -> None:
    """What was only in the index is in the log since then."""
    EvidenceStore(old).close()
    for path in old.glob("store.db*"):
        path.unlink()
    with EvidenceStore(old) as store:
        check(store, known)


def test_a_store_on_read_only_media_is_read_as_it_is(
    old: Path, known: dict[str, Any], run_as_anyone: Callable[..., str]
) -> None:
    """Nothing is written beside it, and it is still of its own format."""
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    for path in (old, *old.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    program = """
import sys
from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence import trace
with EvidenceStore(sys.argv[1]) as store:
    assert store.verify().ok, store.verify()
    print(len(store.list_evidence()), sum(len(store.retrieve_evidence(r["cid"])) for r in store.list_evidence()))
    print([trace(store, cid).ok for cid in sys.argv[2:]])
"""
    said = run_as_anyone(program, old, *known["provenance"]).splitlines()
    for path in (old, *old.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert said[0].split() == [str(len(known["records"])), str(sum(r["size"] for r in known["records"]))]
    assert said[1] == str([True] * len(known["provenance"]))
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


def test_a_migration_that_is_killed_begins_again(old: Path, known: dict[str, Any]) -> None:
    """It is one transaction: afterwards the store is of the one format or the other, and whole."""
    program = """
import os, sys
from complaint_llm.evidence.index import tables
real = tables.rewrite_log
def killed(*arguments):
    real(*arguments)
    os._exit(9)
tables.rewrite_log = killed
from complaint_llm.evidence import EvidenceStore
EvidenceStore(sys.argv[1])
"""
    done = forked.run([sys.executable, "-c", program, str(old)], check=False, timeout=60)
    assert done.returncode == 9
    with closing(sqlite3.connect(old / "store.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
    with EvidenceStore(old) as store:
        check(store, known)


def test_many_processes_open_an_old_store_at_once(old: Path, known: dict[str, Any]) -> None:
    """One migrates, the others wait for it."""
    program = "import sys; from complaint_llm.evidence import EvidenceStore; store = EvidenceStore(sys.argv[1]); "
    program += "print(len(store.list_evidence()))"
    opened = [
        forked.Popen([sys.executable, "-c", program, str(old)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in opened] == [str(len(known["records"]))] * 4
    with EvidenceStore(old) as store:
        check(store, known)


def test_an_old_store_with_damage_is_migrated_and_the_damage_named(old: Path, known: dict[str, Any]) -> None:
    """A damaged record, a lost node: named as before, and nothing goes while it is unknown what they need."""
    with closing(sqlite3.connect(old / "store.db")) as database, database:
        database.execute("UPDATE records SET user_id = 'another' WHERE seq = 3")
    large = max(known["records"], key=lambda record: int(record["size"]))["cid"]
    next(old.glob(f"blocks/?/{large}")).unlink()
    with EvidenceStore(old) as store:
        faults = {(fault.kind, fault.name) for fault in store.verify().faults}
        assert ("evidence", large) in faults
        assert "record" in {kind for kind, _ in faults}
        with pytest.raises(EvidenceError, match="nothing was moved"):
            store.gc()
        assert len(store.list_evidence()) == len(known["records"]) - 1


@pytest.mark.parametrize("number", [4, 9, 100, 2**31 - 1])
def test_a_newer_store_is_refused_in_a_sentence(tmp_path: Path, number: int) -> None:
    """And nothing in it is touched."""
    EvidenceStore(tmp_path / "e").close()
    with closing(sqlite3.connect(tmp_path / "e" / "store.db")) as database:
        database.execute(f"PRAGMA user_version = {number}")
    before = {path: path.read_bytes() for path in (tmp_path / "e").rglob("*") if path.is_file()}
    with pytest.raises(EvidenceError, match=f"has format {number}, this version reads up to 3: update complaint-llm"):
        EvidenceStore(tmp_path / "e")
    after = {path: path.read_bytes() for path in (tmp_path / "e").rglob("*") if path.is_file()}
    assert {path: data for path, data in after.items() if path in before} == before


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_all_files_of_a_store_are_for_their_owner_alone(tmp_path: Path, content: Callable[[int], bytes]) -> None:
    """Whatever the umask, also after a collection, an export, and while it is open."""
    before = os.umask(0)
    try:
        with EvidenceStore(tmp_path / "e") as store:
            cid = store.submit_evidence(content(600_000), "document")["cid"]
            store.submit_evidence(b"short", "document")
            store.export_car([cid], tmp_path / "e" / "x.car")
            shutil.rmtree(tmp_path / "e" / "blocks" / "a")
            store.rebuild()
            for path in (tmp_path / "e").rglob("*"):
                mode = stat.S_IMODE(path.stat().st_mode)
                assert mode == (0o700 if path.is_dir() else 0o600) or path.name == ".gitignore", (path, oct(mode))
    finally:
        os.umask(before)
