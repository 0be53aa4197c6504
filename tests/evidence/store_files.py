"""What several tests do to the files of a store."""

from __future__ import annotations

from pathlib import Path

from complaint_llm.evidence import Block, EvidenceStore
from complaint_llm.evidence.ipld.cid import RAW, Cid, cid_of


def lose_index(path: Path) -> None:
    for each in path.glob("store.db*"):
        each.unlink()


def put_orphans(store: EvidenceStore, *contents: bytes) -> list[Cid]:
    """Blocks without a record, as a killed process leaves them."""
    blocks = [Block(cid_of(RAW, data), data) for data in contents]
    with store.database.transaction("shared") as connection:
        store.blocks(connection).put(blocks)
    return [block.cid for block in blocks]
