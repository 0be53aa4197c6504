"""Files as trees: the CIDs of ``ipfs add --cid-version=1``, and every tree read back with every claim checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from complaint_llm.evidence.ipld.cid import DAG_PB, RAW, Cid, cid_of
from complaint_llm.evidence.ipld.unixfs import (
    PROFILES,
    Block,
    FileTree,
    Profile,
    chunks_of,
    decode_node,
    read_file,
    walk,
)
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError
from tests.sampled import sampled

VECTORS = json.loads((Path(__file__).parents[1] / "cid_vectors.json").read_text(encoding="utf-8"))["vectors"]
OF_PROFILE = {"unixfs-v1": "v1-raw-256k-174", "unixfs-v1-2025": "unixfs-v1-2025"}


def built(data: bytes, profile: Profile) -> tuple[Cid, dict[Cid, bytes]]:
    tree = FileTree(profile)
    blocks = dict(tree.blocks(chunks_of(BytesIO(data).read, profile.chunk)))
    assert tree.root is not None
    assert tree.size == len(data)
    return tree.root, blocks


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any], profile: str, content: Callable[[int], bytes]) -> None:
    """CIDs that three other implementations agree on."""
    data = b"hello world\n" if vector["name"] == "hello" else content(vector["size"])
    root, blocks = built(data, PROFILES[profile])
    assert str(root) == vector["cids"][OF_PROFILE[profile]]["cid"]
    assert b"".join(read_file(root, blocks.__getitem__)) == data


K = 256 * 1024
EDGES = [0, 1, K - 1, K, K + 1, 2 * K, 173 * K, 174 * K - 1, 174 * K, 174 * K + 1, 348 * K, 348 * K + 1]


@pytest.mark.rows(1)
@pytest.mark.peer("ipfs-unixfs-importer")
@pytest.mark.parametrize("size", EDGES)
def test_sizes_around_every_boundary_have_the_peers_cid(
    size: int, peer: Any, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """One chunk, many, one node full, and a second level of nodes, with kubo's own profile."""
    file = tmp_path / "file"
    file.write_bytes(content(size))
    root, _ = built(file.read_bytes(), PROFILES["unixfs-v1"])
    assert str(root) == peer.ask("cid", file=file, chunk=K, links=174)["cid"]


@pytest.mark.peer("ipfs-unixfs-importer")
@given(size=st.integers(0, 3000), chunk=st.integers(1, 64), links=st.integers(2, 7))
@sampled(40, of=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_size_and_shape_has_the_peers_cid(
    peer: Any, tmp_path: Path, content: Callable[[int], bytes], size: int, chunk: int, links: int
) -> None:
    """Small chunks and nodes make trees of many levels, each compared with the independent importer."""
    file = tmp_path / "file"
    file.write_bytes(content(size))
    root, blocks = built(file.read_bytes(), Profile(chunk, links))
    assert str(root) == peer.ask("cid", file=file, chunk=chunk, links=links)["cid"]
    assert b"".join(read_file(root, blocks.__getitem__)) == content(size)


@pytest.mark.peer("ipfs-unixfs-importer")
@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 1024 * 1024 + 1])
def test_the_profile_of_2025_has_the_peers_cid(
    size: int, peer: Any, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """1024 links a node; chunks of one kilobyte, so that the second level is reached quickly."""
    file = tmp_path / "file"
    file.write_bytes(content(size))
    root, _ = built(content(size), Profile(1024, PROFILES["unixfs-v1-2025"].links))
    assert str(root) == peer.ask("cid", file=file, chunk=1024, links=1024)["cid"]


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 40))
def test_chunks_are_full_however_little_a_read_gives(reads: list[int], size: int) -> None:
    """Pipes and sockets give what they have; only the last chunk may be short."""
    source = BytesIO(bytes(range(256)) * 2)
    given_sizes: Iterator[int] = iter(reads)

    def read(limit: int) -> bytes:
        return source.read(min(limit, next(given_sizes, limit)))

    chunks = list(chunks_of(read, size))
    assert b"".join(chunks) == bytes(range(256)) * 2
    assert all(len(chunk) == size for chunk in chunks[:-1])


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def node(links: list[Cid], unixfs: bytes) -> Block:
    data = b"".join(field(2, field(1, link.binary)) for link in links) + field(1, unixfs)
    return Block(cid_of(DAG_PB, data), data)


def test_a_lie_about_a_size_is_found() -> None:
    """A node that promises other sizes than its children have is not read."""
    leaf = Block(cid_of(RAW, b"abc"), b"abc")
    lying = node([leaf.cid], b"\x08\x02\x18\x04\x20\x04")
    with pytest.raises(EvidenceCorruptedError, match="holds 3 bytes where its parent says 4"):
        list(read_file(lying.cid, dict([leaf, lying]).__getitem__))


@pytest.mark.parametrize(
    ("unixfs", "reason"),
    [
        (b"\x08\x01", "a folder"),
        (b"\x08\x05", "a folder"),
        (b"\x08\x04", "a symbolic link, not a file"),
        (b"\x08\x02\x18\x05\x20\x03", "contradicts itself"),
        (b"\x08\x02\x18\x03", "contradicts itself"),
        (b"\x08\x02\x18", "no dag-pb node"),
        (b"\x0d\x00\x00\x00\x00", "wire type 5"),
    ],
)
def test_nodes_that_are_no_file_are_named(unixfs: bytes, reason: str) -> None:
    """Folders, links and nonsense are each one clear error."""
    with pytest.raises(EvidenceCorruptedError, match=reason):
        decode_node(node([cid_of(RAW, b"abc")], unixfs))


@given(st.binary(max_size=120))
def test_any_bytes_are_a_node_or_the_error(data: bytes) -> None:
    """Fuzzed: blocks come from CAR files and other people's nodes."""
    try:
        decode_node(Block(cid_of(DAG_PB, data), data))
    except EvidenceCorruptedError:
        return


def test_many_levels_of_empty_nodes_end(content: Callable[[int], bytes]) -> None:
    """A tree that multiplies nothing a million times costs a visit of each node, not of each path."""
    below = Block(cid_of(RAW, b""), b"")
    blocks = dict([below])
    for _ in range(12):
        below = node([below.cid] * 3, b"\x08\x02\x18\x00" + b"\x20\x00" * 3)
        blocks[below.cid] = below.data
    asked = []

    def get(cid: Cid) -> bytes:
        asked.append(cid)
        return blocks[cid]

    assert list(read_file(below.cid, get)) == []
    assert len(asked) == 13


def test_a_record_is_not_read_as_a_file() -> None:
    """The CID of a provenance record asks for `verify`."""
    cid = Cid(0x71, b"\0" * 32)
    with pytest.raises(EvidenceError, match="use `complaint-llm verify`"):
        list(read_file(cid, lambda _: b""))


def test_a_walk_gives_every_block_once() -> None:
    """Equal chunks are one block."""
    root, blocks = built(b"\0" * 1000, Profile(10, 3))
    walked = list(walk(root, blocks.__getitem__))
    assert walked[0].cid == root
    assert dict(walked) == blocks
    assert len(walked) == len(blocks)
