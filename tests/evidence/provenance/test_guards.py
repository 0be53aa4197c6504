"""A record names the guards that stood before its answer, and has the digests of both forms; not what they hid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.evidence import EvidenceStore, trace
from complaint_llm.evidence.ipld.cid import DAG_CBOR, RAW, Cid, cid_of
from complaint_llm.evidence.ipld.dagcbor import decode, encode
from complaint_llm.evidence.provenance.guards import check_guards
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.exceptions import EvidenceCorruptedError
from complaint_llm.guards.pseudonyms import Pseudonyms
from complaint_llm.messages import Document, InferenceOutput, Message, TextPart
from complaint_llm.testing import MockBackend
from tests.evidence.provenance.test_shown import store_of

NAME = "Maria Lopez"


def ask(mediator: Mediator) -> InferenceOutput:
    return mediator.infer(f"Help {NAME}, a@b.org.", names=[NAME])


def stream(mediator: Mediator) -> InferenceOutput:
    events = mediator.infer_stream(f"Help {NAME}, a@b.org.", names=[NAME])
    output: InferenceOutput = [*events][-1].output  # type: ignore[union-attr]
    return output


def batch(mediator: Mediator) -> InferenceOutput:
    [result] = mediator.batch([f"Help {NAME}, a@b.org."], names=[NAME])  # type: ignore[call-arg]
    assert result.output is not None
    return result.output


def document(mediator: Mediator) -> InferenceOutput:
    letter = Document(data=f"{NAME}, a@b.org".encode(), name="letter.txt")
    return mediator.infer([Message("user", (letter, TextPart("Who?")))], names=[NAME])


def cached(mediator: Mediator) -> InferenceOutput:
    ask(mediator)
    return ask(mediator)


def record_of(folder: Path, output: InferenceOutput) -> tuple[bytes, dict[str, Any], list[bytes]]:
    """The bytes of a record, the record, and all texts that were kept."""
    assert output.provenance is not None
    with EvidenceStore(folder) as store, store.database.transaction("read") as connection:
        (data,) = connection.execute("SELECT data FROM provenance WHERE cid = ?", (output.provenance,)).fetchone()
        texts = [row[0] for row in connection.execute("SELECT data FROM texts")]
    return data, decode_provenance(output.provenance, data), texts


@pytest.mark.rows(4)
@pytest.mark.parametrize("level", ["digests", "full"])
@pytest.mark.parametrize("way", [ask, stream, batch, document, cached])
def test_a_record_has_guards_counts_and_the_digests_of_both_forms(
    tmp_path: Path, level: Any, way: Callable[[Mediator], InferenceOutput]
) -> None:
    """Its own prompt and answer are those that were sent and came; no name is in it or in the texts that are kept."""
    guard = Pseudonyms(names="none")
    evidence = {"path": str(tmp_path)}
    chain = __import__("complaint_llm.guards.chain", fromlist=["x"])
    guards = chain.GuardChain([chain.GuardEntry("names", guard, scope="all")])
    backend = MockBackend(id="a", echo=True, cache_enabled=way is cached)
    with Mediator([backend], guards=guards, provenance=level, evidence=evidence) as mediator:
        output = way(mediator)
        cid = str(output.provenance)
    data, record, texts = record_of(tmp_path, output._replace(provenance=cid))
    assert NAME in output.content or way is document
    used = record["guards"]["used"]
    assert used == [{"name": "names", "version": guard.version, "counts": {"list": 1, "pattern": 1, "detector": 0}}]
    digest = hashlib.sha256(output.content.encode()).digest()
    assert record["guards"]["answer"].matches(output.content.encode())
    assert digest in encode(record["guards"]["answer"])
    assert record["answer"] != record["guards"]["answer"]
    assert record["prompt"] != record["guards"]["prompt"]
    for kept in (data, *texts):
        assert NAME.encode() not in kept
        assert b"a@b.org" not in kept
    assert bool(texts) == (level == "full")


def test_verification_says_the_guard_and_that_the_own_forms_are_not_kept(tmp_path: Path) -> None:
    """Somebody who has the saved answer can compare its digest."""
    from complaint_llm.guards.chain import GuardChain, GuardEntry

    guards = GuardChain([GuardEntry("names", Pseudonyms(names="none"), scope="all")])
    with Mediator(
        [MockBackend(id="a", echo=True)], guards=guards, provenance="full", evidence={"path": str(tmp_path)}
    ) as mediator:
        output = ask(mediator)
        cid = str(output.provenance)
    with EvidenceStore(tmp_path) as store:
        tree = trace(store, cid)
        assert store.verify().ok
    assert tree.ok
    details = {part.what: part for part in tree.parts}
    assert details["guard"].detail == "names, version 1: 1 by list, 1 by pattern, 0 by detector"
    assert details["prompt before guards"].state == details["answer after guards"].state == "digest only"
    assert details["answer after guards"].cid == cid_of(RAW, output.content.encode()).name


def test_without_guards_a_record_is_as_before(tmp_path: Path) -> None:
    """It has no such key."""
    with Mediator([MockBackend(id="a", echo=True)], provenance="digests", evidence={"path": str(tmp_path)}) as mediator:
        output = mediator.infer("x")
        cid = str(output.provenance)
    assert "guards" not in record_of(tmp_path, output._replace(provenance=cid))[1]


LINK = cid_of(RAW, b"x")
USED = {"name": "a", "version": "1", "counts": {"list": 1}}
GOOD = {"used": [USED], "prompt": LINK, "answer": LINK}
BROKEN: list[Any] = [
    None, [], "text", {}, {**GOOD, "more": 1}, {"used": [USED], "prompt": LINK}, {**GOOD, "prompt": "x"},
    {**GOOD, "answer": None}, {**GOOD, "used": {}}, {**GOOD, "used": [1]}, {**GOOD, "used": [{}]},
    {**GOOD, "used": [{**USED, "name": 1}]}, {**GOOD, "used": [{**USED, "version": None}]},
    {**GOOD, "used": [{**USED, "counts": []}]}, {**GOOD, "used": [{**USED, "counts": {"list": "1"}}]},
    {**GOOD, "used": [{**USED, "counts": {"list": True}}]}, {**GOOD, "used": [{**USED, "hidden": "Maria"}]},
]  # fmt: skip


@pytest.mark.rows(4)
@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: json.dumps(each, default=str)[:40])
def test_a_record_whose_guards_are_none_is_damaged(tmp_path: Path, broken: Any) -> None:
    """It is refused with a line, whatever stands there."""
    check_guards(GOOD)
    with Mediator([MockBackend(id="a", echo=True)], provenance="digests", evidence={"path": str(tmp_path)}) as mediator:
        output = mediator.infer("x")
        cid = str(output.provenance)
    data, _, _ = record_of(tmp_path, output._replace(provenance=cid))
    changed = encode({**decode(data), "guards": broken})
    name: Cid = cid_of(DAG_CBOR, changed)
    with pytest.raises(EvidenceCorruptedError, match="its guards"):
        decode_provenance(name.name, changed)


def test_records_of_this_format_verify_and_say_what_they_said(tmp_path: Path) -> None:
    """A store with guards, matters, a cached answer, a document and a tool, as it was written when records first had
    both: every later version reads it."""
    known, store = store_of("with-guards.json", tmp_path / "store")
    with store, store.database.transaction("read") as connection:
        rows = connection.execute("SELECT cid, data FROM provenance").fetchall()
    records = {cid: decode_provenance(cid, data) for cid, data in rows}
    assert set(records) == set(known["provenance"])
    in_order = [records[cid] for cid in known["provenance"]]
    assert [record.get("matter") for record in in_order] == known["matters"]
    assert [record["cached"] for record in in_order] == [False, False, True, False, False]
    guards = [record["guards"]["used"] for record in in_order]
    assert [[each["name"] for each in some] for some in guards] == [["names"]] * 5
    assert [some[0]["counts"]["list"] for some in guards] == [0, 1, 1, 1, 0]
    assert [len(record["evidence"]) for record in in_order] == [0, 0, 0, 0, 1]
    assert [bool(record.get("shown")) for record in in_order] == [False, False, False, True, True]
    again, store = store_of("with-guards.json", tmp_path / "again")
    with store:
        assert store.verify().ok
        for cid, answer in zip(again["provenance"], known["answers"], strict=True):
            assert trace(store, cid).ok
            digest = cid_of(RAW, answer.encode()).name
            assert digest == records[cid]["guards"]["answer"].name
