"""Deleting evidence: its records at once, its blocks unless others need them, for good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.exceptions import (
    EvidenceNotFoundError,
)

BIG = 600_000


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


def test_deleting_removes_only_what_nothing_else_needs(store: EvidenceStore, content: Callable[[int], bytes]) -> None:
    """Blocks that other evidence shares stay; the rest is gone from the disk at once."""
    short = store.submit_evidence(content(300_000), "document")
    long = store.submit_evidence(content(BIG), "document")
    assert store.delete_evidence(long["cid"]) == {"cid": long["cid"], "records": 1, "blocks": 3}
    assert store.retrieve_evidence(short["cid"]) == content(300_000)
    with pytest.raises(EvidenceNotFoundError):
        store.retrieve_evidence(long["cid"])
    assert store.verify().ok
    assert store.gc()["blocks"] == 0


def test_what_is_deleted_is_nowhere_in_the_folder(store: EvidenceStore) -> None:
    """Neither in a block, nor in a free page of the database, nor in its log."""
    kept = store.submit_evidence(b"kept", "document")
    cid = store.submit_evidence(b"SECRETTEXT", "document", description="SECRETNAME", user_id="SECRETNAME")["cid"]
    store.delete_evidence(cid)
    for path in store.path.rglob("*"):
        assert not path.is_file() or b"SECRET" not in path.read_bytes()
    assert store.retrieve_evidence(kept["cid"]) == b"kept"


def test_deleting_deletes_every_record_about_the_content(store: EvidenceStore) -> None:
    """Also those of other users: the content is what is deleted."""
    cid = store.submit_evidence(b"x", "document", user_id="u")["cid"]
    store.submit_evidence(b"x", "document", user_id="v")
    assert store.delete_evidence(cid)["records"] == 2
    assert store.get_user_evidence("v") == []


def test_deleting_does_not_wait_long_for_one_who_is_adding(
    store: EvidenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records go at once; the blocks wait for gc, and the answer says so."""
    cid = store.submit_evidence(b"x", "document")["cid"]
    with store.database.transaction("shared"):
        monkeypatch.setattr("complaint_llm.evidence.maintenance.removal.DELETE_TIMEOUT", 0.05)
        assert store.delete_evidence(cid) == {"cid": cid, "records": 1, "blocks": None}
    assert store.gc()["purged"] == 1
