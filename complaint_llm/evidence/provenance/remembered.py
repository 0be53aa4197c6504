"""What a verification of a chain need not look at again: what the checkpoint says, as long as nothing of it changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from hashlib import sha256

from complaint_llm.evidence.blocks.small_blocks import SmallBlocks
from complaint_llm.evidence.index.database import Transaction, cid_of_key, key_of
from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.evidence.provenance.checkpoint import FILE_NAME, Checkpoint, read_checkpoint, write_checkpoint
from complaint_llm.evidence.provenance.record import previous_of
from complaint_llm.evidence.store import EvidenceStore
from complaint_llm.exceptions import EvidenceError

log = logging.getLogger("complaint_llm.evidence")
_WORTH_IT = 32
"""Records from which on a checkpoint is kept."""


class Remembered:
    """``counts`` says of each record of the verified chain how many it is with those before it, by their links, which
    are followed here; ``evidence`` is what they cite. Both are empty if anything of it is not as it was."""

    def __init__(self, store: EvidenceStore) -> None:
        self.counts: dict[Cid, int] = {}
        self.evidence: tuple[Cid, ...] = ()
        found = read_checkpoint(store.path / FILE_NAME)
        if found is None:
            return
        with store.database.transaction("read") as connection:
            if _stamp(connection, store.blocks(connection), found.evidence, found.texts)[0] != found.stamp:
                return
            chain = _chain(connection, found)
        self.evidence = found.evidence
        self.counts = {cid: len(chain) - place for place, cid in enumerate(chain)}


def remember(store: EvidenceStore, newest: Cid, count: int, evidence: Iterable[Cid]) -> None:
    """Keep that the records up to ``newest`` were found whole."""
    path = store.path / FILE_NAME
    if store.read_only or count < _WORTH_IT:
        return
    cited = tuple(sorted(evidence))
    with store.database.transaction("read") as connection:
        stamp, texts = _stamp(connection, store.blocks(connection), cited, None)
    try:
        checkpoint = Checkpoint(newest=newest, length=count, evidence=cited, texts=texts, stamp=stamp)
        write_checkpoint(path, checkpoint)
    except OSError as error:
        log.warning("what was verified cannot be remembered in %s: %s", path, error.strerror or error)


def _chain(connection: Transaction, found: Checkpoint) -> list[Cid]:
    """The records from the newest to the first, by their links; none if these do not lead there any more."""
    chain: list[Cid] = []
    at: Cid | None = found.newest
    while at is not None:
        row = connection.execute("SELECT data FROM provenance WHERE cid = ?", (at.name,)).fetchone()
        if row is None:
            return []
        chain.append(at)
        try:
            at = previous_of(at.name, row[0])
        except EvidenceError:
            return []
    return chain if len(chain) == found.length else []


def _stamp(
    connection: Transaction, blocks: SmallBlocks, evidence: Iterable[Cid], last_text: int | None
) -> tuple[bytes, int]:
    """A digest of the kept texts up to a row (all without one), of the records about evidence and of how its blocks
    are; and that row."""
    if last_text is None:
        ((last_text,),) = connection.execute("SELECT coalesce(max(rowid), 0) FROM texts").fetchall()
    state = sha256()
    query = "SELECT cid, data FROM texts WHERE rowid <= ? ORDER BY rowid"
    for name, data in connection.execute(query, (last_text,)):
        state.update(f"{name} {len(data)} ".encode())
        state.update(data)
    for cid in evidence:
        state.update(b"evidence" + cid.binary)
        for (body,) in connection.execute("SELECT body FROM records WHERE cid = ? ORDER BY seq", (cid.name,)):
            state.update(sha256(body).digest())
        for (block,) in connection.execute("SELECT block FROM uses WHERE root = ? ORDER BY block", (key_of(cid),)):
            state.update(bytes(block) + blocks.stamp(cid_of_key(block)))
    return state.digest(), last_text
