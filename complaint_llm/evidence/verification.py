"""Checking a whole store: every bit of every block, record and provenance record, and that nothing is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from sqlite3 import Connection
from typing import NamedTuple

from complaint_llm.evidence.blocks import BlockStore
from complaint_llm.evidence.cid import RAW, Cid, parse_cid
from complaint_llm.evidence.provenance_record import decode_provenance
from complaint_llm.evidence.records import Record, verified
from complaint_llm.evidence.unixfs import Block, Node, decode_node
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError


class Fault(NamedTuple):
    """What is not as it was written: its kind (block, record, evidence, provenance, database), its name, and why."""

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

    @property
    def ok(self) -> bool:
        """Whether everything is as it was written."""
        return not self.faults


def verify_store(
    connection: Connection, blocks: BlockStore, broken: Iterable[str], progress: Callable[[int], object] | None
) -> Verification:
    """Look at everything. ``broken`` is what SQLite found of its own file; ``progress`` gets numbers of bytes.

    The transaction is a shared one: others may add meanwhile, who wants to remove waits.
    """
    faults: list[Fault] = [Fault("database", "store.db", line) for line in broken]
    records = _records(connection, faults)
    size = 0
    good: dict[Cid, int] = {}
    nodes: dict[Cid, Node] = {}
    count = 0
    for cid in blocks.list():
        count += 1
        data = _read(blocks, cid, faults)
        if data is not None:
            size += len(data)
            good[cid] = len(data)
            if cid.codec != RAW:
                _keep_node(nodes, Block(cid, data))
            if progress is not None:
                progress(len(data))
    for record in records:
        faults.extend(_tree_faults(record, good, nodes))
    provenance = _provenance(connection, faults)
    return Verification(count, size, len(records), provenance, tuple(faults))


def _records(connection: Connection, faults: list[Fault]) -> list[Record]:
    found = []
    for row in connection.execute("SELECT * FROM records ORDER BY seq"):
        try:
            found.append(verified(row))
        except EvidenceCorruptedError as error:
            faults.append(Fault("record", str(row[1]), str(error)))
    return found


def _read(blocks: BlockStore, cid: Cid, faults: list[Fault]) -> bytes | None:
    try:
        data = blocks.get(cid)
    except (OSError, EvidenceError) as error:
        faults.append(Fault("block", str(cid), f"it cannot be read: {error}"))
        return None
    if data is None:
        faults.append(Fault("block", str(cid), "it is listed and not there"))
    elif not cid.matches(data):
        faults.append(Fault("block", str(cid), "its bytes are not what it is named by"))
        return None
    return data


def _keep_node(nodes: dict[Cid, Node], block: Block) -> None:
    try:
        nodes[block.cid] = decode_node(block)
    except EvidenceCorruptedError:
        # A whole block that is no file's node harms only who needs it as one: the tree's own check names it then.
        return


def _tree_faults(record: Record, good: dict[Cid, int], nodes: dict[Cid, Node]) -> Iterator[Fault]:
    root = record.content.cid
    seen: set[Cid] = set()
    waiting = [(root, record.content.size)]
    while waiting:
        linked, promised = waiting.pop()
        cid = linked._replace(version=1)
        if cid in seen:
            continue
        seen.add(cid)
        node = nodes.get(cid)
        if cid not in good:
            yield Fault("evidence", str(root), f"its block {linked} is missing or damaged")
            continue
        if cid.codec != RAW and node is None:
            yield Fault("evidence", str(root), f"its block {linked} is no node of a file")
            continue
        size = good[cid] if node is None else len(node.data) + sum(node.sizes)
        if size != promised:
            yield Fault("evidence", str(root), f"its block {linked} holds {size} bytes instead of {promised}")
        if node is not None:
            waiting.extend(zip(node.links, node.sizes, strict=True))


def _provenance(connection: Connection, faults: list[Fault]) -> int:
    rows = connection.execute("SELECT cid, data FROM provenance ORDER BY seq").fetchall()
    names = {name for name, _ in rows}
    for name, data in rows:
        try:
            before = decode_provenance(name, data)["previous"]
        except EvidenceError as error:
            faults.append(Fault("provenance", str(name), str(error)))
            continue
        if before is not None and str(before) not in names:
            faults.append(Fault("provenance", str(name), f"the record before it, {before}, is missing"))
    for name, data in connection.execute("SELECT cid, data FROM texts"):
        try:
            whole = parse_cid(name).matches(data)
        except EvidenceError:
            whole = False
        if not whole:
            faults.append(Fault("provenance", str(name), "the kept text is not what it is named by"))
    return len(rows)
