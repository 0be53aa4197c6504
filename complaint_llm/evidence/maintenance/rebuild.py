"""Making the index again from the log, and the log again from what the index alone has."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.evidence.blocks.small_blocks import SmallBlocks
from complaint_llm.evidence.blocks.trash import Trash
from complaint_llm.evidence.index.database import Database, Transaction, key_of
from complaint_llm.evidence.index.forgotten import keep_forgotten, read_forgotten
from complaint_llm.evidence.index.tables import read_records, rewrite_log, take_in
from complaint_llm.evidence.ipld.cid import parse_cid
from complaint_llm.evidence.maintenance.collection import GetBlock, purge, take_back
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.evidence.records import Record, verify_row
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError

_UNREADABLE = "parts of the index or of the log could not be read"


class Rebuilt(NamedTuple):
    """What there is after a rebuild: ``records`` in all, ``back`` that the index had not, or damaged, ``restored``
    blocks from the trash, ``damaged`` records that could not be put back, ``orphans`` (blocks that no record names),
    and ``aside``, where an index that could not be read was put."""

    records: int
    back: int
    restored: int
    damaged: tuple[str, ...]
    orphans: int
    aside: str | None


def rebuild(
    database: Database,
    blocks_of: Callable[[Transaction], SmallBlocks],
    reader_of: Callable[[SmallBlocks], GetBlock],
    trash: Trash,
) -> Rebuilt:
    """Read all of the log into the index, mend what is damaged there, and write the log anew. Waits until no one adds.

    Raises EvidenceError if the folder cannot be written.
    """
    aside = database.replace() if _is_unreadable(database) else None
    with database.transaction("exclusive") as connection:
        if aside is not None:
            _salvage(connection, aside)
        blocks = blocks_of(connection)
        log_was_damaged = any(frame is None or not frame.is_intact for _, frame in database.log.frames())
        back = take_in(connection, database, reader_of(blocks), all_of_it=True)
        found = list(read_records(connection, "SELECT * FROM records ORDER BY seq"))
        damaged = tuple(str(each) for each in found if not isinstance(each, Record))
        restored = take_back(blocks, trash, lambda cid: _is_used(connection, key_of(cid)))
        purge(connection, blocks)
        rewrite_log(connection, database)
        orphans = sum(not _is_used(connection, key_of(cid)) for cid in blocks.list())
        ((lost,),) = connection.execute("SELECT value FROM meta WHERE name = 'lost'").fetchall()
        if log_was_damaged or aside is not None or damaged:
            lost = lost or _UNREADABLE
        # Damaged rows stay as they are: a copy of the store may still have what they said.
        connection.execute("UPDATE meta SET value = ? WHERE name = 'lost'", (lost if orphans else "",))
    return Rebuilt(
        records=len(found) - len(damaged),
        back=back,
        restored=restored,
        damaged=damaged,
        orphans=orphans,
        aside=None if aside is None else str(aside),
    )


def _is_used(connection: Transaction, block: bytes) -> bool:
    return connection.execute("SELECT 1 FROM uses WHERE block = ?", (block,)).fetchone() is not None


def _is_unreadable(database: Database) -> bool:
    try:
        return bool(database.check())
    except EvidenceCorruptedError:
        return True


def _salvage(connection: Transaction, aside: Path) -> None:
    """Take over what can be read of an index that was put aside and is what it says that it is."""
    with closing(sqlite3.connect(aside)) as old:
        for row in _rows(old, "SELECT seq, record_id, cid, user_id, body, body_sha256 FROM records", "seq"):
            try:
                verify_row(row)
            except EvidenceCorruptedError:
                continue
            connection.execute("INSERT OR IGNORE INTO records VALUES (NULL, ?, ?, ?, ?, ?)", row[1:])
        for digest, data in _rows(old, "SELECT digest, data FROM blocks", "rowid"):
            if isinstance(data, bytes) and sha256(data).digest() == digest:
                connection.execute("INSERT OR IGNORE INTO blocks VALUES (?, ?)", (digest, data))
        for cid, data in _rows(old, "SELECT cid, data FROM texts", "rowid"):
            if _is_named(cid, data):
                connection.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", (cid, data))
        for cid, data, source in _rows(old, "SELECT cid, data, source FROM provenance", "seq"):
            try:
                decode_provenance(cid, data)
            except (EvidenceError, TypeError, AttributeError):
                continue
            query = "INSERT OR IGNORE INTO provenance (cid, data, source) VALUES (?, ?, ?)"
            connection.execute(query, (cid, data, source))
        for cid, data in _rows(old, "SELECT cid, data FROM forgotten", "rowid"):
            if read_forgotten(data) is not None:
                keep_forgotten(connection, cid, data)
        for (cid,) in _rows(old, "SELECT cid FROM pins", "rowid"):
            connection.execute("INSERT OR IGNORE INTO pins VALUES (?)", (cid,))


def _rows(old: sqlite3.Connection, query: str, order: str) -> Iterator[tuple[Any, ...]]:
    """The rows up to the first place that cannot be read, and back to the last such place."""
    for direction in ("", " DESC"):
        try:
            yield from old.execute(f"{query} ORDER BY {order}{direction}")
        except sqlite3.Error:
            continue
        else:
            return


def _is_named(cid: Any, data: Any) -> bool:
    try:
        return parse_cid(cid).matches(data)
    except (EvidenceError, TypeError, AttributeError):
        return False
