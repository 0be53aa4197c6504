"""Files as trees of blocks, exactly as ``ipfs add --cid-version=1`` builds them, and back.

A file is cut into chunks; each chunk is a raw block; up to ``links`` blocks hang under a dag-pb node, nodes under
further nodes, all leaves at one depth ("balanced"). One chunk alone is the whole file. Formats:
https://ipld.io/specs/codecs/dag-pb/spec/ and https://specs.ipfs.tech/unixfs/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from complaint_llm.evidence.cid import DAG_PB, RAW, Cid, cid_of, read_cid, read_varint, write_varint
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError


class Profile(NamedTuple):
    """How files are cut: bytes a chunk, and links a node."""

    chunk: int
    links: int


PROFILES: Mapping[str, Profile] = {
    "unixfs-v1": Profile(256 * 1024, 174),  # kubo's `ipfs add --cid-version=1`
    "unixfs-v1-2025": Profile(1024 * 1024, 1024),  # IPIP-499
}


class Block(NamedTuple):
    """A block and its name."""

    cid: Cid
    data: bytes


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
    """Builds one file. ``blocks(chunks)`` gives its blocks, children first; then ``root`` and ``size`` are known."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._levels: list[list[_Link]] = [[]]
        self.root: Cid | None = None
        self.size = 0

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
        self.root = self._levels[height][0].cid

    def _add(self, link: _Link, height: int = 0) -> Iterator[Block]:
        if len(self._levels[height]) == self._profile.links:
            yield from self._close(height)
        self._levels[height].append(link)

    def _close(self, height: int) -> Iterator[Block]:
        children = self._levels[height]
        self._levels[height] = []
        data = _encode_node(children)
        block = Block(cid_of(DAG_PB, data), data)
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
    """The blocks that a block of a file links to."""
    return () if block.cid.codec == RAW else decode_node(block).links


def walk(root: Cid, get: Callable[[Cid], bytes]) -> Iterator[Block]:
    """Every block of a file, each once, parents first. ``get`` verifies. EvidenceCorruptedError for other trees."""
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
    """The node of a file. Raises EvidenceCorruptedError if it is none (a folder too: only files are evidence)."""
    try:
        hashes, payload = _decode_pb_node(block.data)
        kind, data, size, sizes = _decode_unixfs(payload)
    except ValueError as error:
        raise EvidenceCorruptedError(f"{block.cid} is no dag-pb node of a file: {error}") from error
    if kind not in (_RAW_TYPE, _FILE_TYPE):
        what = "a folder" if kind in (1, 5) else f"UnixFS type {kind}"
        raise EvidenceCorruptedError(f"{block.cid} is {what}, not a file; ask for a file in it")
    if len(hashes) != len(sizes) or size != len(data) + sum(sizes):
        raise EvidenceCorruptedError(f"{block.cid} contradicts itself: its sizes do not fit its links")
    return Node(hashes, sizes, data)


_RAW_TYPE, _FILE_TYPE = 0, 2


def _bytes_field(number: int, value: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + write_varint(len(value)) + value


def _encode_node(children: list[_Link]) -> bytes:
    links = b"".join(
        _bytes_field(2, _bytes_field(1, child.cid.binary) + b"\x12\x00\x18" + write_varint(child.total))
        for child in children
    )
    size = sum(child.content for child in children)
    sizes = b"".join(b"\x20" + write_varint(child.content) for child in children)
    return links + _bytes_field(1, b"\x08\x02\x18" + write_varint(size) + sizes)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a protobuf message; ValueError for other wire types than varint and bytes."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if key & 7 == 0:
            yield key >> 3, value
        elif key & 7 == 2:
            if len(data) - at < value:
                raise ValueError("it is cut")
            yield key >> 3, data[at : at + value]
            at += value
        else:
            raise ValueError(f"protobuf wire type {key & 7}")


def _decode_pb_node(data: bytes) -> tuple[tuple[Cid, ...], bytes]:
    links: list[Cid] = []
    payload: bytes | None = None
    for number, value in _fields(data):
        if number == 2 and isinstance(value, bytes):
            links.append(_decode_link(value))
        elif number == 1 and isinstance(value, bytes) and payload is None:
            payload = value
        else:
            raise ValueError(f"unexpected field {number}")
    if payload is None:
        raise ValueError("it has no UnixFS data")
    return tuple(links), payload


def _decode_link(data: bytes) -> Cid:
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            cid, end = read_cid(value, 0)
            if end != len(value):
                raise ValueError("bytes follow a link's CID")
            return cid
    raise ValueError("a link without CID")


def _decode_unixfs(data: bytes) -> tuple[int | None, bytes, int, tuple[int, ...]]:
    kind: int | None = None
    content = b""
    size: int | None = None
    sizes: list[int] = []
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, bytes):
            content = value
        elif number == 3 and isinstance(value, int):
            size = value
        elif number == 4:
            sizes.extend([value] if isinstance(value, int) else _packed(value))
        # Others (mode, mtime, HAMT parameters) say nothing about the content.
    return kind, content, len(content) + sum(sizes) if size is None else size, tuple(sizes)


def _packed(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        number, at = read_varint(data, at)
        yield number
