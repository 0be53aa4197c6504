"""Archives that anyone may have made: bounded, marked, refused whole; and provenance that is verified elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails, trace
from complaint_llm.evidence.car.car import write_car
from complaint_llm.evidence.ipld.cid import DAG_CBOR, RAW, Cid, cid_of, write_varint
from complaint_llm.evidence.ipld.dag_pb import Block, Link, bytes_field, encode_pb
from complaint_llm.evidence.ipld.dagcbor import encode
from complaint_llm.evidence.ipld.unixfs_folder import FolderEntry, folder_blocks
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError
from complaint_llm.messages import InferenceOutput, Message


@pytest.fixture
def other(tmp_path: Path) -> Iterator[EvidenceStore]:
    """A second store, some years later."""
    with EvidenceStore(tmp_path / "other", clock=lambda: 1_900_000_000.0) as found:
        yield found


def car(path: Path, roots: Sequence[Cid], blocks: Sequence[Block]) -> Path:
    with path.open("wb") as file:
        write_car(file, roots, blocks)
    return path


def leaf(data: bytes) -> Block:
    return Block(cid_of(RAW, data), data)


def node(links: Sequence[tuple[Cid, int]], own: bytes = b"") -> Block:
    """A file's node that says of each link how many bytes are below it."""
    sizes = b"".join(b"\x20" + write_varint(size) for _, size in links)
    payload = b"\x08\x02" + (bytes_field(2, own) if own else b"")
    total = len(own) + sum(size for _, size in links)
    return encode_pb([Link(cid, b"", size) for cid, size in links], payload + b"\x18" + write_varint(total) + sizes)


def tower(bottom: Block, size: int, links: int, levels: int) -> list[Block]:
    """Nodes over one block, each with the node below it many times."""
    blocks = [bottom]
    for _ in range(levels):
        blocks.append(node([(blocks[-1].cid, size)] * links))
        size *= links
    return blocks


def folder_tower(links: int, levels: int, bottom: Block | None = None) -> list[Block]:
    """Folders in which each entry is the same folder."""
    blocks = [bottom or leaf(b"x")]
    for _ in range(levels):
        blocks.extend(folder_blocks([FolderEntry(f"{n:04}", blocks[-1].cid, 1) for n in range(links)]))
    return blocks


BOMBS: dict[str, Callable[[], list[Block]]] = {
    "ten million million bytes from 309 kB": lambda: tower(leaf(b"x" * 100_000), 100_000, 100, 4),
    "sixty gigabytes, which the limit for one root allows": lambda: tower(leaf(b"x" * 60_000), 60_000, 100, 3),
    "a leaf that is said to be long": lambda: [leaf(b"x"), node([(leaf(b"x").cid, 10**13)])],
    "many bytes, one at a time": lambda: tower(leaf(b"x"), 1, 100, 4),
    "nothing, very often": lambda: tower(leaf(b""), 0, 150, 10),
    "more levels than a number has digits": lambda: tower(leaf(b"xx"), 2, 2, 58),
    "folders of folders": lambda: folder_tower(100, 6),
    "folders of nothing": lambda: folder_tower(2, 60, folder_blocks([])[-1]),
    "a folder with one huge file": lambda: [
        *(blocks := tower(leaf(b"x" * 1000), 1000, 1000, 3)),
        *folder_blocks([FolderEntry("a.txt", blocks[-1].cid, 1)]),
    ],
    "a folder with the same large file many times": lambda: [
        *(blocks := tower(leaf(b"x" * 100_000), 100_000, 1000, 1)),
        *folder_blocks([FolderEntry(f"{n}.txt", blocks[-1].cid, 1) for n in range(5000)]),
    ],
    "a file of its own bytes, often": lambda: [
        *(blocks := [node([], b"x" * 50_000)]),
        node([(blocks[-1].cid, 50_000)] * 9000),
    ],
}


@pytest.mark.rows(4)
@pytest.mark.parametrize("name", BOMBS)
def test_a_small_archive_that_says_it_is_huge_is_refused_at_once(
    store: EvidenceStore, tmp_path: Path, name: str
) -> None:
    """By what its nodes say, before anything is read out; nothing of it is kept, and storing goes on."""
    blocks = list(dict.fromkeys(BOMBS[name]()))
    path = car(tmp_path / "bomb.car", [blocks[-1].cid], blocks)
    begun = time.process_time()
    with pytest.raises(EvidenceError, match=r"bomb\.car (has .* says that it holds|repeats its)"):
        store.import_car(path)
    assert time.process_time() - begun < 10
    assert store.verify().blocks == 0
    assert store.list_evidence() == []
    store.submit_evidence(b"after", "letter")
    assert store.verify().ok


def test_many_roots_are_bounded_together(store: EvidenceStore, tmp_path: Path) -> None:
    """Each of them is below the limit."""
    blocks: list[Block] = []
    roots = []
    for number in range(40):
        made = tower(leaf(b"%02d" % number * 5000), 10_000, 100, 1)
        blocks += made
        roots.append(made[-1].cid)
    with pytest.raises(EvidenceError, match="says that it holds"):
        store.import_car(car(tmp_path / "x.car", roots, blocks), max_size=20_000_000)
    assert len(store.import_car(tmp_path / "x.car", max_size=40_000_000)) == 40


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("repeated pages", tower(leaf(b"x" * 100_000), 100_000, 200, 1)),
        ("zeros", tower(leaf(bytes(262_144)), 262_144, 170, 1)),
        ("small leaves", tower(leaf(b"ab"), 2, 90, 2)),
    ],
)
def test_what_repeats_a_little_is_taken(store: EvidenceStore, tmp_path: Path, name: str, blocks: list[Block]) -> None:
    """Contents with much that is the same are nothing unusual."""
    (record,) = store.import_car(car(tmp_path / "x.car", [blocks[-1].cid], blocks))
    assert record["size"] == len(store.retrieve_evidence(record["cid"])) > 10_000
    assert store.verify().ok


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [leaf(b"a letter")],
        [leaf(b"a letter" * 5000)],
        tower(leaf(b"x" * 20_000), 20_000, 3, 1),
        list(folder_blocks([])),
        [leaf(b"%d" % number) for number in range(100)],
        [Block(cid_of(DAG_CBOR, encode({"a": 1})), encode({"a": 1}))],
    ],
    ids=["nothing", "a short block", "a long one", "a file", "a folder", "a hundred", "data"],
)
def test_an_archive_without_roots_is_refused(store: EvidenceStore, tmp_path: Path, blocks: list[Block]) -> None:
    """In a sentence, before anything is stored."""
    with pytest.raises(EvidenceCorruptedError, match=r"x\.car has no roots.*nothing was stored"):
        store.import_car(car(tmp_path / "x.car", [], blocks))
    assert store.verify().blocks == 0


@pytest.mark.parametrize("missing", range(4))
def test_an_archive_that_fails_leaves_nothing(store: EvidenceStore, tmp_path: Path, missing: int) -> None:
    """Whichever of its blocks is not there; also beside evidence that has some of the same blocks."""
    kept = store.submit_evidence(b"a" * 30_000, "letter")["cid"]
    data = [leaf(b"a" * 30_000), leaf(b"b" * 30_000), leaf(b"short")]
    sizes = [(block.cid, len(block.data)) for block in data]
    blocks = [*data, node(sizes)]
    root = blocks[-1].cid
    path = car(tmp_path / "x.car", [root, cid_of(RAW, b"never there")], [*blocks[:missing], *blocks[missing + 1 :]])
    with pytest.raises(EvidenceError, match=r"x\.car is not complete"):
        store.import_car(path)
    assert [record["cid"] for record in store.list_evidence()] == [kept]
    assert store.verify().ok
    assert store.retrieve_evidence(kept) == b"a" * 30_000


def test_other_data_as_a_root_is_named(store: EvidenceStore, tmp_path: Path) -> None:
    """DAG-CBOR that is no record of ours."""
    data = encode({"hello": "world"})
    block = Block(cid_of(DAG_CBOR, data), data)
    with pytest.raises(EvidenceError, match="neither a file, a folder nor a record of ours"):
        store.import_car(car(tmp_path / "x.car", [block.cid], [block]))
    assert store.verify().blocks == 0


def test_what_is_imported_says_so(store: EvidenceStore, other: EvidenceStore, tmp_path: Path) -> None:
    """With the archive's name; the time that the other side tells is kept apart from ours, through a rebuild too."""
    mine = store.submit_evidence(b"x", "letter", "as I say", user_id="u")
    store.export_car([mine["cid"]], tmp_path / "case-17.car")
    bare = leaf(b"bare")
    car(tmp_path / "bare.car", [bare.cid], [bare])
    other.import_car(tmp_path / "case-17.car")
    other.import_car(tmp_path / "bare.car")
    for _ in range(2):
        theirs, without = other.list_evidence()
        assert theirs["imported"] == {"source": "case-17.car", "created": mine["created"]}
        assert theirs["created"].startswith("2030-")
        assert {**theirs, "created": 0, "imported": 0} == {
            **{key: value for key, value in mine.items() if key != "record_created"},
            "created": 0,
            "imported": 0,
        }
        assert without["imported"] == {"source": "bare.car", "created": None}
        other.rebuild()
    assert other.submit_evidence(b"own", "letter")["imported"] is None


def test_importing_ones_own_export_changes_nothing(store: EvidenceStore, tmp_path: Path) -> None:
    """What was handed in here is not marked as imported."""
    cid = store.submit_evidence(b"x", "letter", "as I say")["cid"]
    store.export_car([cid], tmp_path / "x.car")
    assert [record["record_created"] for record in store.import_car(tmp_path / "x.car")] == [False]
    assert [record["imported"] for record in store.list_evidence()] == [None]


# Provenance


def answered(store: EvidenceStore, count: int = 3, level: str = "full") -> tuple[str, list[str]]:
    """Evidence, and answers of which the last one cites it."""
    cited = store.submit_evidence(b"a letter", "letter", "CITED")["cid"]
    log = ProvenanceLog(store.database, level=level)  # type: ignore[arg-type]
    facts = RequestDetails((Message("user", "EARLIER PROMPT"),))
    cids = [log.record(facts, InferenceOutput(f"EARLIER {number}", model="m")).cid for number in range(count - 1)]
    last = RequestDetails((Message("user", "what is it?"),), evidence=log.check_evidence([cited]))
    cids.append(log.record(last, InferenceOutput("an answer", model="m", reasoning="because")).cid)
    log.close()
    return cited, cids


@pytest.mark.rows(2)
@pytest.mark.parametrize("level", ["digests", "full"])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("way", ["by its CID", "with its chain", "everything"])
def test_provenance_is_verified_elsewhere(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path, way: str, count: int, level: str
) -> None:
    """With the texts that were kept and the evidence that it cites."""
    cited, cids = answered(store, count, level)
    if way == "everything":
        store.export_all(tmp_path / "x.car")
    else:
        store.export_car([cids[-1]], tmp_path / "x.car", with_chain=way == "with its chain")
    taken = other.import_archive(tmp_path / "x.car")
    assert set(taken["provenance"]) == set(cids if way != "by its CID" else cids[-1:])
    tree = trace(other, cids[-1], 10)
    assert tree.ok
    states = {part.what: part.state for part in tree.parts}
    assert states["evidence"] == "verified"
    assert states["answer"] == states["reasoning"] == ("verified" if level == "full" else "digest only")
    assert other.verify().ok
    assert other.gc()["blocks"] == 0
    assert other.list_evidence()[0]["cid"] == cited


def test_an_answer_alone_tells_nothing_of_those_before_it(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path
) -> None:
    """Their texts are other people's; that they are missing is said and is no fault."""
    _, cids = answered(store)
    store.export_car([cids[-1]], tmp_path / "x.car")
    assert b"EARLIER" not in (tmp_path / "x.car").read_bytes()
    store.export_car([cids[-1]], tmp_path / "chain.car", with_chain=True)
    assert b"EARLIER" not in (tmp_path / "chain.car").read_bytes()
    other.import_archive(tmp_path / "x.car")
    last = trace(other, cids[-1]).parts[-1]
    assert (last.cid, last.state) == (cids[-2], "digest only")
    assert "did not come with the archive" in last.detail


def test_what_was_imported_is_no_part_of_our_own_chain(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path
) -> None:
    """The next answer here links to the one before it here."""
    _, ours = answered(other, 1)
    _, theirs = answered(store)
    store.export_all(tmp_path / "x.car")
    other.import_archive(tmp_path / "x.car")
    log = ProvenanceLog(other.database)
    new = log.record(RequestDetails((Message("user", "p"),)), InferenceOutput("a")).cid
    log.close()
    assert trace(other, new, 2).parts[-1].cid == ours[0]
    other.rebuild()
    assert trace(other, new, 2).parts[-1].cid == ours[0]
    assert trace(other, theirs[-1]).ok


def test_evidence_that_was_deleted_is_missing_in_the_export_and_said(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path
) -> None:
    """The answer can still be handed on."""
    cited, cids = answered(store)
    store.delete_evidence(cited)
    done = store.export_car([cids[-1]], tmp_path / "x.car")
    assert cited in done["left_out"][0]
    other.import_archive(tmp_path / "x.car")
    fault = trace(other, cids[-1]).fault
    assert fault is not None
    assert (fault.cid, fault.state) == (cited, "missing")


def test_provenance_that_is_not_here_is_not_exported(store: EvidenceStore, tmp_path: Path) -> None:
    """And no file is left."""
    with pytest.raises(EvidenceNotFoundError, match="no provenance record"):
        store.export_car(["bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"], tmp_path / "x.car")
    assert not (tmp_path / "x.car").exists()


@pytest.mark.rows(4)
@pytest.mark.parametrize("place", range(0, 2000, 61))
def test_a_changed_byte_of_exported_provenance_is_refused(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path, place: int
) -> None:
    """Whatever it belongs to, nothing is taken in."""
    _, cids = answered(store)
    store.export_car([cids[-1]], tmp_path / "x.car")
    data = bytearray((tmp_path / "x.car").read_bytes())
    data[place % len(data)] ^= 4
    (tmp_path / "x.car").write_bytes(data)
    with pytest.raises(EvidenceError, match=r"x\.car"):
        other.import_archive(tmp_path / "x.car")
    found: Any = other.verify()
    assert (found.blocks, found.records, found.provenance) == (0, 0, 0)
