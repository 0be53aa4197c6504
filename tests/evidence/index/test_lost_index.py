"""The index and the log beside each other: whichever is lost, older or damaged is made again from the other."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails, trace
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError
from complaint_llm.messages import InferenceOutput, Message
from tests import forked
from tests.evidence.store_files import lose_index, put_orphans

SIZES = [0, 1, 500, 16_384, 16_385, 100_000, 262_144, 262_145, 600_000, 1_200_000]


@pytest.mark.rows(4)
@pytest.mark.parametrize("size", SIZES)
def test_a_lost_index_is_made_again_when_the_store_is_opened(
    tmp_path: Path, size: int, content: Callable[[int], bytes]
) -> None:
    """All records with all that was said, all content, whatever its length; nothing to collect."""
    with EvidenceStore(tmp_path / "e") as store:
        store.submit_evidence(content(size), "document", "first", "c", "e", "u", {"k": [1, None]}, file_name="a.pdf")
        store.submit_evidence(content(size), "letter", "second")
        before = store.list_evidence()
    lose_index(tmp_path / "e")
    with EvidenceStore(tmp_path / "e") as store:
        assert store.list_evidence() == before
        assert store.retrieve_evidence(before[0]["cid"]) == content(size)
        assert store.verify().ok
        assert store.gc()["blocks"] == 0


def test_provenance_is_made_again_too(tmp_path: Path) -> None:
    """With its texts, in its order; the next answer links to the last one."""
    with EvidenceStore(tmp_path / "e") as store:
        log = ProvenanceLog(store.database, level="full")
        asked = RequestDetails((Message("user", "a prompt"),))
        cids = [log.record(asked, InferenceOutput(f"answer {number}")).cid for number in range(5)]
        log.close()
    lose_index(tmp_path / "e")
    with EvidenceStore(tmp_path / "e") as store:
        log = ProvenanceLog(store.database, level="full")
        new = log.record(asked, InferenceOutput("after")).cid
        log.close()
        tree = trace(store, new, 2)
        assert tree.parts[-1].cid == cids[-1]
        assert tree.ok
        assert {part.state for part in tree.parts[-1].parts} == {"verified"}
        assert store.verify().ok


def test_an_older_index_catches_up(tmp_path: Path) -> None:
    """What was added since is found again, what was deleted since stays deleted."""
    with EvidenceStore(tmp_path / "e") as store:
        old = store.submit_evidence(b"old", "letter")["cid"]
        gone = store.submit_evidence(b"deleted later", "letter", "SECRET", user_id="u")["cid"]
    shutil.copytree(tmp_path / "e", tmp_path / "backup")
    with EvidenceStore(tmp_path / "e") as store:
        new = store.submit_evidence(b"new" * 10_000, "letter")["cid"]
        store.delete_evidence(gone)
    lose_index(tmp_path / "e")
    shutil.copy2(tmp_path / "backup" / "store.db", tmp_path / "e")
    with EvidenceStore(tmp_path / "e") as store:
        assert [record["cid"] for record in store.list_evidence()] == [old, new]
        assert store.retrieve_evidence(new) == b"new" * 10_000
        assert store.gc()["blocks"] == 0
        assert store.verify().ok
        with pytest.raises(EvidenceNotFoundError):
            store.retrieve_evidence(gone)


def test_deleted_records_do_not_come_back_with_a_lost_index(tmp_path: Path) -> None:
    """Neither the record nor what it said is anywhere."""
    with EvidenceStore(tmp_path / "e") as store:
        for number in range(5):
            store.submit_evidence(b"SECRETTEXT %d" % number, "letter", f"SECRETNAME {number}", user_id="u")
        store.submit_evidence(b"kept", "letter")
        store.delete_user_evidence("u")
    lose_index(tmp_path / "e")
    for path in (tmp_path / "e").rglob("*"):
        assert not path.is_file() or b"SECRET" not in path.read_bytes()
    with EvidenceStore(tmp_path / "e") as store:
        assert [store.retrieve_evidence(record["cid"]) for record in store.list_evidence()] == [b"kept"]
        assert store.verify().ok


def test_a_lost_log_is_named_and_written_again(tmp_path: Path) -> None:
    """The index has everything; until it is written again that is all there is, and verify says so."""
    with EvidenceStore(tmp_path / "e") as store:
        store.submit_evidence(b"a letter", "letter")
    (tmp_path / "e" / "records.log").unlink()
    with EvidenceStore(tmp_path / "e") as store:
        assert [fault.kind for fault in store.verify().faults] == ["log"]
        store.submit_evidence(b"another", "letter")
        store.rebuild()
        assert store.verify().ok
    lose_index(tmp_path / "e")
    with EvidenceStore(tmp_path / "e") as store:
        assert len(store.list_evidence()) == 2


def test_where_the_index_and_the_log_are_lost_nothing_is_collected(tmp_path: Path) -> None:
    """The contents are named; only one who says so has them moved, and then for 30 days to the trash."""
    with EvidenceStore(tmp_path / "e") as store:
        cids = [store.submit_evidence(b"%d" % n * 20_000, "letter")["cid"] for n in range(3)]
    lose_index(tmp_path / "e")
    (tmp_path / "e" / "records.log").unlink()
    with EvidenceStore(tmp_path / "e") as store:
        faults = store.verify().faults
        assert {fault.name for fault in faults if fault.kind == "orphan"} == set(cids)
        assert any("records were lost" in fault.reason for fault in faults)
        with pytest.raises(EvidenceCorruptedError, match="nothing was moved: records were lost"):
            store.gc()
        assert store.rebuild().orphans == 3
        with pytest.raises(EvidenceCorruptedError, match="nothing was moved"):
            store.gc()
        assert store.gc(force=True)["moved"] == sorted(cids, key=lambda cid: cid[-2:-1])
        assert store.verify().ok
        assert store.retrieve_evidence(cids[0]) == b"0" * 20_000


@pytest.mark.parametrize("place", [0, 17, 20, 40, 60, 70, 75, 90, 200, -1])
def test_a_damaged_log_is_named_by_its_place_and_mended(tmp_path: Path, place: int) -> None:
    """Whatever byte it is: the index still has it. All behind it is read."""
    with EvidenceStore(tmp_path / "e") as store:
        for number in range(5):
            store.submit_evidence(b"text %d" % number, "letter", f"about {number}")
        data = bytearray((tmp_path / "e" / "records.log").read_bytes())
        data[place] ^= 1
        (tmp_path / "e" / "records.log").write_bytes(data)
        assert "log" in {fault.kind for fault in store.verify().faults}
        put_orphans(store, b"orphan" * 5000) if place > 31 else None
        store.rebuild()
        assert {fault.kind for fault in store.verify().faults} <= {"orphan", "database"}
    lose_index(tmp_path / "e")
    with EvidenceStore(tmp_path / "e") as store:
        assert len(store.list_evidence()) == 5


@pytest.mark.parametrize("column", ["record_id", "cid", "user_id", "body", "body_sha256"])
def test_a_damaged_row_is_mended_from_the_log(tmp_path: Path, column: str) -> None:
    """It is named, hides no other, and is as it was after a rebuild."""
    with EvidenceStore(tmp_path / "e") as store:
        for number in range(5):
            store.submit_evidence(b"text %d" % number, "letter", f"about {number}", user_id="u")
        before = store.list_evidence()
        with closing(sqlite3.connect(tmp_path / "e" / "store.db")) as database, database:
            database.execute(f"UPDATE records SET {column} = CAST({column} || 'x' AS BLOB) WHERE seq = 3")
        damaged: list[EvidenceCorruptedError] = []
        assert len(store.list_evidence(damaged.append)) == 4
        assert len(damaged) == 1
        with pytest.raises(EvidenceCorruptedError, match="nothing was moved"):
            store.gc()
        done = store.rebuild()
        assert (done.records, done.back, done.damaged) == (5, 1, ())
        assert sorted(map(str, store.list_evidence())) == sorted(map(str, before))
        assert store.verify().ok


@pytest.mark.rows(4)
@pytest.mark.parametrize("spoil", ["cut", "zeros", "empty", "text", "page", "header"])
def test_an_index_that_cannot_be_read_is_put_aside_and_made_anew(tmp_path: Path, spoil: str) -> None:
    """Every use says so in a line, verify names it and checks the rest; afterwards all is there."""
    with EvidenceStore(tmp_path / "e") as store:
        for number in range(30):
            store.submit_evidence(b"text %d" % number * 900, "letter", f"about {number}")
        before = store.list_evidence()
    path = tmp_path / "e" / "store.db"
    whole = path.read_bytes()
    damaged = {
        "cut": whole[: len(whole) // 3],
        "zeros": bytes(len(whole)),
        "empty": b"",
        "text": b"this is no database" * 100,
        "page": whole[:4096] + bytes(len(whole) - 4096),
        "header": whole[:16] + b"\xff" * 30 + whole[46:],
    }
    path.write_bytes(damaged[spoil])
    with EvidenceStore(tmp_path / "e") as store:
        assert "database" in {fault.kind for fault in store.verify().faults}
        with pytest.raises(EvidenceError, match="evidence rebuild"):
            store.list_evidence()
        done = store.rebuild()
        assert done.aside is not None
        assert Path(done.aside).exists()
        assert store.list_evidence() == before
        assert store.verify().ok


def test_another_process_goes_on_with_the_index_that_was_made_anew(tmp_path: Path) -> None:
    """Nothing that it adds goes into the file that was put aside."""
    program = f"""
import sys
from complaint_llm.evidence import EvidenceStore
store = EvidenceStore({str(tmp_path / "e")!r})
store.submit_evidence(b"before", "letter")
print("ready", flush=True)
sys.stdin.readline()
print(store.submit_evidence(b"after", "letter")["cid"])
"""
    pipe = subprocess.PIPE
    process = forked.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with EvidenceStore(tmp_path / "e") as store:
        store.database.replace()
        store.rebuild()
        cid = process.communicate("\n", timeout=60)[0].strip()
        assert store.retrieve_evidence(cid) == b"after"
        assert len(store.list_evidence()) == 2


def test_what_a_killed_process_had_in_the_log_only_is_taken_in(tmp_path: Path) -> None:
    """It was about to commit: its record is there, or the place is read over, and the next one is whole."""
    program = f"""
import os
from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.index import record_log
store = EvidenceStore({str(tmp_path / "e")!r})
store.submit_evidence(b"before", "letter")
real = record_log.RecordLog.append
def killed(self, frames):
    real(self, frames)
    os._exit(9)
record_log.RecordLog.append = killed
store.submit_evidence(b"in the log", "letter")
"""
    assert forked.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 9
    with (tmp_path / "e" / "records.log").open("ab") as file:
        file.write(b"half a frame")
    with EvidenceStore(tmp_path / "e") as store:
        store.submit_evidence(b"after", "letter")
        texts = [store.retrieve_evidence(record["cid"]) for record in store.list_evidence()]
        assert texts == [b"before", b"in the log", b"after"]
        store.rebuild()
        assert store.verify().ok
