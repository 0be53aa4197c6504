"""Removing blocks: to the trash what no evidence has, for good what was deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from complaint_llm.evidence.blocks.small_blocks import SmallBlocks
from complaint_llm.evidence.blocks.trash import KEPT_DAYS, Trash
from complaint_llm.evidence.index.database import Database, Transaction, key_of
from complaint_llm.evidence.index.logged_records import LoggedRecords
from complaint_llm.evidence.index.record_log import RecordLog
from complaint_llm.evidence.index.tables import read_records, unused_blocks
from complaint_llm.evidence.ipld.cid import DAG_CBOR, RAW, Cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.evidence.ipld.unixfs import children_of
from complaint_llm.evidence.records import Record
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

GetBlock = Callable[[Cid], bytes]
DELETE_TIMEOUT = 2.0
"""Seconds that deleting one piece of evidence waits for those who are adding; `gc` waits longer."""


def doom(connection: Transaction, blocks: Iterable[Cid]) -> None:
    """Note blocks that are to go once nothing uses them."""
    connection.executemany("INSERT OR IGNORE INTO doomed VALUES (?)", [(key_of(cid),) for cid in blocks])


def purge(connection: Transaction, blocks: SmallBlocks) -> int:
    """Remove for good every noted block that nothing uses; their number. The transaction is an exclusive one.

    Nothing goes while it is not wholly known what some evidence uses.
    """
    if connection.execute("SELECT 1 FROM unknown_uses").fetchone() is not None:
        return 0
    noted = [block for (block,) in connection.execute("SELECT block FROM doomed").fetchall()]
    gone = unused_blocks(connection, noted)
    blocks.delete_all(gone)
    connection.execute("DELETE FROM doomed")
    # Records are blocks too, but not of a content.
    return sum(cid.codec != DAG_CBOR for cid in gone)


def collect(
    connection: Transaction,
    database: Database,
    blocks: SmallBlocks,
    trash: Trash,
    *,
    get: GetBlock,
    now: float,
    force: bool = False,
) -> dict[str, object]:
    """Move every block that no record reaches to the trash, and empty that of what came 30 days ago.

    ``moved`` has the names; ``restored`` counts what came back because evidence has it, ``purged`` what was deleted or
    could not be stored whole, ``expired`` what was in the trash for ``days``, ``unfinished`` what interrupted writes
    left. Raises EvidenceCorruptedError, having moved nothing, where it is not known what is needed: a record or a node
    is damaged, or (unless ``force``) records were lost. The transaction is an exclusive one.
    """
    kept = _needed_digests(connection, get)
    restored = take_back(blocks, trash, lambda cid: cid.digest in kept)
    purged = purge(connection, blocks)
    unneeded = [cid for cid in blocks.list() if cid.digest not in kept]
    if unneeded and not force:
        _check_nothing_is_lost(connection, database.log)
    trash.put(_read(blocks.get_kept, unneeded), now)
    blocks.move_out(unneeded)
    connection.execute("UPDATE meta SET value = '' WHERE name = 'lost'")
    expired = trash.expired_blocks(now)
    for cid in expired:
        trash.delete(cid)
    return {
        "blocks": len(unneeded),
        "moved": [cid.name for cid in unneeded],
        "restored": restored,
        "purged": purged,
        "expired": len(expired),
        "unfinished": blocks.sweep(),
        "days": KEPT_DAYS,
    }


def take_back(blocks: SmallBlocks, trash: Trash, is_needed: Callable[[Cid], bool]) -> int:
    """Put back from the trash what is needed; the number of blocks."""
    needed = [cid for cid in trash.names() if is_needed(cid)]
    blocks.put(block for block in _read(trash.get, needed) if block.cid.matches(block.data))
    for cid in needed:
        trash.delete(cid)
    return len(needed)


def _check_nothing_is_lost(connection: Transaction, log: RecordLog) -> None:
    ((lost,),) = connection.execute("SELECT value FROM meta WHERE name = 'lost'").fetchall()
    if lost:
        raise EvidenceCorruptedError(f"nothing was moved: records were lost ({lost}). {_REMEDY}")
    if not log.key():
        raise EvidenceCorruptedError(f"nothing was moved: {log.path} is gone or damaged. {_REMEDY}")
    logged = LoggedRecords(log, {digest for (digest,) in connection.execute("SELECT body_sha256 FROM records")})
    for at in logged.damaged:
        raise EvidenceCorruptedError(f"nothing was moved: {log.path} is damaged at byte {at}. {_REMEDY}")
    known = {name for (name,) in connection.execute("SELECT record_id FROM records")}
    for record in logged.records.values():
        if record.record_id not in known:
            raise EvidenceCorruptedError(f"nothing was moved: record {record.record_id} is not in the index. {_REMEDY}")


_REMEDY = "`complaint-llm evidence rebuild` puts back what can be; `gc --force` moves what then has no record"


def _needed_digests(connection: Transaction, get: GetBlock) -> set[bytes]:
    """The digests of all blocks under the contents of records. Only nodes are read: leaves have nothing below them."""
    kept: set[bytes] = set()
    for record in read_records(connection, "SELECT * FROM records ORDER BY seq"):
        if not isinstance(record, Record):
            raise EvidenceCorruptedError(f"nothing was moved: what is needed is unknown because {record}") from record
        waiting = [record.content.cid]
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
                        f"nothing was moved: what evidence {record.content.cid} needs is unknown because {error}"
                    ) from error
    return kept


def _read(get: Callable[[Cid], bytes | None], cids: Iterable[Cid]) -> Iterator[Block]:
    for cid in cids:
        data = get(cid)
        if data is None:
            raise EvidenceError(f"block {cid} was listed and cannot be read")
        yield Block(cid, data)
