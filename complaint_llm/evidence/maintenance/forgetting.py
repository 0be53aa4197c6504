"""Forgetting a matter: its evidence, its answers' records and their texts, for good; names that others rest on stay."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from complaint_llm.evidence.blocks.small_blocks import SmallBlocks
from complaint_llm.evidence.index.database import Database, StoreBusyError, Transaction, cid_of_key, key_of
from complaint_llm.evidence.index.forgotten import Forgotten, forget, forgotten_names
from complaint_llm.evidence.index.record_log import DELETED, FOREIGN_PROVENANCE, PROVENANCE, TEXT, Frame
from complaint_llm.evidence.index.tables import forget_record, read_records
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from complaint_llm.evidence.maintenance.collection import purge
from complaint_llm.evidence.provenance.record import decode_provenance, texts_of
from complaint_llm.evidence.records import Record
from complaint_llm.exceptions import EvidenceError


class MatterHoldings(NamedTuple):
    """What a store keeps of a matter: records of evidence, and the names of answers' records. ``damaged`` says of what
    cannot be read, so that whose it is cannot be told."""

    records: tuple[Record, ...]
    answers: tuple[str, ...]
    damaged: tuple[str, ...] = ()

    @property
    def contents(self) -> tuple[Cid, ...]:
        """What the records are about, each once."""
        return tuple(dict.fromkeys(record.content.cid for record in self.records))


class Forgetting(NamedTuple):
    """What was forgotten: how many records of evidence and of answers, and of texts of these; the contents that they
    were about; the contents that still have some of it in them; and what could not be done, in words."""

    records: int
    answers: int
    texts: int
    contents: tuple[Cid, ...]
    kept_by: tuple[Cid, ...]
    left: tuple[str, ...]


def matter_holdings(connection: Transaction, matter: str) -> MatterHoldings:
    """What is kept of a matter; reads every record."""
    records: list[Record] = []
    damaged: list[str] = []
    for found in read_records(connection, "SELECT * FROM records ORDER BY seq"):
        if not isinstance(found, Record):
            damaged.append(str(found))
        elif found.given.matter == matter:
            records.append(found)
    answers = [name for name, record in _answers(connection, damaged) if record.get("matter") == matter]
    return MatterHoldings(tuple(records), tuple(answers), tuple(damaged))


def forget_matter(
    database: Database, blocks_of: Callable[[Transaction], SmallBlocks], matter: str, day: str
) -> Forgetting:
    """Forget what is kept of a matter. Called again after it was cut short, it finishes.

    Raises StoreBusyError while others are adding, EvidenceError where something cannot be written.
    """
    kept_by: dict[bytes, None] = {}
    with database.transaction("shared") as connection:
        connection.execute("UPDATE meta SET value = value WHERE name = 'log_end'")  # the write lock, before reading
        held = matter_holdings(connection, matter)
        for record in held.records:
            forget_record(connection, record.record_id)
            connection.frames.append(Frame(DELETED, parse_cid(record.record_id), b""))
        for name in held.answers:
            (data,) = connection.execute("SELECT data FROM provenance WHERE cid = ?", (name,)).fetchone()
            forget(connection, parse_cid(name), Forgotten(day, decode_provenance(name, data)["previous"]))
        for cid in held.contents:
            roots = connection.execute("SELECT root FROM uses WHERE block = ?", (key_of(cid),)).fetchall()
            kept_by.update((bytes(root), None) for (root,) in roots if root != key_of(cid))
        _keep_cited_names(connection, held.contents, day)
        texts = _drop_texts(connection) if held.answers else 0
    with database.transaction("exclusive") as connection:
        purge(connection, blocks_of(connection))
        _erase_from_log(connection, database)
    return Forgetting(
        records=len(held.records),
        answers=len(held.answers),
        texts=texts,
        contents=held.contents,
        kept_by=tuple(map(cid_of_key, kept_by)),
        left=(*held.damaged, *_compact(database)),
    )


def _answers(connection: Transaction, damaged: list[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, data in connection.execute("SELECT cid, data FROM provenance ORDER BY seq").fetchall():
        try:
            yield name, decode_provenance(name, data)
        except EvidenceError as error:
            if damaged is not None:
                damaged.append(str(error))


def _keep_cited_names(connection: Transaction, contents: tuple[Cid, ...], day: str) -> None:
    """Of contents that are gone, and that answers which stay rest on, the names stay."""
    gone = [
        cid
        for cid in contents
        if connection.execute("SELECT 1 FROM records WHERE cid = ?", (cid.name,)).fetchone() is None
    ]
    if not gone:
        return
    cited = {cid for _, record in _answers(connection) for cid in record["evidence"]}
    for cid in gone:
        if cid in cited:
            forget(connection, cid, Forgotten(day))


def _drop_texts(connection: Transaction) -> int:
    """Delete the texts that no answer's record names; their number."""
    named = {cid.name for _, record in _answers(connection) for cid in texts_of(record)}
    kept = [name for (name,) in connection.execute("SELECT cid FROM texts").fetchall()]
    gone = [(name,) for name in kept if name not in named]
    connection.executemany("DELETE FROM texts WHERE cid = ?", gone)
    return len(gone)


def _erase_from_log(connection: Transaction, database: Database) -> None:
    """Overwrite in the log what the index has no more: forgotten answers' records, and texts."""
    forgotten = {key_of(parse_cid(name)) for name in forgotten_names(connection)}
    answers = {key_of(parse_cid(name)) for (name,) in connection.execute("SELECT cid FROM provenance")}
    texts = {key_of(parse_cid(name)) for (name,) in connection.execute("SELECT cid FROM texts")}
    query = "SELECT block, kind, place FROM logged WHERE kind IN (?, ?, ?)"
    places: list[tuple[Cid, int]] = []
    for block, kind, place in connection.execute(query, (PROVENANCE, FOREIGN_PROVENANCE, TEXT)).fetchall():
        name = bytes(block)
        gone = name not in texts if kind == TEXT else name in forgotten and name not in answers
        if gone:
            places.append((cid_of_key(name), place))
            row = (block, kind, place)
            connection.execute("DELETE FROM logged WHERE block = ? AND kind = ? AND place = ?", row)
    if places:
        database.log.erase(places)


def _compact(database: Database) -> list[str]:
    """Give free pages back and empty SQLite's own log; what stood in the way, in words."""
    try:
        database.vacuum()
        database.overwrite_deleted()
    except (StoreBusyError, sqlite3.OperationalError):
        return [f"{database.folder}: deleted, but SQLite's own log could not be emptied: others are reading; run again"]
    return []
