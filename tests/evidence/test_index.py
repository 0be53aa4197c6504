"""The index and the log beside each other: one is made again from the other; trash, deletion, damaged records."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence import Block, EvidenceStore, ProvenanceLog, RequestDetails, trace
from complaint_llm.evidence.ipld.cid import RAW, Cid, cid_of
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError
from complaint_llm.messages import InferenceOutput, Message

DAY = 24 * 3600.0


class Clock:
    """Unix seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lose_index(path: Path) -> None:
    for each in path.glob("store.db*"):
        each.unlink()


def put(store: EvidenceStore, *contents: bytes) -> list[Cid]:
    """Blocks without a record, as a killed process leaves them."""
    blocks = [Block(cid_of(RAW, data), data) for data in contents]
    with store.database.transaction("shared") as connection:
        store.blocks(connection).put(blocks)
    return [block.cid for block in blocks]


# A lost, older, or damaged index


SIZES = [0, 1, 500, 16_384, 16_385, 100_000, 262_144, 262_145, 600_000, 1_200_000]


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
        put(store, b"orphan" * 5000) if place > 31 else None
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
    process = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True)
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
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 9
    with (tmp_path / "e" / "records.log").open("ab") as file:
        file.write(b"half a frame")
    with EvidenceStore(tmp_path / "e") as store:
        store.submit_evidence(b"after", "letter")
        texts = [store.retrieve_evidence(record["cid"]) for record in store.list_evidence()]
        assert texts == [b"before", b"in the log", b"after"]
        store.rebuild()
        assert store.verify().ok


# The trash


def test_a_collection_moves_to_the_trash_and_lists_what_it_moved(tmp_path: Path, clock: Clock) -> None:
    """There it can be read for 30 days; then the next collection removes it."""
    with EvidenceStore(tmp_path / "e", clock=clock) as store:
        orphans = put(store, b"orphan" * 9000, b"short orphan")
        done = store.gc()
        assert sorted(done["moved"]) == sorted(cid.name for cid in orphans)
        assert store.local_block(orphans[0]) == b"orphan" * 9000
        assert store.local_block(orphans[1]) == b"short orphan"
        assert store.verify().ok
        clock.now += 29.9 * DAY
        assert store.gc()["expired"] == 0
        clock.now += 0.2 * DAY
        assert store.gc()["expired"] == 2
        with pytest.raises(EvidenceNotFoundError):
            store.local_block(orphans[0])


@pytest.mark.parametrize("size", [3, 9_000, 40_000, 262_144, 600_000])
def test_what_is_added_again_comes_back_from_the_trash(
    tmp_path: Path, clock: Clock, size: int, content: Callable[[int], bytes], blocks_of: Callable[..., list[Cid]]
) -> None:
    """And stays when the trash is emptied."""
    with EvidenceStore(tmp_path / "e", clock=clock) as store:
        cid = store.submit_evidence(content(size), "letter")["cid"]
        names = blocks_of(store)
        with store.database.transaction("shared") as connection:
            connection.execute("DELETE FROM records")
            connection.execute("DELETE FROM uses")
        store.gc(force=True)
        assert blocks_of(store) == []
        assert store.retrieve_evidence(cid) == content(size)
        store.submit_evidence(content(size), "letter")
        clock.now += 31 * DAY
        store.gc()
        assert sorted(blocks_of(store)) == sorted(names)
        assert store.retrieve_evidence(cid) == content(size)
        assert store.verify().ok


def test_a_record_that_comes_back_finds_its_blocks_in_the_trash(tmp_path: Path, clock: Clock) -> None:
    """The backup of the index that has it is a month younger than the collection is patient."""
    with EvidenceStore(tmp_path / "e", clock=clock) as store:
        cid = store.submit_evidence(b"exhibit" * 9000, "letter")["cid"]
    shutil.copytree(tmp_path / "e", tmp_path / "backup")
    with EvidenceStore(tmp_path / "e", clock=clock) as store:
        with store.database.transaction("shared") as connection:
            connection.execute("DELETE FROM records")
        with pytest.raises(EvidenceCorruptedError, match="is not in the index"):
            store.gc()
        assert store.gc(force=True)["blocks"] == 1
    for name in ("store.db", "records.log"):
        shutil.copy2(tmp_path / "backup" / name, tmp_path / "e" / name)
    for path in (tmp_path / "e").glob("store.db-*"):
        path.unlink()
    with EvidenceStore(tmp_path / "e", clock=clock) as store:
        assert store.retrieve_evidence(cid) == b"exhibit" * 9000
        assert store.verify().ok
        clock.now += 40 * DAY
        assert store.gc()["restored"] == 1
        assert store.retrieve_evidence(cid) == b"exhibit" * 9000


def test_what_is_deleted_is_not_in_the_trash_either(tmp_path: Path, clock: Clock) -> None:
    """Deletion is for good, also of what a collection had moved before."""
    with EvidenceStore(tmp_path / "e", clock=clock) as store:
        put(store, b"SECRET" * 9000, b"SECRET short")
        store.gc()
        for data in (b"SECRET" * 9000, b"SECRET short"):
            store.delete_evidence(store.submit_evidence(data, "letter")["cid"])
        for path in store.path.rglob("*"):
            assert not path.is_file() or b"SECRET" not in path.read_bytes()


# Deletion


def test_a_users_evidence_is_deleted_in_one_go(store: EvidenceStore) -> None:
    """All records of the user; what others handed in too stays, with their records."""
    both = store.submit_evidence(b"both" * 9000, "letter", user_id="u")["cid"]
    store.submit_evidence(b"both" * 9000, "letter", user_id="v")
    own = [store.submit_evidence(b"%d" % n * 30_000, "letter", user_id="u")["cid"] for n in range(10)]
    short = store.submit_evidence(b"short", "letter", user_id="u")["cid"]
    done = store.delete_user_evidence("u")
    assert done == {"user_id": "u", "cids": [both, *own, short], "records": 12, "blocks": 11}
    assert store.get_user_evidence("u") == []
    assert store.retrieve_evidence(both) == b"both" * 9000
    assert store.verify().ok
    assert store.gc()["blocks"] == 0
    with pytest.raises(EvidenceNotFoundError, match="no record of this user"):
        store.delete_user_evidence("u")


def test_deleting_takes_as_long_as_the_file_is_long_not_the_store(tmp_path: Path) -> None:
    """By the steps that SQLite takes: the same in a store of ten pieces and in one of three hundred."""

    def steps(path: Path, pieces: int) -> int:
        with EvidenceStore(path) as store:
            cids = [store.submit_evidence(b"%d" % n, "letter")["cid"] for n in range(pieces)]
            counted = 0

            def count() -> None:
                nonlocal counted
                counted += 1

            for kind in ("shared", "exclusive"):
                with store.database.transaction(kind) as connection:  # type: ignore[arg-type]
                    connection.set_progress_handler(count, 10)
            store.delete_evidence(cids[pieces // 2])
            return counted

    few, many = steps(tmp_path / "few", 10), steps(tmp_path / "many", 300)
    assert many < 3 * few + 20


# Media that cannot be written


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


# What a verification remembers


def answers(store: EvidenceStore, count: int, cited: str) -> list[str]:
    log = ProvenanceLog(store.database, level="full")
    facts = RequestDetails((Message("user", "a prompt"),), evidence=log.check_evidence([cited]))
    cids = [log.record(facts, InferenceOutput(f"answer {number}")).cid for number in range(count)]
    log.close()
    return cids


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the provenance records that are decoded from now on."""
    module = sys.modules["complaint_llm.evidence.provenance.trace"]  # not the function that the package calls so
    seen: list[str] = []
    real = module.decode_provenance

    def noted(name: str, data: bytes) -> dict[str, Any]:
        seen.append(name)
        return real(name, data)

    monkeypatch.setattr(module, "decode_provenance", noted)
    return seen


def test_what_was_verified_is_not_decoded_again(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what came since, whichever record is asked for; with ``all_of_it`` everything."""
    cited = store.submit_evidence(b"x" * 40_000, "letter")["cid"]
    cids = answers(store, 60, cited)
    assert trace(store, cids[-1]).ok
    cids += answers(store, 5, cited)
    seen = decoded(monkeypatch)
    tree = trace(store, cids[-1])
    assert tree.ok
    assert "64 verified, back to the first" in tree.parts[-1].detail
    assert len(seen) == 6
    seen.clear()
    assert "30 verified, back to the first" in trace(store, cids[30]).parts[-1].detail
    assert len(seen) == 1
    seen.clear()
    assert trace(store, cids[-1], all_of_it=True).ok
    assert len(seen) == 65


def change_block(store: EvidenceStore, cids: list[str], cited: str) -> str | None:
    path = next(store.path.glob(f"blocks/?/{cited}"))
    path.write_bytes(b"y" + path.read_bytes()[1:])
    return cited


def remove_block(store: EvidenceStore, cids: list[str], cited: str) -> str | None:
    next(store.path.glob(f"blocks/?/{cited}")).unlink()
    return cited


def delete_cited(store: EvidenceStore, cids: list[str], cited: str) -> str | None:
    store.delete_evidence(cited)
    return cited


def execute(store: EvidenceStore, statement: str, *values: object) -> None:
    with store.database.transaction("exclusive") as connection:
        connection.execute(statement, values)


def change_answer(store: EvidenceStore, cids: list[str], cited: str) -> str | None:
    with store.database.transaction("exclusive") as connection:
        (data,) = connection.execute("SELECT data FROM provenance WHERE cid = ?", (cids[20],)).fetchone()
        changed = data.replace(b"usage", b"Usage")
        connection.execute("UPDATE provenance SET data = ? WHERE cid = ?", (changed, cids[20]))
    return cids[20]


def remove_answer(store: EvidenceStore, cids: list[str], cited: str) -> str | None:
    execute(store, "DELETE FROM provenance WHERE cid = ?", cids[10])
    return cids[10]


def change_text(store: EvidenceStore, cids: list[str], cited: str) -> str | None:
    name = cid_of(RAW, b"answer 7").name
    execute(store, "UPDATE texts SET data = ? WHERE cid = ?", b"answer 8", name)
    return name


def change_record(store: EvidenceStore, cids: list[str], cited: str) -> str | None:
    execute(store, "UPDATE records SET body = ?", b"nothing")
    return cited


@pytest.mark.parametrize(
    "change",
    [change_block, remove_block, delete_cited, change_answer, remove_answer, change_text, change_record],
    ids=lambda change: change.__name__,
)
def test_a_change_below_a_checkpoint_is_found(
    store: EvidenceStore, change: Callable[[EvidenceStore, list[str], str], str | None]
) -> None:
    """In a record, in a text, in the evidence: as if nothing had been remembered."""
    cited = store.submit_evidence(b"x" * 40_000, "letter")["cid"]
    cids = answers(store, 60, cited)
    assert trace(store, cids[-1]).ok
    name = change(store, cids, cited)
    fault = trace(store, cids[-1]).fault
    assert fault is not None
    assert fault.cid == name


@pytest.mark.parametrize("place", [*range(0, 120, 9), -1, -16, -32, -33])
def test_a_changed_byte_of_a_checkpoint_breaks_it(
    store: EvidenceStore, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """It is worth nothing then: all is looked at, and a new one is kept."""
    cids = answers(store, 40, store.submit_evidence(b"x", "letter")["cid"])
    trace(store, cids[-1])
    path = store.path / "verified"
    whole = path.read_bytes()
    data = bytearray(whole)
    data[place] ^= 1
    path.write_bytes(data)
    seen = decoded(monkeypatch)
    assert trace(store, cids[-1]).ok
    assert len(seen) == 40
    assert path.read_bytes() == whole


def test_a_forged_checkpoint_does_not_hide_a_broken_chain(store: EvidenceStore) -> None:
    """The links are followed whatever it says: what the CID that was kept elsewhere leads to is looked at."""
    cids = answers(store, 50, store.submit_evidence(b"x", "letter")["cid"])
    trace(store, cids[-1])
    change_answer(store, cids, "")
    fault = trace(store, cids[-1]).fault
    assert fault is not None
    assert (fault.cid, fault.state) == (cids[20], "damaged")
    assert os.stat(store.path / "verified").st_mode & 0o077 == 0
    assert time.time() > 0
