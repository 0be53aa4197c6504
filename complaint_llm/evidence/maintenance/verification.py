"""Checking a whole store: every bit of every block, record and provenance record, and that nothing is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from complaint_llm.evidence.blocks.small_blocks import SmallBlocks
from complaint_llm.evidence.blocks.trash import Trash
from complaint_llm.evidence.index.database import Database, Transaction, cid_of_key
from complaint_llm.evidence.index.forgotten import forgotten_names
from complaint_llm.evidence.index.logged_records import LoggedRecords
from complaint_llm.evidence.index.tables import read_records
from complaint_llm.evidence.ipld.cid import DAG_CBOR, DAG_PB, RAW, Cid, parse_cid
from complaint_llm.evidence.ipld.dag_pb import FILE, RAW_DATA, Block, decode_pb
from complaint_llm.evidence.ipld.unixfs import decode_node
from complaint_llm.evidence.maintenance.read_before import ReadBefore, Stamps, file_state
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.evidence.records import Record
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError

REBUILD = "`complaint-llm evidence rebuild`"


class Fault(NamedTuple):
    """What is not as it was written: its kind (block, record, evidence, orphan, provenance, log, database), its name,
    and why."""

    kind: str
    name: str
    reason: str


class Verification(NamedTuple):
    """What was looked at, and what is wrong with it."""

    blocks: int
    bytes: int
    records: int
    provenance: int
    faults: tuple[Fault, ...]
    unread_blocks: int = 0
    """Of ``blocks``, those whose files did not change since an earlier verification read them, so that this did not."""
    unread_bytes: int = 0
    """Of ``bytes``, those in them."""
    since: str | None = None
    """When the oldest of these readings was (UTC); None where all was read now."""

    @property
    def ok(self) -> bool:
        """Whether everything is as it was written."""
        return not self.faults


class _Seen(NamedTuple):
    """A whole block: its length, what it links to (with the bytes of content promised there, None in a folder), and the
    bytes of content that it has in all (None for a folder)."""

    length: int
    links: tuple[tuple[Cid, int | None], ...] | None
    size: int | None


def verify_store(
    connection: Transaction,
    database: Database,
    blocks: SmallBlocks,
    trash: Trash,
    *,
    broken: Iterable[str],
    progress: Callable[[int], object] | None,
    before: ReadBefore | None,
    stamps: Stamps,
) -> Verification:
    """Look at everything. ``broken`` is what SQLite found of its own file; ``progress`` gets numbers of bytes.

    Leaves whose files are as they were when they were read ``before`` are not read again. The stamps of all files that
    were found whole, now or before, are added to ``stamps``.

    The transaction is a shared one: others may add meanwhile, who wants to remove waits.
    """
    faults: list[Fault] = [Fault("database", "store.db", line) for line in broken]
    records: list[Record] = []
    for found in read_records(connection, "SELECT * FROM records ORDER BY seq"):
        if isinstance(found, Record):
            records.append(found)
        else:
            faults.append(Fault("record", *str(found).removeprefix("record ").split(" ", 1)))
    faults.extend(_log_faults(connection, database, records))
    seen: dict[Cid, _Seen] = {}
    count = size = unread = unread_bytes = 0
    for cid in blocks.list():
        count += 1
        status = blocks.file_status(cid)
        state = None if status is None else file_state(cid, status)
        if state is not None and before is not None and state.stamp in before.stamps:
            stamps.add_of(state)
            size += state.length
            unread, unread_bytes = unread + 1, unread_bytes + state.length
            seen[cid] = _Seen(state.length, (), state.length)
            if progress is not None:
                progress(state.length)
            continue
        data = _read(blocks.get_kept, cid, faults)
        if data is not None:
            if state is not None:
                stamps.add_of(state)
            size += len(data)
            seen[cid] = _look_at(Block(cid, data))
            if progress is not None:
                progress(len(data))
    kept = set(seen)
    for cid in trash.names():
        data = trash.get(cid)
        if cid not in seen and data is not None and cid.matches(data):
            seen[cid] = _look_at(Block(cid, data))  # it comes back when it is needed
    needed: set[Cid] = set()
    for record in records:
        faults.extend(_tree_faults(record, seen, needed))
    known = {cid_of_key(block) for (block,) in connection.execute("SELECT block FROM uses UNION SELECT * FROM doomed")}
    faults.extend(_orphans(kept - needed - known, seen))
    ((lost,),) = connection.execute("SELECT value FROM meta WHERE name = 'lost'").fetchall()
    if lost:
        faults.append(Fault("database", "store.db", f"records were lost: {lost}"))
    provenance = _provenance(connection, faults)
    return Verification(
        blocks=count,
        bytes=size,
        records=len(records),
        provenance=provenance,
        faults=tuple(faults),
        unread_blocks=unread,
        unread_bytes=unread_bytes,
        since=before.since if before is not None and unread else None,
    )


def _log_faults(connection: Transaction, database: Database, records: list[Record]) -> Iterator[Fault]:
    """What the log and the index do not both have."""
    ((known_log,),) = connection.execute("SELECT value FROM meta WHERE name = 'log_key'").fetchall()
    if not database.log.key():
        if database.read_only and not known_log:
            return  # of a version without a log, on media that cannot be written
        yield Fault("log", "records.log", f"it is gone or damaged: {REBUILD} writes it again")
        return
    have = {digest for (digest,) in connection.execute("SELECT body_sha256 FROM records")}
    logged = LoggedRecords(database.log, have)
    for at in logged.damaged:
        yield Fault("log", "records.log", f"it is damaged at byte {at}: {REBUILD} mends it as far as the index can")
    known = {record.record_id for record in records}
    answers = {name for (name,) in connection.execute("SELECT cid FROM provenance")}
    for name, record in logged.records.items():
        if name not in known:
            yield Fault("record", name, f"it is not in the index, of {record.content.cid}: {REBUILD} puts it back")
    for name in logged.provenance:
        if name not in answers:
            yield Fault("provenance", name, f"it is not in the index: {REBUILD} puts it back")
    lacking = sum(not logged.has(cid) for cid in _entries(connection))
    if lacking:
        yield Fault("log", "records.log", f"it lacks {lacking} entries that the index has: {REBUILD} writes it again")


def _entries(connection: Transaction) -> Iterator[Cid]:
    """What the index has and the log should have; what is damaged has a fault of its own."""
    for digest, data in connection.execute("SELECT digest, data FROM blocks"):
        if (cid := Cid(RAW, digest)).matches(data):
            yield cid
    for digest, body in connection.execute("SELECT body_sha256, body FROM records"):
        if (cid := Cid(DAG_CBOR, digest)).matches(body):
            yield cid
    for name, data in connection.execute("SELECT cid, data FROM provenance UNION ALL SELECT cid, data FROM texts"):
        with suppress(EvidenceError):
            if (cid := parse_cid(name)).matches(data):
                yield cid


def _read(get: Callable[[Cid], bytes | None], cid: Cid, faults: list[Fault]) -> bytes | None:
    try:
        data = get(cid)
    except (OSError, EvidenceError) as error:
        faults.append(Fault("block", str(cid), f"it cannot be read: {error}"))
        return None
    if data is None:
        faults.append(Fault("block", str(cid), "it is listed and not there"))
    elif not cid.matches(data):
        faults.append(Fault("block", str(cid), "its bytes are not what it is named by"))
        return None
    return data


def _look_at(block: Block) -> _Seen:
    length = len(block.data)
    if block.cid.codec == RAW:
        return _Seen(length, (), length)
    if block.cid.codec != DAG_PB:
        return _Seen(length, None, None)
    try:
        node = decode_pb(block)
        if node.kind in (RAW_DATA, FILE):
            links, sizes, data = decode_node(block)
            return _Seen(length, tuple(zip(links, sizes, strict=True)), len(data) + sum(sizes))
    except EvidenceCorruptedError:
        # A whole block that is no node harms only who needs it as one: the tree's own check names it then.
        return _Seen(length, None, None)
    return _Seen(length, tuple((link.cid, None) for link in node.links), None)


def _tree_faults(record: Record, seen: dict[Cid, _Seen], needed: set[Cid]) -> Iterator[Fault]:
    root = record.content.cid
    here: set[Cid] = set()
    waiting: list[tuple[Cid, int | None]] = [(root, record.content.size)]
    while waiting:
        linked, promised = waiting.pop()
        cid = linked._replace(version=1)
        if cid in here:
            continue
        here.add(cid)
        block = seen.get(cid)
        if block is None:
            yield Fault("evidence", str(root), f"its block {linked} is missing or damaged")
            continue
        if block.links is None:
            yield Fault("evidence", str(root), f"its block {linked} is no node of a file or folder")
            continue
        if block.size is not None and promised not in (None, block.size):
            yield Fault("evidence", str(root), f"its block {linked} holds {block.size} bytes instead of {promised}")
        waiting.extend(block.links)
    needed |= here


def _orphans(blocks: set[Cid], seen: dict[Cid, _Seen]) -> Iterator[Fault]:
    """The uppermost of blocks that no record names."""
    below = {child._replace(version=1) for cid in blocks for child, _ in seen[cid].links or ()}
    for cid in sorted(blocks - below):
        yield Fault("orphan", str(cid), "no record names it; `complaint-llm evidence gc` moves it to the trash")


def _provenance(connection: Transaction, faults: list[Fault]) -> int:
    rows = connection.execute("SELECT cid, data, source FROM provenance ORDER BY seq").fetchall()
    names = {name for name, *_ in rows} | forgotten_names(connection).keys()
    for name, data, source in rows:
        try:
            before = decode_provenance(name, data)["previous"]
        except EvidenceError as error:
            faults.append(Fault("provenance", str(name), str(error)))
            continue
        # What was imported need not have come with all before it.
        if before is not None and source is None and str(before) not in names:
            faults.append(Fault("provenance", str(name), f"the record before it, {before}, is missing"))
    for name, data in connection.execute("SELECT cid, data FROM texts"):
        try:
            intact = parse_cid(name).matches(data)
        except EvidenceError:
            intact = False
        if not intact:
            faults.append(Fault("provenance", str(name), "the kept text is not what it is named by"))
    return len(rows)
