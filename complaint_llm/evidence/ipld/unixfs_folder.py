"""Folders as blocks, exactly as ``ipfs add -r --cid-version=1`` builds them, and back.

A folder is a dag-pb node with a named link for each entry. One whose names and CIDs come to 256 KiB is a tree of shards
instead, by the murmur3 hash of each name: https://specs.ipfs.tech/unixfs/#dag-pb-hamtdirectory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from complaint_llm.evidence.ipld.cid import DAG_PB, Cid, write_varint
from complaint_llm.evidence.ipld.dag_pb import (
    FILE,
    FOLDER,
    RAW_DATA,
    SHARD,
    SYMBOLIC_LINK,
    Block,
    Link,
    PbNode,
    bytes_field,
    decode_pb,
    encode_pb,
)
from complaint_llm.evidence.ipld.murmur3 import murmur3_64
from complaint_llm.exceptions import EvidenceCorruptedError

SHARD_FROM = 256 * 1024
"""Bytes of names and CIDs from which on a folder is sharded: kubo's Import.UnixFSHAMTDirectorySizeThreshold."""

_FANOUT = 256
_MURMUR3_X64_64 = 0x22
_MAX_DEPTH = 100
GetBlock = Callable[[Cid], bytes]


class FolderEntry(NamedTuple):
    """What a folder has: a name, the content, and the bytes of all blocks of it."""

    name: str
    cid: Cid
    total: int


class Item(NamedTuple):
    """Something below a folder: the names that lead there, what it is, and its name as a block."""

    names: tuple[str, ...]
    kind: Literal["file", "folder", "link"]
    cid: Cid

    @property
    def path(self) -> str:
        """The names as one text. They are whatever the folder says: to write there, look at each."""
        return "/".join(self.names)


def folder_blocks(entries: Iterable[FolderEntry]) -> Sequence[Block]:
    """The blocks of a folder, the folder's own last. Names are different ones."""
    links = sorted((Link(cid, name.encode(), total) for name, cid, total in entries), key=lambda link: link.name)
    if sum(len(link.name) + len(link.cid.binary) for link in links) < SHARD_FROM:
        return [encode_pb(links, b"\x08\x01")]
    blocks: list[Block] = []
    _shard({link.name: (murmur3_64(link.name).to_bytes(8, "big"), link) for link in links}, 0, blocks)
    return blocks


def total_of(root: Cid, get: GetBlock) -> int:
    """Bytes of all blocks of a file or folder, as its uppermost block says."""
    data = get(root)
    links = decode_pb(Block(root, data)).links if root.codec == DAG_PB else ()
    return len(data) + sum(link.total for link in links)


def is_folder(root: Cid, get: GetBlock) -> bool:
    """Whether this is a folder. Raises what ``get`` raises, and EvidenceCorruptedError for a node that is none."""
    return root.codec == DAG_PB and decode_pb(Block(root, get(root))).kind in (FOLDER, SHARD)


def walk_folder(root: Cid, get: GetBlock) -> Iterator[Item]:
    """All that is below a folder, each folder before what is in it, in order of names.

    ``get`` verifies. Raises EvidenceCorruptedError for what is no folder, or is nested too deep. A small tree can have
    more paths than there is time for: ``measure`` it first.
    """
    waiting: list[tuple[tuple[str, ...], Cid]] = [((), root)]
    while waiting:
        names, cid = waiting.pop()
        if len(names) > _MAX_DEPTH:
            raise EvidenceCorruptedError(f"{root} has more than {_MAX_DEPTH} folders in one another")
        below = []
        for entry in entries_of(cid, get):
            kind = kind_of(entry.cid, get)
            here = (*names, entry.name)
            yield Item(here, kind, entry.cid)
            if kind == "folder":
                below.append((here, entry.cid))
        waiting.extend(reversed(below))


def kind_of(cid: Cid, get: GetBlock) -> Literal["file", "folder", "link"]:
    """What a block is the beginning of."""
    if cid.codec != DAG_PB:
        return "file"
    kind = decode_pb(Block(cid, get(cid))).kind
    if kind in (RAW_DATA, FILE):
        return "file"
    if kind in (FOLDER, SHARD):
        return "folder"
    if kind == SYMBOLIC_LINK:
        return "link"
    raise EvidenceCorruptedError(f"{cid} is neither a file nor a folder")


def entries_of(root: Cid, get: GetBlock) -> Iterator[FolderEntry]:
    """What is directly in a folder, in order of names. Raises EvidenceCorruptedError if it is none."""
    node = _folder_node(root, get)
    if node.kind == FOLDER:
        found = [(link.name, link) for link in node.links]
    else:
        found = list(_shard_entries(root, node, get, 0))
    for name, link in sorted(found, key=lambda each: each[0]):
        yield FolderEntry(name.decode("utf-8", "replace"), link.cid, link.total)


def _folder_node(cid: Cid, get: GetBlock) -> PbNode:
    node = decode_pb(Block(cid, get(cid)))
    if node.kind not in (FOLDER, SHARD):
        raise EvidenceCorruptedError(f"{cid} is no folder")
    return node


def _shard_entries(cid: Cid, node: PbNode, get: GetBlock, depth: int) -> Iterator[tuple[bytes, Link]]:
    prefix = len(f"{node.fanout - 1:X}")
    if node.kind != SHARD or not 8 <= node.fanout <= 1024 or depth > 64:
        raise EvidenceCorruptedError(f"{cid} is no shard of a folder")
    for link in node.links:
        if len(link.name) > prefix:
            yield link.name[prefix:], link
        else:
            yield from _shard_entries(link.cid, decode_pb(Block(link.cid, get(link.cid))), get, depth + 1)


def _shard(hashed: Mapping[bytes, tuple[bytes, Link]], depth: int, blocks: list[Block]) -> Link:
    """Add the shard of these names, after those below it; a link to it."""
    slots: dict[int, dict[bytes, tuple[bytes, Link]]] = {}
    for name, (digest, link) in hashed.items():
        slots.setdefault(digest[depth], {})[name] = (digest, link)
    links = []
    bits = 0
    for slot, here in sorted(slots.items()):
        bits |= 1 << slot
        prefix = b"%02X" % slot
        if len(here) == 1:
            ((_, link),) = here.values()
            links.append(link._replace(name=prefix + link.name))
        else:
            links.append(_shard(here, depth + 1, blocks)._replace(name=prefix))
    bitfield = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
    payload = b"\x08\x05" + bytes_field(2, bitfield) + b"\x28" + bytes((_MURMUR3_X64_64,))
    block = encode_pb(links, payload + b"\x30" + write_varint(_FANOUT))
    blocks.append(block)
    return Link(block.cid, b"", len(block.data) + sum(link.total for link in links))
