"""What a collection moved can come back for 30 days, and what was deleted cannot."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceNotFoundError
from tests.evidence.clock import DAY, Clock
from tests.evidence.store_files import put_orphans


def test_a_collection_moves_to_the_trash_and_lists_what_it_moved(tmp_path: Path, clock: Clock) -> None:
    """There it can be read for 30 days; then the next collection removes it."""
    with EvidenceStore(tmp_path / "e", clock=clock) as store:
        orphans = put_orphans(store, b"orphan" * 9000, b"short orphan")
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
        put_orphans(store, b"SECRET" * 9000, b"SECRET short")
        store.gc()
        for data in (b"SECRET" * 9000, b"SECRET short"):
            store.delete_evidence(store.submit_evidence(data, "letter")["cid"])
        for path in store.path.rglob("*"):
            assert not path.is_file() or b"SECRET" not in path.read_bytes()
