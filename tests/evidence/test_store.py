"""The store: what is submitted comes back whole, once, verified, with what was said about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.exceptions import (
    EvidenceCorruptedError,
    EvidenceError,
    EvidenceNotFoundError,
)
from tests import forked

HELLO = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"


BIG = 600_000


def test_the_record_says_what_was_given_and_found(tmp_path: Path) -> None:
    """Every field of the contract, with the CID that IPFS tools give the same bytes."""
    with EvidenceStore(tmp_path / "e", clock=lambda: 1_700_000_000.25) as store:
        record = store.submit_evidence(
            b"hello world\n",
            "document",
            description="Performance review",
            claim_type="wrongful_termination",
            claim_element="pretext",
            user_id="u-1",
            metadata={"page": 3, "tags": ["a", "é"], "nested": {"x": None}},
        )
    assert record == {
        "cid": HELLO,
        "size": 12,
        "sha256": "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447",
        "mime_type": "text/plain",
        "detected_type": "text/plain",
        "declared_type": None,
        "file_name": None,
        "record_id": record["record_id"],
        "record_created": True,
        "created": "2023-11-14T22:13:20.250000Z",
        "imported": None,
        "evidence_type": "document",
        "description": "Performance review",
        "claim_type": "wrongful_termination",
        "claim_element": "pretext",
        "user_id": "u-1",
        "matter": None,
        "metadata": {"page": 3, "tags": ["a", "é"], "nested": {"x": None}},
    }


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, BIG])
def test_content_comes_back_whole(store: EvidenceStore, size: int, content: Callable[[int], bytes]) -> None:
    """One chunk or many, and none at all."""
    record = store.submit_evidence(content(size), "document")
    assert store.retrieve_evidence(record["cid"]) == content(size)
    assert store.get_evidence_by_cid(record["cid"])["size"] == size


def test_the_same_submission_is_the_same_record(store: EvidenceStore) -> None:
    """Equal bytes and statements: the record that is there, with its first time."""
    first = store.submit_evidence(b"x", "document", description="a", user_id="u")
    again = store.submit_evidence(b"x", "document", description="a", user_id="u")
    assert again == {**first, "record_created": False}
    assert len(store.list_evidence()) == 1


def test_the_same_content_said_otherwise_is_a_second_record(
    store: EvidenceStore, blocks_of: Callable[[EvidenceStore], list[Cid]]
) -> None:
    """One content, two records; the newest answers by CID."""
    first = store.submit_evidence(b"x", "document", description="a", user_id="u")
    second = store.submit_evidence(b"x", "document", description="b", user_id="v")
    assert second["cid"] == first["cid"]
    assert second["record_created"]
    assert second["record_id"] != first["record_id"]
    assert store.get_evidence_by_cid(first["cid"])["description"] == "b"
    assert [record["description"] for record in store.get_user_evidence("u")] == ["a"]
    assert len(blocks_of(store)) == 1


def test_a_users_records_come_oldest_first(store: EvidenceStore) -> None:
    """And only that user's; an unknown user has none."""
    for number in range(3):
        store.submit_evidence(b"%d" % number, "document", user_id="u")
    store.submit_evidence(b"3", "document", user_id="v")
    store.submit_evidence(b"4", "document")
    assert [store.retrieve_evidence(record["cid"]) for record in store.get_user_evidence("u")] == [b"0", b"1", b"2"]
    assert store.get_user_evidence("w") == []


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("text", "document"), TypeError, "encode a text first"),
        ((b"", ""), ValueError, "evidence_type is empty"),
        ((b"", None), TypeError, "evidence_type is a text"),
        ((b"", "d", None), TypeError, "description is a text"),
        ((b"", "d", "", 3), TypeError, "claim_type is a text, not int"),
        ((b"", "d", "", None, None, None, [1]), TypeError, "metadata is a mapping, not list"),
        ((b"", "d", "", None, None, None, {1: 2}), TypeError, "keys are text"),
        ((b"", "d", "", None, None, None, {"a": float("nan")}), ValueError, "not finite"),
        ((b"", "d", "", None, None, None, {"a": object()}), TypeError, "cannot be recorded"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_anything_is_stored(
    store: EvidenceStore,
    blocks_of: Callable[[EvidenceStore], list[Cid]],
    arguments: Any,
    error: type[Exception],
    match: str,
) -> None:
    """The caller's mistakes are named; nothing is left behind."""
    with pytest.raises(error, match=match):
        store.submit_evidence(*arguments)
    assert blocks_of(store) == []


def test_files_and_streams_are_the_same_content(
    store: EvidenceStore, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """A file's name declares its type and is in the record; progress counts every byte."""
    file = tmp_path / "Bescheid über Leistung.pdf"
    file.write_bytes(b"%PDF-1.7 " + content(BIG))
    seen: list[int] = []
    record = store.submit_evidence_file(file, "letter", progress=seen.append)
    assert record["file_name"] == file.name
    assert (record["mime_type"], record["declared_type"]) == ("application/pdf", "application/pdf")
    assert sum(seen) == record["size"] == BIG + 9
    with file.open("rb") as stream:
        assert store.submit_evidence_stream(stream, "letter")["cid"] == record["cid"]
    assert b"".join(store.iter_evidence(record["cid"])) == file.read_bytes()


def test_what_is_no_readable_file_is_named(store: EvidenceStore, tmp_path: Path) -> None:
    """A folder, a pipe that would block, a missing file."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing"):
        with pytest.raises(EvidenceError, match=str(path)):
            store.submit_evidence_file(path)


def test_a_source_that_fails_leaves_no_record(store: EvidenceStore, content: Callable[[int], bytes]) -> None:
    """A read error in the middle is raised; what came before is collected."""

    class Failing(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 300_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(EvidenceError, match="Input/output error"):
        store.submit_evidence_stream(Failing(content(BIG)), "document")
    assert store.list_evidence() == []
    assert store.verify().ok
    assert store.gc()["blocks"] == 0


def test_a_full_disk_is_one_error_and_harms_nothing(tmp_path: Path) -> None:
    """The block that did not fit is not there in part; what fits is stored afterwards."""
    program = f"""
import resource
from complaint_llm.evidence import EvidenceStore
from complaint_llm.exceptions import EvidenceError

with EvidenceStore({str(tmp_path / "e")!r}) as store:
    before = store.submit_evidence(b"before", "document")["cid"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        store.submit_evidence(bytes(range(256)) * 1024 * 5, "document")
    except EvidenceError as error:
        print(error)
    store.submit_evidence(b"after", "document")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert store.verify().ok
    assert len(store.list_evidence()) == 2
    assert store.gc()["unfinished"] == 0
"""
    done = forked.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'e'} cannot store evidence: File too large\n"


@pytest.mark.parametrize("cid", [HELLO, "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"])
def test_what_is_not_here_is_not_found(store: EvidenceStore, cid: str) -> None:
    """Reading, deleting and looking up say so in the same way."""
    for ask in (store.retrieve_evidence, store.get_evidence_by_cid, store.delete_evidence):
        with pytest.raises(EvidenceNotFoundError, match=cid):
            ask(cid)


def test_what_is_no_cid_is_said(store: EvidenceStore) -> None:
    """A path, a hash, a typing error."""
    with pytest.raises(EvidenceError, match="is no CID"):
        store.retrieve_evidence("../../etc/passwd")


def test_many_files_are_stored_in_groups_and_each_has_its_answer(
    store: EvidenceStore, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """Small ones together, large ones alone; one that cannot be read costs no other its record."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(250):
        (folder / f"{number:03}.txt").write_bytes(b"%d" % (number % 200))
    (folder / "150.txt").unlink()
    (folder / "150.txt").mkdir()
    (folder / "large").write_bytes(content(9_000_000))
    paths = sorted(folder.iterdir())
    outcomes = dict(store.submit_evidence_files(paths, "letter", user_id="u"))
    assert list(outcomes) == paths
    errors = {path: str(found) for path, found in outcomes.items() if isinstance(found, EvidenceError)}
    assert list(errors) == [folder / "150.txt"]
    assert "is not a file" in errors[folder / "150.txt"]
    for path, found in outcomes.items():
        if not isinstance(found, EvidenceError):
            assert store.retrieve_evidence(found["cid"]) == path.read_bytes()
            assert found["file_name"] == path.name
    assert len(store.get_user_evidence("u")) == 250
    assert store.verify().ok


@pytest.mark.parametrize("size", [1, 2000], ids=["row", "file"])
def test_submitting_again_mends_a_damaged_block(
    store: EvidenceStore, flip: Callable[..., None], flip_row: Callable[..., None], size: int
) -> None:
    """Deduplication looks at the bytes, not at the name only."""
    original = b"the original" * size
    cid = store.submit_evidence(original, "document")["cid"]
    if size == 1:
        flip_row(store, cid)
    else:
        flip(next(store.path.glob(f"blocks/?/{cid}")))
    with pytest.raises(EvidenceCorruptedError, match=cid):
        store.retrieve_evidence(cid)
    store.submit_evidence(original, "document")
    assert store.retrieve_evidence(cid) == original
    assert store.verify().ok


class Nothing(Mapping[str, Any]):
    """An empty mapping that equals no other."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_statements_without_content_are_left_out_whatever_holds_them(store: EvidenceStore) -> None:
    """An empty mapping of any class is no statement: the record is that of none, and reads back."""
    record = store.submit_evidence(b"1", "document", metadata=Nothing())
    same = store.submit_evidence(b"1", "document")
    assert (same["record_id"], same["record_created"]) == (record["record_id"], False)
    assert [each["metadata"] for each in store.list_evidence()] == [{}]
