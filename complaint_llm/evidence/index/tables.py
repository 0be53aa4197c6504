"""What the index knows: records, what each content uses, and how it catches up with the log.

The functions work inside a transaction of the caller, a writing one where they write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

from complaint_llm.evidence.index.database import Database, Transaction, cid_of_key, key_of
from complaint_llm.evidence.index.forgotten import forgotten_rows, keep_forgotten
from complaint_llm.evidence.index.record_log import (
    BLOCK,
    DELETED,
    FOREIGN_PROVENANCE,
    FORGOTTEN,
    PROVENANCE,
    RECORD,
    START,
    TEXT,
    Frame,
    PlacedFrame,
)
from complaint_llm.evidence.index.schema import FORMAT, add_tables_of_format_3
from complaint_llm.evidence.ipld.cid import DAG_CBOR, RAW, Cid, parse_cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.evidence.ipld.unixfs import children_of
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.evidence.records import Record, decode_record, verify_row
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError

GetBlock = Callable[[Cid], bytes]
FROM_ELSEWHERE = "imported"
"""The source of provenance that was imported, where the index that had it was lost."""


def insert_record(connection: Transaction, record: Record, uses: Iterable[Cid] | GetBlock) -> tuple[Record, bool]:
    """The record that is then there, and whether it is new.

    ``uses`` are the blocks of its content, or what gives them, verified.
    """
    body = record.encode()
    digest = sha256(body).digest()
    cursor = connection.execute(
        "INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?) ON CONFLICT (record_id) DO NOTHING",
        (record.record_id, record.content.cid.name, record.given.user_id, body, digest),
    )
    add_uses(connection, record.content.cid, uses)
    frame = Frame(RECORD, Cid(DAG_CBOR, digest), body)
    if cursor.rowcount:
        connection.frames.append(frame)
        return record, True
    row = connection.execute("SELECT * FROM records WHERE record_id = ?", (record.record_id,)).fetchone()
    try:
        return verify_row(row), False
    except EvidenceCorruptedError:
        # What is submitted again mends what was damaged.
        _mend(connection, record, digest)
        connection.frames.append(frame)
        return record, False


def add_uses(connection: Transaction, root: Cid, uses: Iterable[Cid] | GetBlock) -> None:
    """Note which blocks a content has: these, or those that are found under its root."""
    name = key_of(root)
    if callable(uses):
        found, complete = blocks_under(root, uses)
        connection.execute("DELETE FROM unknown_uses WHERE root = ?", (name,))
        if not complete:
            connection.execute("INSERT INTO unknown_uses VALUES (?)", (name,))
        uses = found
    rows = [(name, key_of(cid)) for cid in uses]
    connection.executemany("INSERT OR IGNORE INTO uses VALUES (?, ?)", rows)
    connection.executemany("DELETE FROM doomed WHERE block = ?", [(block,) for _, block in rows])


def blocks_under(root: Cid, get: GetBlock) -> tuple[list[Cid], bool]:
    """The blocks of a content, once each, and whether these are all: a node that cannot be read hides what is below."""
    found: dict[Cid, None] = {}
    complete = True
    waiting = [root]
    while waiting:
        cid = waiting.pop()._replace(version=1)
        if cid in found:
            continue
        found[cid] = None
        if cid.codec != RAW:
            try:
                waiting.extend(children_of(Block(cid, get(cid))))
            except EvidenceError:
                complete = False
    return list(found), complete


def insert_provenance(connection: Transaction, cid: Cid, data: bytes, source: str | None) -> None:
    """Keep the record of an answer; ``source`` is the archive that it came with, None for one made here."""
    cursor = connection.execute(
        "INSERT INTO provenance (cid, data, source) VALUES (?, ?, ?) ON CONFLICT (cid) DO NOTHING",
        (cid.name, data, source),
    )
    if cursor.rowcount:
        connection.frames.append(Frame(PROVENANCE if source is None else FOREIGN_PROVENANCE, cid, data))


def insert_text(connection: Transaction, cid: Cid, data: bytes) -> None:
    """Keep a text that the record of an answer names."""
    cursor = connection.execute("INSERT INTO texts VALUES (?, ?) ON CONFLICT (cid) DO NOTHING", (cid.name, data))
    if cursor.rowcount:
        connection.frames.append(Frame(TEXT, cid, data))


def forget_record(connection: Transaction, record_id: str) -> None:
    """Delete a record, and note what is to go with it: itself as a block, and its content if that has no other."""
    row = connection.execute("SELECT cid, body_sha256 FROM records WHERE record_id = ?", (record_id,)).fetchone()
    if row is None:
        return
    name, digest = row
    connection.execute("DELETE FROM records WHERE record_id = ?", (record_id,))
    connection.execute("INSERT OR IGNORE INTO doomed VALUES (?)", (key_of(Cid(DAG_CBOR, digest)),))
    if connection.execute("SELECT 1 FROM records WHERE cid = ?", (name,)).fetchone() is None:
        root = key_of(parse_cid(name))
        connection.execute("INSERT OR IGNORE INTO doomed SELECT block FROM uses WHERE root = ?", (root,))
        connection.execute("DELETE FROM uses WHERE root = ?", (root,))
        connection.execute("DELETE FROM unknown_uses WHERE root = ?", (root,))


def read_records(
    connection: Transaction, query: str, values: Iterable[object] = ()
) -> Iterator[Record | EvidenceCorruptedError]:
    """The records of a query on the table, each verified, or what is wrong with it: one hides no other."""
    return map(checked_record, connection.execute(query, tuple(values)).fetchall())


def checked_record(row: tuple[Any, ...]) -> Record | EvidenceCorruptedError:
    """The record of a row of the table, or what is wrong with it."""
    try:
        return verify_row(row)
    except EvidenceCorruptedError as error:
        return error


# Catching up


def bring_up_to_date(database: Database, get: Callable[[Transaction], GetBlock]) -> None:
    """Migrate a store of an earlier version, and read what the log says beyond the index; each in one transaction."""
    if database.format() != FORMAT:
        if database.read_only:
            database.work_on_a_copy()
        with database.transaction("exclusive") as connection:
            migrate(connection, database, get(connection))
    if database.is_behind():
        if database.read_only:
            database.work_on_a_copy()
        with database.transaction("shared") as connection:
            take_in(connection, database, get(connection))


def migrate(connection: Transaction, database: Database, get: GetBlock) -> None:
    """Make a store of format 2 one of this format. The transaction is an exclusive one."""
    if connection.execute("PRAGMA store.user_version").fetchone()[0] == FORMAT:
        return  # another process was faster
    add_tables_of_format_3(connection)
    contents: dict[Cid, None] = {}
    for record in read_records(connection, "SELECT * FROM records ORDER BY seq"):
        if isinstance(record, Record):
            contents[record.content.cid] = None
    for cid in contents:
        add_uses(connection, cid, get)
    if not database.read_only:
        for path in database.folder.glob("*.db*"):
            path.chmod(0o600)
        (database.folder / "blocks").chmod(0o700)
        rewrite_log(connection, database)
    connection.execute(f"PRAGMA store.user_version = {FORMAT}")


def rewrite_log(connection: Transaction, database: Database) -> None:
    """Write the log anew from the index. The transaction is an exclusive one."""
    names: list[tuple[bytes, bytes]] = []

    def note_names() -> Iterator[Frame]:
        for frame in frames_of(connection):
            names.append((key_of(frame.cid), frame.kind))
            yield frame

    places = database.log.replace(note_names())
    connection.execute("DELETE FROM logged")
    rows = [(*name, place) for name, place in zip(names, places, strict=True)]
    connection.executemany("INSERT OR IGNORE INTO logged VALUES (?, ?, ?)", rows)
    connection.execute("UPDATE meta SET value = ? WHERE name = 'log_end'", (database.log.size(),))
    connection.execute("UPDATE meta SET value = ? WHERE name = 'log_key'", (database.log.key(),))


def frames_of(connection: Transaction) -> Iterator[Frame]:
    """All that the index has and the log should have, as far as it is whole: blocks before the records about them."""
    for frame in _all_frames(connection):
        if frame.is_intact:
            yield frame


def _all_frames(connection: Transaction) -> Iterator[Frame]:
    for digest, data in connection.execute("SELECT digest, data FROM blocks"):
        yield Frame(BLOCK, Cid(RAW, bytes(digest)), bytes(data))
    for record in read_records(connection, "SELECT * FROM records ORDER BY seq"):
        if isinstance(record, Record):
            body = record.encode()
            yield Frame(RECORD, Cid(DAG_CBOR, sha256(body).digest()), body)
    for name, data, source in connection.execute("SELECT cid, data, source FROM provenance ORDER BY seq"):
        yield Frame(PROVENANCE if source is None else FOREIGN_PROVENANCE, _cid_or_nothing(name), bytes(data))
    for name, data in connection.execute("SELECT cid, data FROM texts"):
        yield Frame(TEXT, _cid_or_nothing(name), bytes(data))
    for name, data in forgotten_rows(connection):
        yield Frame(FORGOTTEN, _cid_or_nothing(name), data)


def _cid_or_nothing(name: str) -> Cid:
    try:
        return parse_cid(name)
    except EvidenceError:
        return Cid(RAW, b"")  # damaged, and so the name of nothing


def take_in(connection: Transaction, database: Database, get: GetBlock, *, all_of_it: bool = False) -> int:
    """Read what the log says beyond the index, or all of it, into the index; the number of records that came back."""
    # Also takes the write lock: nobody appends meanwhile.
    connection.execute("UPDATE meta SET value = value WHERE name = 'log_end'")
    known = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    key = database.log.key()
    if all_of_it or key != known["log_key"]:
        connection.execute("DELETE FROM logged")
        found = database.log.frames()
    else:
        found = database.log.frames(max(known["log_end"], START))
    back = apply(connection, found, get)
    connection.execute("UPDATE meta SET value = ? WHERE name = 'log_end'", (database.log.size(),))
    connection.execute("UPDATE meta SET value = ? WHERE name = 'log_key'", (key,))
    return back


def apply(connection: Transaction, found: Iterable[PlacedFrame], get: GetBlock) -> int:
    """Do what the frames say, those left out that are damaged; the number of records that came back."""
    records: dict[str, tuple[Record, bytes]] = {}
    for at, frame in found:
        if frame is None or not frame.is_intact:
            continue
        kind, cid, data = frame
        if kind == DELETED:
            records.pop(cid.name, None)
            forget_record(connection, cid.name)
            continue
        connection.execute("INSERT OR IGNORE INTO logged VALUES (?, ?, ?)", (key_of(cid), kind, at))
        if kind == FORGOTTEN:
            keep_forgotten(connection, cid.name, data)
        elif kind == BLOCK:
            put_short(connection, cid, data)
        elif kind == TEXT:
            connection.execute("INSERT OR REPLACE INTO texts VALUES (?, ?)", (cid.name, data))
        elif kind in (PROVENANCE, FOREIGN_PROVENANCE):
            _put_provenance(connection, cid, data, None if kind == PROVENANCE else FROM_ELSEWHERE)
        else:
            try:
                record = decode_record(data)
            except ValueError:
                continue  # of a later version
            records.setdefault(record.record_id, (record, cid.digest))
    return sum(_put_back(connection, record, digest, get) for record, digest in records.values())


def put_short(connection: Transaction, cid: Cid, data: bytes) -> bool:
    """Keep a short block as a row; whether it was not there, or damaged, which is mended."""
    cursor = connection.execute(
        "INSERT INTO blocks VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET data = excluded.data"
        " WHERE data IS NOT excluded.data",
        (cid.digest, data),
    )
    return cursor.rowcount > 0


def _put_provenance(connection: Transaction, cid: Cid, data: bytes, source: str | None) -> None:
    row = connection.execute("SELECT data FROM provenance WHERE cid = ?", (cid.name,)).fetchone()
    if row is None:
        try:
            decode_provenance(cid.name, data)
        except EvidenceCorruptedError:
            return  # of a later version
        connection.execute("INSERT INTO provenance (cid, data, source) VALUES (?, ?, ?)", (cid.name, data, source))
    elif row[0] != data:
        connection.execute("UPDATE provenance SET data = ? WHERE cid = ?", (data, cid.name))


def _put_back(connection: Transaction, record: Record, digest: bytes, get: GetBlock) -> bool:
    row = connection.execute("SELECT * FROM records WHERE record_id = ?", (record.record_id,)).fetchone()
    if row is not None:
        add_uses(connection, record.content.cid, get)
        try:
            verify_row(row)
        except EvidenceCorruptedError:
            _mend(connection, record, digest)
            return True
        if row[5] != digest:
            # Of one who was killed before the index had it, and the same was said again since.
            connection.execute("INSERT OR IGNORE INTO doomed VALUES (?)", (key_of(Cid(DAG_CBOR, digest)),))
        return False
    # One whose name was damaged is this one.
    connection.execute("DELETE FROM records WHERE body_sha256 = ?", (digest,))
    connection.execute(
        "INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?)",
        (record.record_id, record.content.cid.name, record.given.user_id, record.encode(), digest),
    )
    add_uses(connection, record.content.cid, get)
    return True


def _mend(connection: Transaction, record: Record, digest: bytes) -> None:
    connection.execute(
        "UPDATE records SET cid = ?, user_id = ?, body = ?, body_sha256 = ? WHERE record_id = ?",
        (record.content.cid.name, record.given.user_id, record.encode(), digest, record.record_id),
    )


def unused_blocks(connection: Transaction, blocks: Iterable[bytes]) -> list[Cid]:
    """Those of these blocks (names in the tables) that no content uses and no record is."""
    return [
        cid_of_key(block)
        for block in blocks
        if connection.execute("SELECT 1 FROM uses WHERE block = ?", (block,)).fetchone() is None
        and connection.execute("SELECT 1 FROM records WHERE body_sha256 = ?", (block[1:],)).fetchone() is None
    ]
