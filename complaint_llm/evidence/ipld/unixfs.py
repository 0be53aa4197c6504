"""Files as trees of blocks, exactly as ``ipfs add --cid-version=1`` builds them, and back.

A file is cut into chunks; each chunk is a raw block; up to ``links`` blocks hang under a dag-pb node, nodes under
further nodes, all leaves at one depth ("balanced"). One chunk alone is the whole file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from complaint_llm.evidence.ipld.cid import DAG_PB, RAW, Cid, cid_of, write_varint
from complaint_llm.evidence.ipld.dag_pb import FILE, FOLDER, KINDS, RAW_DATA, SHARD, Block, Link, decode_pb, encode_pb
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError


class Profile(NamedTuple):
    """How files are cut: bytes a chunk, and links a node."""

    chunk: int
    links: int


PROFILES: Mapping[str, Profile] = {
    "unixfs-v1": Profile(256 * 1024, 174),  # kubo's `ipfs add --cid-version=1`
    "unixfs-v1-2025": Profile(1024 * 1024, 1024),  # IPIP-499
}


class _Link(NamedTuple):
    cid: Cid
    total: int  # bytes of all blocks below, Tsize
    content: int  # bytes of the file below


class Node(NamedTuple):
    """A dag-pb node of a file: its children, the bytes of content under each, and content of its own (CIDv0 trees)."""

    links: tuple[Cid, ...]
    sizes: tuple[int, ...]
    data: bytes


class FileTree:
    """Builds one file. ``blocks(chunks)`` gives its blocks, children first; then ``root``, ``size`` (bytes of content)
    and ``total`` (bytes of all its blocks) are known."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._levels: list[list[_Link]] = [[]]
        self.root: Cid | None = None
        self.size = 0
        self.total = 0

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[Block]:
        """The blocks of a file that comes in chunks of exactly the profile's size, the last one shorter."""
        for chunk in chunks:
            block = Block(cid_of(RAW, chunk), chunk)
            self.size += len(chunk)
            yield block
            yield from self._add(_Link(block.cid, len(chunk), len(chunk)))
        if not self._levels[0]:
            block = Block(cid_of(RAW, b""), b"")
            yield block
            self._levels[0].append(_Link(block.cid, 0, 0))
        height = 0
        while height < len(self._levels) - 1 or len(self._levels[height]) > 1:
            yield from self._close(height)
            height += 1
        (link,) = self._levels[height]
        self.root, self.total = link.cid, link.total

    def _add(self, link: _Link, height: int = 0) -> Iterator[Block]:
        if len(self._levels[height]) == self._profile.links:
            yield from self._close(height)
        self._levels[height].append(link)

    def _close(self, height: int) -> Iterator[Block]:
        children = self._levels[height]
        self._levels[height] = []
        block = _node_of(children)
        data = block.data
        yield block
        if height + 1 == len(self._levels):
            self._levels.append([])
        total = len(data) + sum(child.total for child in children)
        yield from self._add(_Link(block.cid, total, sum(child.content for child in children)), height + 1)


def chunks_of(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """Pieces of exactly ``size`` bytes (the last one shorter) from a ``read(n)`` that may give less than asked."""
    while True:
        piece = read(size)
        if 0 < len(piece) < size:
            parts, missing = [piece], size - len(piece)
            while missing and (more := read(missing)):
                parts.append(more)
                missing -= len(more)
            piece = b"".join(parts)
        if not piece:
            return
        yield piece
        if len(piece) < size:
            return


def children_of(block: Block) -> tuple[Cid, ...]:
    """The blocks that a block of a file or folder links to."""
    if block.cid.codec != DAG_PB:
        return ()
    node = decode_pb(block)
    return decode_node(block).links if node.kind in (RAW_DATA, FILE) else tuple(link.cid for link in node.links)


def walk(root: Cid, get: Callable[[Cid], bytes]) -> Iterator[Block]:
    """Every block of a file or folder, each once, parents first. ``get`` verifies. Raises EvidenceCorruptedError for
    other trees."""
    seen = {root}
    waiting = [root]
    while waiting:
        cid = waiting.pop()
        block = Block(cid, get(cid))
        yield block
        for child in reversed(children_of(block)):
            if child not in seen:
                seen.add(child)
                waiting.append(child)


def read_file(root: Cid, get: Callable[[Cid], bytes]) -> Iterator[bytes]:
    """The content of a file in order. Every node's claim about the size below it is checked while reading.

    ``get`` verifies each block. Raises EvidenceCorruptedError for a tree that is no file or contradicts itself.
    """
    # Blocks that wait, each with the size that its parent promised (None at the top).
    waiting: list[tuple[Cid, int | None]] = [(root, None)]
    empty: set[Cid] = set()
    while waiting:
        cid, promised = waiting.pop()
        if promised == 0:
            # Read once is enough: a small tree can lead to one empty block on more paths than there is time for.
            if cid in empty:
                continue
            empty.add(cid)
        data = get(cid)
        if cid.codec == RAW:
            content, below = data, 0
        elif cid.codec == DAG_PB:
            node = decode_node(Block(cid, data))
            content, below = node.data, sum(node.sizes)
            waiting.extend(reversed(list(zip(node.links, node.sizes, strict=True))))
        else:
            raise EvidenceError(f"{cid} is a record, not a file: use `complaint-llm verify` to look at it")
        if promised is not None and len(content) + below != promised:
            raise EvidenceCorruptedError(f"{cid} holds {len(content) + below} bytes where its parent says {promised}")
        if content:
            yield content


def decode_node(block: Block) -> Node:
    """The node of a file. Raises EvidenceCorruptedError if it is none, also if it is a folder's."""
    links, kind, data, size, sizes, _ = decode_pb(block)
    if kind not in (RAW_DATA, FILE):
        hint = f"; `complaint-llm evidence get {block.cid} -o FOLDER` writes it" if kind in (FOLDER, SHARD) else ""
        raise EvidenceCorruptedError(f"{block.cid} is {KINDS[kind]}, not a file{hint}")
    if len(links) != len(sizes) or size != len(data) + sum(sizes):
        raise EvidenceCorruptedError(f"{block.cid} contradicts itself: its sizes do not fit its links")
    return Node(tuple(link.cid for link in links), sizes, data)


def _node_of(children: list[_Link]) -> Block:
    size = sum(child.content for child in children)
    sizes = b"".join(b"\x20" + write_varint(child.content) for child in children)
    links = [Link(child.cid, b"", child.total) for child in children]
    return encode_pb(links, b"\x08\x02\x18" + write_varint(size) + sizes)
