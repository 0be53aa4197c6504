"""Removing blocks that no evidence has any more: mark what the records reach, remove the rest of the candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from sqlite3 import Connection

from complaint_llm.evidence.blocks import BlockStore
from complaint_llm.evidence.cid import RAW, Cid, parse_cid
from complaint_llm.evidence.unixfs import Block, children_of
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

GetBlock = Callable[[Cid], bytes]
PATIENCE_OF_DELETE = 2.0
"""Seconds that deleting one piece of evidence waits for those who are adding; `gc` waits longer."""


def collect(connection: Connection, blocks: BlockStore, get: GetBlock) -> dict[str, int]:
    """Remove every block that no record reaches, and unfinished writes; the counts of both. ``get`` verifies.

    The transaction is an exclusive one.
    """
    kept = _kept(connection.execute("SELECT DISTINCT cid FROM records").fetchall(), get)
    return {"blocks": _remove(blocks, blocks.list(), kept), "unfinished": blocks.sweep()}


def remove_unreferenced(connection: Connection, blocks: BlockStore, get: GetBlock, root: Cid) -> int:
    """Remove the blocks under ``root`` that no record reaches; their number. The transaction is an exclusive one."""
    kept = _kept(connection.execute("SELECT DISTINCT cid FROM records").fetchall(), get)
    return _remove(blocks, _found_under(root, get), kept)


def _remove(blocks: BlockStore, candidates: Iterable[Cid], kept: set[bytes]) -> int:
    count = 0
    for cid in candidates:
        if cid.digest not in kept:
            blocks.delete(cid)
            count += 1
    return count


def _kept(roots: Iterable[tuple[str]], get: GetBlock) -> set[bytes]:
    """The digests of all blocks under these roots. Only the nodes are read: leaves have nothing below them."""
    kept: set[bytes] = set()
    for (name,) in roots:
        waiting = [parse_cid(name)]
        while waiting:
            cid = waiting.pop()
            if cid.digest in kept:
                continue
            kept.add(cid.digest)
            if cid.codec != RAW:
                try:
                    waiting.extend(children_of(Block(cid, get(cid))))
                except (EvidenceNotFoundError, EvidenceCorruptedError) as error:
                    raise EvidenceCorruptedError(
                        f"nothing was removed: what evidence {name} needs is unknown because {error}"
                    ) from error
    return kept


def _found_under(root: Cid, get: GetBlock) -> list[Cid]:
    """The blocks under a root as far as they can be read, once each."""
    found: dict[Cid, None] = {}
    waiting = [root]
    while waiting:
        cid = waiting.pop()
        if cid in found:
            continue
        found[cid] = None
        if cid.codec != RAW:
            try:
                waiting.extend(children_of(Block(cid, get(cid))))
            except EvidenceError:
                # A damaged node of deleted evidence hides what is below it; `gc` finds that by listing all blocks.
                continue
    return list(found)
