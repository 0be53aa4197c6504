"""CAR v1: what is written here others read, what others write is read here, and nothing unverified gets in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.evidence import Block, EvidenceStore
from complaint_llm.evidence.car.car import CarReader, write_car
from complaint_llm.evidence.ipld.cid import RAW, Cid, cid_of, parse_cid
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

SIZE = 46_000_000  # two levels of nodes


@pytest.fixture
def other(tmp_path: Path) -> Any:
    """A second store."""
    with EvidenceStore(tmp_path / "other") as found:
        yield found


@pytest.mark.peer("@ipld/car")
def test_what_is_exported_others_read(
    store: EvidenceStore, peer: Any, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """The independent reader finds the roots, the whole content, and records that link to it."""
    large = store.submit_evidence(content(SIZE), "document", user_id="u")
    small = store.submit_evidence(b"hello world\n", "letter")
    counts = store.export_car([large["cid"], small["cid"]], tmp_path / "out.car")
    assert counts == {"roots": 2, "blocks": 176 + 1 + 1 + 2, "records": 2, "provenance": 0, "left_out": []}
    read = peer.ask("unpack", car=tmp_path / "out.car")
    assert read["roots"] == [{key: record[key] for key in ("cid", "size", "sha256")} for record in (large, small)]
    assert [record["links"] for record in read["records"]] == [[large["cid"]], [small["cid"]]]


@pytest.mark.rows(4)
@pytest.mark.peer("@ipld/car")
@pytest.mark.parametrize(("version", "raw"), [(1, True), (1, False), (0, False)])
@pytest.mark.parametrize("size", [0, 10, 1000, 50_000])
def test_what_others_write_is_imported(
    store: EvidenceStore, peer: Any, tmp_path: Path, content: Callable[[int], bytes], size: int, version: int, raw: bool
) -> None:
    """Version 1 and 0, raw and dag-pb leaves, several levels; it gets a record, and exports again readably."""
    (tmp_path / "file").write_bytes(content(size))
    car = tmp_path / "in.car"
    given_cid = peer.ask("pack", file=tmp_path / "file", car=car, chunk=500, links=3, version=version, rawLeaves=raw)[
        "cid"
    ]
    (record,) = store.import_car(car, "exhibit", user_id="u")
    assert (record["size"], record["sha256"]) == (size, sha256(content(size)).hexdigest())
    assert (record["evidence_type"], record["user_id"]) == ("exhibit", "u")
    assert store.retrieve_evidence(given_cid) == store.retrieve_evidence(record["cid"]) == content(size)
    assert store.get_evidence_by_cid(given_cid)["cid"] == record["cid"]
    assert store.gc()["blocks"] == 0
    assert store.verify().ok
    store.export_car([given_cid], tmp_path / "again.car")
    assert peer.ask("unpack", car=tmp_path / "again.car")["roots"] == [
        {"cid": given_cid, "size": size, "sha256": record["sha256"]}
    ]


@pytest.mark.peer("ipfs-car")
def test_the_command_line_tool_unpacks_it(
    store: EvidenceStore, ipfs_car: Path, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """`ipfs-car unpack`, as a lawyer's other side would use it."""
    cid = store.submit_evidence(content(600_000), "document")["cid"]
    store.export_car([cid], tmp_path / "out.car")
    done = subprocess.run(
        ["node", str(ipfs_car), "unpack", str(tmp_path / "out.car"), "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == content(600_000)


def test_an_export_is_a_whole_import(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """Content and all records about it, the times of there apart; importing again changes nothing."""
    cid = store.submit_evidence(content(600_000), "document", description="a", metadata={"k": [1, None]})["cid"]
    store.submit_evidence(content(600_000), "document", description="b", user_id="u")
    store.export_car([cid], tmp_path / "out.car")
    assert [record["record_created"] for record in other.import_car(tmp_path / "out.car")] == [True, True]
    for here, there in zip(other.list_evidence(), store.list_evidence(), strict=True):
        assert here["imported"] == {"source": "out.car", "created": there["created"]}
        assert here["created"] > there["created"]
        assert {**here, "created": None, "imported": None} == {**there, "created": None}
    assert [record["record_created"] for record in other.import_car(tmp_path / "out.car")] == [False, False]
    assert other.verify().ok


def test_records_can_be_left_out(store: EvidenceStore, other: EvidenceStore, tmp_path: Path) -> None:
    """What was said about it is not for everyone who gets the content."""
    cid = store.submit_evidence(b"x", "document", description="SECRET", user_id="SECRET")["cid"]
    store.export_car([cid], tmp_path / "out.car", with_records=False)
    assert b"SECRET" not in (tmp_path / "out.car").read_bytes()
    (record,) = other.import_car(tmp_path / "out.car")
    assert (record["cid"], record["evidence_type"], record["user_id"]) == (cid, "imported", None)


def test_the_same_store_exports_the_same_bytes(
    store: EvidenceStore, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """A CAR file of the same evidence can be compared by its hash."""
    cid = store.submit_evidence(content(600_000), "document")["cid"]
    for name in ("1.car", "2.car"):
        store.export_car([cid], tmp_path / name)
    assert (tmp_path / "1.car").read_bytes() == (tmp_path / "2.car").read_bytes()


def test_an_export_that_fails_leaves_no_file(
    store: EvidenceStore, tmp_path: Path, content: Callable[[int], bytes], flip: Callable[..., None]
) -> None:
    """Damaged or absent evidence is named; a file that was there stays as it was."""
    cid = store.submit_evidence(content(600_000), "document")["cid"]
    flip(next(path for path in store.path.glob("blocks/?/bafkrei*") if path.stat().st_size > 1000))
    (tmp_path / "out.car").write_bytes(b"earlier")
    with pytest.raises(EvidenceCorruptedError):
        store.export_car([cid], tmp_path / "out.car")
    with pytest.raises(EvidenceNotFoundError):
        store.export_car(["bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"], tmp_path / "out.car")
    with pytest.raises(EvidenceError, match="cannot be written"):
        store.export_car([], tmp_path / "no" / "out.car")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence", "out.car"]
    assert (tmp_path / "out.car").read_bytes() == b"earlier"


def test_any_flipped_bit_is_refused(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """In the header, in a length, in a CID, in a block, in a record: an error that names the place, and no record."""
    cid = store.submit_evidence(content(300_000), "document", description="a")["cid"]
    store.export_car([cid], tmp_path / "out.car")
    whole = (tmp_path / "out.car").read_bytes()
    places = [*range(200), *range(200, len(whole), 20_011), *range(len(whole) - 330, len(whole), 3)]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        (tmp_path / "bad.car").write_bytes(changed)
        with pytest.raises(EvidenceError, match=r"bad\.car"):
            other.import_car(tmp_path / "bad.car")
    assert other.list_evidence() == []


def test_any_cut_is_refused(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path, blocks_of: Callable[[EvidenceStore], list[Cid]]
) -> None:
    """Also between two blocks, where the file still reads well."""
    cid = store.submit_evidence(b"a" * 262_144 + b"b" * 100, "document")["cid"]
    store.export_car([cid], tmp_path / "out.car", with_records=False)
    whole = (tmp_path / "out.car").read_bytes()
    for end in [*range(0, 300, 7), *range(300, len(whole), 30_011), len(whole) - 1, len(whole) - 100 - 38]:
        (tmp_path / "bad.car").write_bytes(whole[:end])
        with pytest.raises(EvidenceError, match=r"bad\.car"):
            other.import_car(tmp_path / "bad.car")
    assert other.list_evidence() == []
    other.gc()
    assert blocks_of(other) == []


def test_a_small_file_that_describes_a_huge_one_is_bounded(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path
) -> None:
    """Zeros repeat: the file has two blocks, the content as many bytes as its author likes."""
    cid = store.submit_evidence(bytes(40_000_000), "document")["cid"]
    store.export_car([cid], tmp_path / "out.car", with_records=False)
    assert (tmp_path / "out.car").stat().st_size < 1_000_000
    with pytest.raises(EvidenceError, match="over 1000000 bytes"):
        other.import_car(tmp_path / "out.car", max_size=1_000_000)
    assert other.list_evidence() == []


def test_a_record_that_lies_about_its_content_is_refused(
    store: EvidenceStore, other: EvidenceStore, tmp_path: Path
) -> None:
    """A well-formed record of another size, with its right CID."""
    cid = store.submit_evidence(b"x", "document")["cid"]
    (record,) = store.records_of(parse_cid(cid))
    body = record._replace(content=record.content._replace(size=2)).encode()
    with (tmp_path / "bad.car").open("wb") as file:
        write_car(file, [record.content.cid], [Block(record.content.cid, b"x"), Block(cid_of(0x71, body), body)])
    with pytest.raises(EvidenceCorruptedError, match=f"a record about {cid} says otherwise"):
        other.import_car(tmp_path / "bad.car")


def test_other_archives_are_named(store: EvidenceStore, tmp_path: Path) -> None:
    """CAR v2, a zip, an empty file, nothing."""
    for name, data in [
        ("v2.car", bytes.fromhex("0aa16776657273696f6e02") + bytes(40)),
        ("a.zip", b"PK\x03\x04" + bytes(100)),
        ("empty", b""),
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(EvidenceCorruptedError, match=name):
            store.import_car(tmp_path / name)
    with pytest.raises(EvidenceError, match="cannot be imported: No such file"):
        store.import_car(tmp_path / "missing.car")


@given(st.lists(st.binary(max_size=50), max_size=6), st.binary(max_size=30))
def test_blocks_come_back_and_rubbish_is_refused(datas: list[bytes], rubbish: bytes) -> None:
    """Fuzzed: what is written is read; anything after it is an error or blocks, never another failure."""
    blocks = [Block(cid_of(RAW, data), data) for data in datas]
    file = BytesIO()
    write_car(file, [Cid(RAW, b"\0" * 32)], blocks)
    assert list(CarReader(BytesIO(file.getvalue()), "a.car").blocks()) == blocks
    for data in (file.getvalue() + rubbish, rubbish):
        with suppress(EvidenceCorruptedError):
            list(CarReader(BytesIO(data), "a.car").blocks())


def test_importing_takes_little_memory(store: EvidenceStore, tmp_path: Path) -> None:
    """A file of many blocks is never whole in memory, going out or coming in."""
    program = f"""
import resource
from complaint_llm.evidence import EvidenceStore
from pathlib import Path
import io, random

class Source:
    left = 60_000_000
    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return random.randbytes(size)

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with EvidenceStore({str(tmp_path / "a")!r}) as a, EvidenceStore({str(tmp_path / "b")!r}) as b:
    cid = a.submit_evidence_stream(Source(), "document")["cid"]
    a.export_car([cid], {str(tmp_path / "out.car")!r})
    b.import_car({str(tmp_path / "out.car")!r})
    assert sum(len(piece) for piece in b.iter_evidence(cid)) == 60_000_000
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 30


def test_an_archive_takes_no_devices_place(store: EvidenceStore, tmp_path: Path) -> None:
    """Renaming a file over a pipe or a folder would remove it."""
    cid = store.submit_evidence(b"x", "document")["cid"]
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path / "pipe", tmp_path):
        with pytest.raises(EvidenceError, match="is no file"):
            store.export_car([cid], target)
    assert (tmp_path / "pipe").is_fifo()
