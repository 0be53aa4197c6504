"""What a verification found of a chain is not looked at again, as long as nothing of it changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails, trace
from complaint_llm.evidence.ipld.cid import RAW, cid_of
from complaint_llm.messages import InferenceOutput, Message


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


@pytest.mark.rows(4)
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


@pytest.mark.rows(4)
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
