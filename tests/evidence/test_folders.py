"""Folders: as other IPFS tools build them, whole or with what is missing named, and out again as they were."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.car.car import write_car
from complaint_llm.evidence.ipld.cid import RAW, Cid, cid_of
from complaint_llm.evidence.ipld.dag_pb import Block, Link, encode_pb
from complaint_llm.evidence.ipld.unixfs_folder import FolderEntry, folder_blocks
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError

Tree = dict[str, bytes | None]
"""Paths and contents; None for an empty folder."""

MANY = {f"{number:04}{'-a-page-of-the-file-of-one-client' * 6}.txt": b"%d" % number for number in range(1200)}
TREES: dict[str, Tree] = {
    "one file": {"letter.txt": b"letter\n"},
    "no file": {},
    "an empty file": {"empty": b""},
    "an empty folder": {"a": b"a", "below": None},
    "folders in folders": {"a/b/c/d.txt": b"d", "a/b/e.txt": b"e", "a/f.txt": b"f", "g.txt": b"g"},
    "order by bytes, not by letters": {"B": b"1", "a": b"2", "Z.txt": b"3", "_": b"4", "é": b"5", "😀": b"6"},
    "the same content twice": {"a.txt": b"same", "b/a.txt": b"same"},
    "hidden files": {".hidden": b"h", ".git/config": b"c"},
    "a file of several blocks": {"scan.pdf": bytes(range(256)) * 3000, "note": b"n"},
    "blanks and signs in names": {"a letter (1).txt": b"1", "100% & more #2?.txt": b"2"},
    "names in other scripts": {"شكوى/عقد.txt": b"1", "申诉.txt": b"2"},
    "a name that is nearly a long one": {"x" * 200: b"x", "y" * 255: b"y"},
    "so many files that it is sharded": dict(MANY),
}


def write(top: Path, tree: Tree) -> Path:
    """The tree on the disk."""
    top.mkdir(parents=True)
    for name, data in tree.items():
        path = top / name
        if data is None:
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return top


def read(top: Path) -> Tree:
    """What is on the disk."""
    found: Tree = {}
    for path in top.rglob("*"):
        name = str(path.relative_to(top))
        if path.is_file():
            found[name] = path.read_bytes()
        elif not any(path.iterdir()):
            found[name] = None
    return found


def folder_of(store: EvidenceStore, top: Path) -> dict[str, Any]:
    """The folder's record, after all in it was stored."""
    *_, (path, record) = store.submit_evidence_folder(top)
    assert path == top
    assert isinstance(record, dict), record
    return record


@pytest.mark.rows(4)
@pytest.mark.peer("ipfs-unixfs-importer")
@pytest.mark.parametrize("name", TREES)
def test_a_folder_has_the_cid_that_ipfs_gives_it(store: EvidenceStore, peer: Any, tmp_path: Path, name: str) -> None:
    """Stored by us, packed by the peer: the same CID, the same files; and what the peer packs is a folder here."""
    top = write(tmp_path / "case 17", TREES[name])
    record = folder_of(store, top)
    car = tmp_path / "theirs.car"
    assert record["cid"] == peer.ask("folder", top=top, car=car)["cid"]
    files = {path: data for path, data in TREES[name].items() if data is not None}
    assert (record["size"], record["mime_type"]) == (sum(map(len, files.values())), "inode/directory")
    store.export_car([record["cid"]], tmp_path / "ours.car")
    listed = peer.ask("list", car=tmp_path / "ours.car")["files"]
    assert listed == {f"/{path}": sha256(data).hexdigest() for path, data in files.items()}
    with EvidenceStore(tmp_path / "other") as other:
        taken = other.import_archive(car)
        names = [each["file_name"] for each in taken["records"] if each["cid"] != record["cid"]]
        assert sorted(set(names)) == sorted({path.rpartition("/")[2] for path in files})
        assert other.write_folder(record["cid"], tmp_path / "out") == []
        assert other.verify().ok
    assert read(tmp_path / "out") == TREES[name]


@pytest.mark.rows(4)
@pytest.mark.parametrize("name", TREES)
def test_a_folder_comes_back_as_it_was(store: EvidenceStore, tmp_path: Path, name: str) -> None:
    """Also through an archive; adding again changes nothing; every block has a record."""
    top = write(tmp_path / "case 17", TREES[name])
    record = folder_of(store, top)
    assert folder_of(store, top) == {**record, "record_created": False}
    assert store.write_folder(record["cid"], tmp_path / "out") == []
    assert read(tmp_path / "out") == TREES[name]
    store.export_car([record["cid"]], tmp_path / "x.car")
    with EvidenceStore(tmp_path / "other") as other:
        assert len(other.import_car(tmp_path / "x.car")) == len(store.list_evidence())
        other.write_folder(record["cid"], tmp_path / "again")
        assert other.gc()["blocks"] == 0
    assert read(tmp_path / "again") == TREES[name]
    assert store.verify().ok
    assert store.gc()["blocks"] == 0


@pytest.mark.peer("ipfs-car")
def test_the_command_line_tool_unpacks_a_folder_and_we_its(
    store: EvidenceStore, ipfs_car: Path, tmp_path: Path
) -> None:
    """`ipfs-car unpack` of ours; `ipfs-car pack` of a folder and of a single file, around which it puts one."""
    top = write(tmp_path / "case", TREES["folders in folders"])

    def run(*arguments: str | Path) -> None:
        command = ["node", str(ipfs_car), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    record = folder_of(store, top)
    store.export_car([record["cid"]], tmp_path / "ours.car")
    run("unpack", tmp_path / "ours.car", "--output", tmp_path / "unpacked")
    assert read(tmp_path / "unpacked") == TREES["folders in folders"]
    for given, names in ((top, {"d.txt", "e.txt", "f.txt", "g.txt"}), (top / "g.txt", {"g.txt"})):
        run("pack", given, "--output", tmp_path / "theirs.car")
        with EvidenceStore(tmp_path / f"store of {given.name}") as other:
            files = {r["file_name"] for r in other.import_car(tmp_path / "theirs.car") if r["size"] < 2}
            assert files - {None} == names


def unlistable(top: Path) -> Path:
    (top / "closed").mkdir(mode=0)
    return top / "closed"


def unlooked_at(top: Path) -> Path:
    folder = write(top / "listed", {"b.txt": b"b"})
    folder.chmod(0o444)
    return folder / "b.txt"


def unreadable(top: Path) -> Path:
    (top / "secret.txt").write_bytes(b"s")
    (top / "secret.txt").chmod(0)
    return top / "secret.txt"


def link_to_a_file(top: Path) -> Path:
    (top / "link").symlink_to(top / "a.txt")
    return top / "link"


def link_to_a_folder(top: Path) -> Path:
    (top / "linked").symlink_to(write(top.parent / "elsewhere", {"x": b"x"}))
    return top / "linked"


def link_to_itself(top: Path) -> Path:
    (top / "below" / "up").symlink_to(top)
    return top / "below" / "up"


def dangling(top: Path) -> Path:
    (top / "gone").symlink_to(top / "nothing")
    return top / "gone"


def pipe(top: Path) -> Path:
    os.mkfifo(top / "below" / "pipe")
    return top / "below" / "pipe"


def socket(top: Path) -> Path:
    from socket import AF_UNIX
    from socket import socket as made

    with made(AF_UNIX) as opened:
        before = Path.cwd()
        os.chdir(top)
        try:
            opened.bind("socket")
        finally:
            os.chdir(before)
    return top / "socket"


def unlistable_below(top: Path) -> Path:
    (top / "below" / "deep" / "closed").mkdir(parents=True)
    (top / "below" / "deep" / "closed").chmod(0o111)
    return top / "below" / "deep" / "closed"


PROGRAM = """
import sys
from complaint_llm.evidence import EvidenceStore
from complaint_llm.exceptions import EvidenceError
with EvidenceStore(sys.argv[1]) as store:
    for path, found in store.submit_evidence_folder(sys.argv[2]):
        if isinstance(found, EvidenceError):
            print("missing", path, found, sep="|")
        else:
            print("stored", path, found["metadata"].get("missing", ""), sep="|")
"""


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    "spoil",
    [
        unlistable,
        unlooked_at,
        unreadable,
        link_to_a_file,
        link_to_a_folder,
        link_to_itself,
        dangling,
        pipe,
        socket,
        unlistable_below,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_what_is_missing_is_named_and_the_rest_stored(
    tmp_path: Path, spoil: Callable[[Path], Path], run_as_anyone: Callable[..., str]
) -> None:
    """By its path, and in the folder's record; every other file is stored."""
    top = write(tmp_path / "case", {"a.txt": b"a", "below/c.txt": b"c", "z.txt": b"z"})
    missing = spoil(top)
    lines = [line.split("|") for line in run_as_anyone(PROGRAM, tmp_path / "e", top).splitlines()]
    for folder in (top / "closed", top / "listed", top / "below" / "deep" / "closed"):
        if folder.exists():
            folder.chmod(0o700)
    assert [line[1] for line in lines if line[0] == "missing"] == [str(missing)]
    assert str(missing) in next(line[2] for line in lines if line[0] == "missing")
    stored = {line[1] for line in lines if line[0] == "stored"}
    assert stored == {str(top / "a.txt"), str(top / "below" / "c.txt"), str(top / "z.txt"), str(top)}
    assert lines[-1] == ["stored", str(top), str([str(missing.relative_to(top))])]


def test_a_folder_that_cannot_be_listed_at_all_has_no_record(tmp_path: Path, run_as_anyone: Callable[..., str]) -> None:
    """An empty folder would be a lie."""
    (tmp_path / "case").mkdir(mode=0)
    said = run_as_anyone(PROGRAM, tmp_path / "e", tmp_path / "case")
    (tmp_path / "case").chmod(0o700)
    assert "cannot be listed" in said
    assert "stored" not in said


def test_a_file_that_vanishes_while_a_folder_is_added(store: EvidenceStore, tmp_path: Path) -> None:
    """It was there when the folder was looked through."""
    top = write(tmp_path / "case", {f"{number}.txt": b"%d" % number for number in range(5)})

    def vanish(_: int) -> None:
        (top / "3.txt").unlink(missing_ok=True)

    (top / "0.txt").write_bytes(bytes(9_000_000))  # a group of its own, so that the others are opened after it
    found = dict(store.submit_evidence_folder(top, progress=vanish))
    assert "3.txt cannot be read" in str(found[top / "3.txt"])
    folder = found[top]
    assert isinstance(folder, dict)
    assert folder["metadata"]["missing"] == ["3.txt"]
    assert len(store.list_evidence()) == 5
    assert store.verify().ok


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 10)


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(2, 2))


@pytest.mark.rows(4)
@pytest.mark.parametrize("size", [30, 300_000, 3_000_000])
@pytest.mark.parametrize("change", [grow, shrink, touch, overwrite])
def test_a_file_that_is_changed_while_it_is_read_is_not_stored(
    store: EvidenceStore, tmp_path: Path, size: int, change: Callable[[Path], None]
) -> None:
    """Its bytes would be a mixture that never was; nothing of it stays behind."""
    path = tmp_path / "scan.pdf"
    path.write_bytes(b"%" * size)
    with pytest.raises(EvidenceError, match=r"scan\.pdf was changed while it was read"):
        store.submit_evidence_file(path, progress=lambda _: change(path))
    assert store.list_evidence() == []
    assert store.verify().blocks == 0
    assert store.submit_evidence_file(path)["size"] == path.stat().st_size


def test_of_a_group_only_the_changed_file_is_not_stored(store: EvidenceStore, tmp_path: Path) -> None:
    """Small files wait for the disk together, and fail alone."""
    top = write(tmp_path / "case", {f"{number}.txt": b"%d" % number * 50 for number in range(20)})
    found = dict(store.submit_evidence_folder(top, progress=lambda _: grow(top / "7.txt")))
    assert [path.name for path, each in found.items() if isinstance(each, EvidenceError)] == ["7.txt"]
    assert len(store.list_evidence()) == 20


HOSTILE = ["..", ".", "", "../up", "a/b", "/etc/passwd", "..\\up", "C:\\x", "a\0b", "x/../../y", "a/", "sub/./x"]


@pytest.mark.rows(4)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_in_a_folder_leads_nowhere_else(store: EvidenceStore, tmp_path: Path, name: str) -> None:
    """It is left out and said; nothing is written beside the folder."""
    good, bad = b"good", b"bad"
    blocks = [Block(cid_of(RAW, data), data) for data in (good, bad)]
    folder = folder_blocks([FolderEntry("good", blocks[0].cid, 4), FolderEntry(name, blocks[1].cid, 3)])[-1]
    with (tmp_path / "in.car").open("wb") as file:
        write_car(file, [folder.cid], [*blocks, folder])
    store.import_car(tmp_path / "in.car")
    (tmp_path / "inside").mkdir()
    left_out = store.write_folder(folder.cid.name, tmp_path / "inside" / "out")
    assert len(left_out) == 1
    assert read(tmp_path / "inside") == {"out/good": b"good"}


def test_links_of_other_tools_are_left_out(store: EvidenceStore, tmp_path: Path) -> None:
    """A symbolic link in an archive is no file, and is not made."""
    link = encode_pb([], b"\x08\x04\x12\x0b/etc/passwd")
    folder = folder_blocks([FolderEntry("passwd", link.cid, len(link.data))])[-1]
    with (tmp_path / "in.car").open("wb") as file:
        write_car(file, [folder.cid], [link, folder])
    assert "passwd" in store.import_archive(tmp_path / "in.car")["left_out"][0]
    assert "passwd" in store.write_folder(folder.cid.name, tmp_path / "out")[0]
    assert read(tmp_path / "out") == {}


def test_a_folder_is_not_read_as_a_file_and_a_file_is_not_written_as_a_folder(
    store: EvidenceStore, tmp_path: Path
) -> None:
    """The message says what to do."""
    cid = folder_of(store, write(tmp_path / "case", {"a": b"a"}))["cid"]
    with pytest.raises(EvidenceError, match=f"is a folder, not a file; `complaint-llm evidence get {cid} -o FOLDER`"):
        store.retrieve_evidence(cid)
    with pytest.raises(EvidenceError, match="is a file, not a folder"):
        store.write_folder(store.submit_evidence(b"x", "letter")["cid"], tmp_path / "out")
    with pytest.raises(EvidenceError, match="is there already"):
        store.write_folder(cid, tmp_path / "case")


def test_a_file_in_a_folder_is_deleted_with_the_folder(store: EvidenceStore, tmp_path: Path) -> None:
    """Deleting the file's record says which folder still has it; with the folder it is gone."""
    top = write(tmp_path / "case", {"a.txt": b"a" * 20_000, "b.txt": b"b"})
    found = {path.name: each for path, each in store.submit_evidence_folder(top) if isinstance(each, dict)}
    done = store.delete_evidence(found["a.txt"]["cid"])
    assert (done["blocks"], done["kept_by"]) == (0, [found["case"]["cid"]])
    assert store.retrieve_evidence(found["a.txt"]["cid"]) == b"a" * 20_000
    assert store.delete_evidence(found["case"]["cid"])["blocks"] == 2
    assert store.verify().blocks == 1
    assert store.verify().ok


def test_folders_in_one_another_without_end_are_refused(store: EvidenceStore, tmp_path: Path) -> None:
    """An archive may nest them deeper than any disk."""
    blocks = [folder_blocks([])[-1]]
    for _ in range(500):
        blocks.append(folder_blocks([FolderEntry("x", blocks[-1].cid, 1)])[-1])
    with (tmp_path / "deep.car").open("wb") as file:
        write_car(file, [blocks[-1].cid], blocks)
    with pytest.raises(EvidenceCorruptedError, match="folders in one another"):
        store.import_car(tmp_path / "deep.car")
    assert store.verify().blocks == 0


def test_a_damaged_shard_is_one_error() -> None:
    """A fan-out of nothing, a shard where none can be."""
    from complaint_llm.evidence.ipld.unixfs_folder import entries_of

    for payload in (b"\x08\x05", b"\x08\x05\x30\x00", b"\x08\x05\x30\x80\x80\x04"):
        block = encode_pb([Link(Cid(RAW, bytes(32)), b"00x", 1)], payload)
        with pytest.raises(EvidenceCorruptedError, match="no shard of a folder"):
            list(entries_of(block.cid, {block.cid: block.data}.__getitem__))
