"""A collection takes what no evidence has, and nothing while it does not know what that is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from complaint_llm.evidence import Block, EvidenceStore
from complaint_llm.evidence.ipld.cid import RAW, Cid, cid_of
from complaint_llm.exceptions import (
    EvidenceCorruptedError,
)

BIG = 600_000


def test_gc_takes_what_interrupted_writes_left(store: EvidenceStore) -> None:
    """Unfinished files and blocks without a record; nothing that a record needs, and no one else's files."""
    kept = store.submit_evidence(b"kept", "document")
    with store.database.transaction("shared") as connection:
        store.blocks(connection).put([Block(cid_of(RAW, b"lost" * size), b"lost" * size) for size in (1, 10_000)])
    (store.path / "blocks" / "unfinished" / "1-2-3").write_bytes(b"half")
    (store.path / "blocks" / "a" / "Thumbs.db").write_bytes(b"not ours")
    done = store.gc()
    assert (done["blocks"], done["unfinished"]) == (2, 1)
    assert store.retrieve_evidence(kept["cid"]) == b"kept"
    assert (store.path / "blocks" / "a" / "Thumbs.db").exists()


def test_gc_removes_nothing_while_it_does_not_know_what_is_needed(
    store: EvidenceStore, content: Callable[[int], bytes], blocks_of: Callable[[EvidenceStore], list[Cid]]
) -> None:
    """A missing node hides what is below it: then nothing goes until that evidence is deleted."""
    record = store.submit_evidence(content(BIG), "document")
    before = set(blocks_of(store))
    root = next(cid for cid in before if str(cid) == record["cid"])
    next(store.path.glob(f"blocks/?/{root}")).unlink()
    with pytest.raises(EvidenceCorruptedError, match="nothing was moved"):
        store.gc()
    assert set(blocks_of(store)) == before - {root}
    assert store.delete_evidence(record["cid"])["blocks"] == 4
    assert blocks_of(store) == []
