"""How much a tree of blocks says that it holds, found without reading it out: a small one can describe a huge one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from complaint_llm.evidence.ipld.cid import DAG_PB, Cid
from complaint_llm.evidence.ipld.dag_pb import FILE, RAW_DATA, Block, decode_pb
from complaint_llm.evidence.ipld.unixfs import decode_node

GetBlock = Callable[[Cid], bytes]


class Measure(NamedTuple):
    """Bytes of content; blocks that are read on the way to all of them, and files and folders that there are paths to.

    What is linked twice counts twice.
    """

    size: int = 0
    reads: int = 0
    paths: int = 0

    def plus(self, others: Iterable[Measure]) -> Measure:
        """The sum of this and others."""
        size, reads, paths = (sum(column) for column in zip(self, *others, strict=True))
        return Measure(size, reads, paths)


def measure(roots: Sequence[Cid], get: GetBlock) -> Measure:
    """The sum over some files and folders, by what their nodes say; no leaf of a file is read.

    ``get`` verifies. Raises what it raises, and EvidenceCorruptedError for nodes that are none.
    """
    known: dict[Cid, Measure] = {}
    waiting = list(roots)
    while waiting:
        cid = waiting[-1]
        if cid in known:
            waiting.pop()
            continue
        own, links = _own(cid, get)
        unknown = [link for link, measured in links if measured is None and link not in known]
        if unknown:
            waiting.extend(unknown)  # and this one again when they are known
            continue
        waiting.pop()
        known[cid] = own.plus(known[link] if measured is None else measured for link, measured in links)
    return Measure().plus(known[root] for root in roots)


def _own(cid: Cid, get: GetBlock) -> tuple[Measure, list[tuple[Cid, Measure | None]]]:
    """A block's own part, and what it links to, with the measure where the block says it."""
    data = get(cid)
    if cid.codec != DAG_PB:
        return Measure(len(data), 1, 1), []
    block = Block(cid, data)
    node = decode_pb(block)
    if node.kind not in (RAW_DATA, FILE):
        return Measure(0, 1, 1), [(link.cid, None) for link in node.links]
    links, sizes, content = decode_node(block)
    # A child node of a file is looked at for the number of blocks below it; its bytes are in the parent's sum.
    leaves = [
        (link, None if link.codec == DAG_PB else Measure(size, 1, 0)) for link, size in zip(links, sizes, strict=True)
    ]
    return Measure(len(content), 1, 1), leaves
