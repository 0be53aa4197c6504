"""Deleting evidence: its records at once, its blocks in proportion to it, and for good."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from complaint_llm.evidence.blocks.small_blocks import SmallBlocks
from complaint_llm.evidence.index.database import Database, StoreBusyError, Transaction, cid_of_key, key_of
from complaint_llm.evidence.index.record_log import DELETED, Frame
from complaint_llm.evidence.index.tables import forget_record
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from complaint_llm.evidence.maintenance.collection import DELETE_TIMEOUT, purge
from complaint_llm.exceptions import EvidenceError

log = logging.getLogger("complaint_llm.evidence")


class Deleted(NamedTuple):
    """How many records were deleted, of which contents, how many blocks were removed (None: they go with the next
    deletion or collection, because others were adding), and the contents that still have what was deleted in them."""

    records: int
    contents: tuple[Cid, ...]
    blocks: int | None
    kept_by: tuple[Cid, ...]


def delete(database: Database, blocks_of: Callable[[Transaction], SmallBlocks], column: str, value: str) -> Deleted:
    """Delete the records whose ``cid`` or ``user_id`` is this, then the blocks that nothing uses any more."""
    kept_by: dict[bytes, None] = {}
    with database.transaction("shared") as connection:
        connection.execute("UPDATE meta SET value = value WHERE name = 'log_end'")  # the write lock, before reading
        query = {"cid": "SELECT record_id, cid FROM records WHERE cid = ?"}.get(
            column, "SELECT record_id, cid FROM records WHERE user_id = ?"
        )
        rows = connection.execute(query, (value,)).fetchall()
        for record_id, _ in rows:
            forget_record(connection, record_id)
            connection.frames.append(Frame(DELETED, parse_cid(record_id), b""))
        contents = tuple(dict.fromkeys(parse_cid(name) for _, name in rows))
        for cid in contents:
            roots = connection.execute("SELECT root FROM uses WHERE block = ?", (key_of(cid),)).fetchall()
            kept_by.update((bytes(root), None) for (root,) in roots if root != key_of(cid))
    blocks = _purge_noted(database, blocks_of) if rows else 0
    database.overwrite_deleted()
    return Deleted(len(rows), contents, blocks, tuple(map(cid_of_key, kept_by)))


def _purge_noted(database: Database, blocks_of: Callable[[Transaction], SmallBlocks]) -> int | None:
    try:
        with database.transaction("exclusive", DELETE_TIMEOUT) as connection:
            try:
                return purge(connection, blocks_of(connection))
            except OSError as error:
                raise EvidenceError(f"{database.folder} cannot remove blocks: {error.strerror or error}") from error
    except StoreBusyError as error:
        log.warning("deleted the records; the blocks stay until `complaint-llm evidence gc`: %s", error)
        return None
