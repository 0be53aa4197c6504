"""dag-pb nodes with UnixFS data, as bytes and as values: https://ipld.io/specs/codecs/dag-pb/spec/ and
https://specs.ipfs.tech/unixfs/. What a node means is said by ``unixfs`` (files) and ``unixfs_folder``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from complaint_llm.evidence.ipld.cid import DAG_PB, Cid, cid_of, read_cid, read_varint, write_varint
from complaint_llm.exceptions import EvidenceCorruptedError

RAW_DATA, FOLDER, FILE, METADATA, SYMBOLIC_LINK, SHARD = range(6)
"""The types of UnixFS."""

KINDS = ("a file", "a folder", "a file", "metadata", "a symbolic link", "a folder")


class Block(NamedTuple):
    """A block and its name."""

    cid: Cid
    data: bytes


class Link(NamedTuple):
    """A link of a node: the block, the name it has there, and the bytes of all blocks below (as the node says)."""

    cid: Cid
    name: bytes = b""
    total: int = 0


class PbNode(NamedTuple):
    """A node: its links, its UnixFS type, bytes of its own, the bytes of content in all, and those under each link."""

    links: tuple[Link, ...]
    kind: int
    data: bytes
    size: int
    sizes: tuple[int, ...]
    fanout: int = 0


def encode_pb(links: Iterable[Link], payload: bytes) -> Block:
    """The block with these links and these UnixFS data."""
    parts = [
        bytes_field(2, bytes_field(1, cid.binary) + bytes_field(2, name) + b"\x18" + write_varint(total))
        for cid, name, total in links
    ]
    data = b"".join([*parts, bytes_field(1, payload)])
    return Block(cid_of(DAG_PB, data), data)


def decode_pb(block: Block) -> PbNode:
    """The node. Raises EvidenceCorruptedError if it is none."""
    try:
        links, payload = _decode_node(block.data)
        kind, data, size, sizes, fanout = _decode_unixfs(payload)
        if kind is None or not 0 <= kind < len(KINDS):
            raise ValueError(f"UnixFS type {kind}")
    except ValueError as error:
        raise EvidenceCorruptedError(f"{block.cid} is no dag-pb node of a file or folder: {error}") from error
    return PbNode(links=links, kind=kind, data=data, size=size, sizes=sizes, fanout=fanout)


def bytes_field(number: int, value: bytes) -> bytes:
    """A protobuf field of bytes."""
    return bytes((number << 3 | 2,)) + write_varint(len(value)) + value


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


def _decode_node(data: bytes) -> tuple[tuple[Link, ...], bytes]:
    links: list[Link] = []
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


def _decode_link(data: bytes) -> Link:
    cid: Cid | None = None
    name, total = b"", 0
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes) and cid is None:
            cid, end = read_cid(value, 0)
            if end != len(value):
                raise ValueError("bytes follow a link's CID")
        elif number == 2 and isinstance(value, bytes):
            name = value
        elif number == 3 and isinstance(value, int):
            total = value
    if cid is None:
        raise ValueError("a link without CID")
    return Link(cid, name, total)


def _decode_unixfs(data: bytes) -> tuple[int | None, bytes, int, tuple[int, ...], int]:
    kind: int | None = None
    content = b""
    size: int | None = None
    sizes: list[int] = []
    fanout = 0
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, bytes):
            content = value
        elif number == 3 and isinstance(value, int):
            size = value
        elif number == 4:
            sizes.extend([value] if isinstance(value, int) else _read_packed(value))
        elif number == 6 and isinstance(value, int):
            fanout = value
        # Others (mode, mtime, the kind of hash) say nothing about the content.
    return kind, content, len(content) + sum(sizes) if size is None else size, tuple(sizes), fanout


def _read_packed(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        number, at = read_varint(data, at)
        yield number
