"""One flipped bit anywhere is found and named, by verification and by whoever reads it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails, trace
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceNotFoundError
from complaint_llm.messages import InferenceOutput, Message


def filled(path: Path, content: Callable[[int], bytes]) -> tuple[EvidenceStore, str, list[str]]:
    """A store with a large and a small piece of evidence and three answers that cite the large one."""
    store = EvidenceStore(path)
    cid = store.submit_evidence(content(600_000), "document", description="a letter", user_id="u", metadata={"k": 1})[
        "cid"
    ]
    store.submit_evidence(b"small", "document", user_id="u")
    log = ProvenanceLog(store.database, level="full")
    facts = RequestDetails((Message("user", "a prompt"),), {"seed": 1}, evidence=log.check_evidence([cid]))
    answers = [
        log.record(facts, InferenceOutput(f"answer {number}", model="m", backend="b")).cid for number in range(3)
    ]
    log.close()
    return store, cid, answers


def test_a_bit_in_any_block(tmp_path: Path, content: Callable[[int], bytes], flip: Callable[..., None]) -> None:
    """First, middle and last byte of each block; the block is named, and so is the evidence that needs it."""
    store, cid, _ = filled(tmp_path / "e", content)
    assert store.verify().ok
    for block in sorted(store.path.glob("blocks/?/b*")):
        whole = block.read_bytes()
        for place in {0, len(whole) // 2, len(whole) - 1}:
            flip(block, place, 1 << place % 8)
            faults = store.verify().faults
            assert ("block", block.name) in {(fault.kind, fault.name) for fault in faults}
            assert "evidence" in {fault.kind for fault in faults}
            block.write_bytes(whole)
    assert store.verify().ok
    flip(next(store.path.glob(f"blocks/?/{cid}")))
    with pytest.raises(EvidenceCorruptedError, match=cid):
        store.retrieve_evidence(cid)
    store.close()


def test_a_missing_block(tmp_path: Path, content: Callable[[int], bytes]) -> None:
    """The evidence that lacks it is named, and reading it says which block it is."""
    store, cid, _ = filled(tmp_path / "e", content)
    leaf = next(path for path in store.path.glob("blocks/?/bafkrei*") if path.stat().st_size > 1000)
    leaf.unlink()
    (fault,) = store.verify().faults
    assert (fault.kind, fault.name) == ("evidence", cid)
    assert leaf.name in fault.reason
    with pytest.raises(EvidenceNotFoundError, match=leaf.name):
        store.retrieve_evidence(cid)
    store.close()


def changed(value: object, place: int) -> object:
    """The value of a column with one bit changed."""
    if isinstance(value, int):
        return value ^ (1 << 20)
    data = bytearray(value if isinstance(value, bytes) else str(value).encode())
    data[place % len(data)] ^= 1
    return bytes(data) if isinstance(value, bytes) else data.decode("utf-8", "replace")


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        ("blocks", "digest", "block"),
        ("blocks", "data", "block"),
        ("records", "record_id", "record"),
        ("records", "cid", "record"),
        ("records", "user_id", "record"),
        ("records", "body", "record"),
        ("records", "body_sha256", "record"),
        ("provenance", "cid", "provenance"),
        ("provenance", "data", "provenance"),
        ("texts", "cid", "provenance"),
        ("texts", "data", "provenance"),
    ],
)
def test_a_bit_in_any_column(
    tmp_path: Path, content: Callable[[int], bytes], table: str, column: str, kind: str
) -> None:
    """Short texts, records, provenance records and kept texts, at several places of each row."""
    store, *_ = filled(tmp_path / "e", content)
    store.close()
    database = sqlite3.connect(tmp_path / "e" / "store.db", isolation_level=None)
    rows = database.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
    assert rows
    for rowid, value in rows:
        for place in range(0, len(value), max(1, len(value) // 4)):
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (changed(value, place), rowid))
            with EvidenceStore(tmp_path / "e") as again:
                assert kind in {fault.kind for fault in again.verify().faults}
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))
    database.close()
    with EvidenceStore(tmp_path / "e") as again:
        assert again.verify().ok


def test_a_bit_in_the_database_file(tmp_path: Path, content: Callable[[int], bytes], flip: Callable[..., None]) -> None:
    """Not only in values: any bit of a page that says something is found, or the content still reads as it was."""
    store, cid, _ = filled(tmp_path / "e", content)
    before = (store.list_evidence(), store.retrieve_evidence(cid))
    store.close()
    path = tmp_path / "e" / "store.db"
    whole = path.read_bytes()
    found = 0
    for place in range(100, len(whole), 997):
        flip(path, place, 1 << place % 8)
        try:
            with EvidenceStore(tmp_path / "e") as again:
                if not again.verify().ok:
                    found += 1
                else:
                    assert (again.list_evidence(), again.retrieve_evidence(cid)) == before
        except EvidenceCorruptedError:
            found += 1
        for leftover in tmp_path.glob("e/store.db-*"):
            leftover.unlink()
        path.write_bytes(whole)
    assert found


def test_a_bit_in_a_provenance_link(tmp_path: Path, content: Callable[[int], bytes]) -> None:
    """The tree of the newest answer names the record before it that is not as it was."""
    store, _, answers = filled(tmp_path / "e", content)
    with store.database.transaction("exclusive") as connection:
        (data,) = connection.execute("SELECT data FROM provenance WHERE cid = ?", (answers[1],)).fetchone()
        place = data.index(b"hprevious") + 30
        broken = data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
        connection.execute("UPDATE provenance SET data = ? WHERE cid = ?", (broken, answers[1]))
    fault = trace(store, answers[2]).fault
    assert fault is not None
    assert (fault.cid, fault.state) == (answers[1], "damaged")
    assert trace(store, answers[0]).ok
    assert [fault.name for fault in store.verify().faults] == [answers[1]]
    store.close()


def test_a_record_that_was_cut_out_of_the_chain(tmp_path: Path, content: Callable[[int], bytes]) -> None:
    """Removing an answer from the middle shows in every answer after it."""
    store, _, answers = filled(tmp_path / "e", content)
    with store.database.transaction("exclusive") as connection:
        connection.execute("DELETE FROM provenance WHERE cid = ?", (answers[1],))
    fault = trace(store, answers[2]).fault
    assert fault is not None
    assert (fault.cid, fault.state) == (answers[1], "missing")
    assert [fault.name for fault in store.verify().faults] == [answers[1], answers[2]]
    store.close()


def test_a_record_that_was_written_anew(tmp_path: Path, content: Callable[[int], bytes]) -> None:
    """A consistent forgery has another CID: the one that was kept elsewhere is no longer found."""
    store, _, answers = filled(tmp_path / "e", content)
    with store.database.transaction("exclusive") as connection:
        connection.execute("DELETE FROM provenance")
    log = ProvenanceLog(store.database)
    log.record(RequestDetails((Message("user", "another prompt"),)), InferenceOutput("another answer"))
    log.close()
    with pytest.raises(EvidenceNotFoundError, match=answers[2]):
        trace(store, answers[2])
    store.close()
