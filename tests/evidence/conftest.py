"""What the evidence tests share: stores, content of any size, and the IPFS project's JavaScript libraries as a peer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from tests.evidence.clock import Clock
from tests.evidence.fake_node import FakeNode

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ipfs-unixfs-importer", "ipfs-unixfs-exporter", "@ipld/car", "@ipld/dag-cbor", "multiformats")
TIMES_OUT = 60


class Peer:
    """One process of node that answers questions about files and CARs with code that is not ours."""

    def __init__(self, modules: Path) -> None:
        program = Path(__file__).with_name("ipfs_peer.mjs").read_text(encoding="utf-8")
        self._process = subprocess.Popen(
            ["node", "--input-type=module", "--eval", program],
            cwd=modules.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, question: str, **given: Any) -> dict[str, Any]:
        """The peer's answer; an assertion fails if it could not give one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        paths = {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}
        self._process.stdin.write(json.dumps({"question": question, **paths}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(TIMES_OUT)
        self._process.stdout.close()


def need_packages(modules: Path, names: Sequence[str]) -> None:
    """Skip the test with a sentence where one of these is not installed; fail it where peers are required."""
    missing = [name for name in names if not (modules / name).exists()]
    if missing or shutil.which("node") is None:
        sentence = f"not installed for node: npm install {' '.join(missing or names)}"
        if os.environ.get("COMPLAINT_LLM_REQUIRE_PEERS") == "1":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)


@pytest.fixture
def ipfs_car() -> Path:
    """The command line tool of that name."""
    modules = Path(os.environ.get("COMPLAINT_LLM_NODE_MODULES", ROOT / "node_modules"))
    need_packages(modules, ["ipfs-car"])
    return modules / "ipfs-car" / "bin.js"


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    """The peer; its absence skips the test with a sentence, or fails it where peers are required."""
    modules = Path(os.environ.get("COMPLAINT_LLM_NODE_MODULES", ROOT / "node_modules"))
    need_packages(modules, PACKAGES)
    found = Peer(modules)
    yield found
    found.close()


@pytest.fixture
def clock() -> Clock:
    """Unix seconds that the test sets."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EvidenceStore]:
    """An empty store."""
    with EvidenceStore(tmp_path / "evidence") as found:
        yield found


@pytest.fixture(scope="session")
def content() -> Callable[[int], bytes]:
    """The first bytes of sha256("0"), sha256("1"), ...: content of any size that anyone can make again."""
    made = bytearray()

    def first(size: int) -> bytes:
        while len(made) < size:
            made.extend(sha256(str(len(made) // 32).encode()).digest())
        return bytes(made[:size])

    return first


@pytest.fixture(scope="session")
def flip() -> Callable[..., None]:
    """Changes one bit of a file."""

    def flipped(path: Path, place: int = 0, bit: int = 1) -> None:
        data = bytearray(path.read_bytes())
        data[place] ^= bit
        path.write_bytes(data)

    return flipped


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[EvidenceStore], list[Cid]]:
    """The names of all blocks of a store."""

    def names(store: EvidenceStore) -> list[Cid]:
        with store.database.transaction("read") as connection:
            return list(store.blocks(connection).list())

    return names


@pytest.fixture(scope="session")
def flip_row() -> Callable[..., None]:
    """Changes one bit of a block that is a row."""

    def flipped(store: EvidenceStore, cid: str, place: int = 0, bit: int = 1) -> None:
        digest = parse_cid(cid).digest
        with store.database.transaction("exclusive") as connection:
            (row,) = connection.execute("SELECT data FROM blocks WHERE digest = ?", (digest,)).fetchone()
            data = bytearray(row)
            data[place] ^= bit
            connection.execute("UPDATE blocks SET data = ? WHERE digest = ?", (bytes(data), digest))

    return flipped


@pytest.fixture
def run_as_anyone() -> Callable[..., str]:
    """Runs a program that modes of files bind, whoever runs the tests; its standard output."""
    drop: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("modes bind no superuser, and setpriv is not there to become less")
        caps = "-dac_override,-dac_read_search"
        drop = ("setpriv", f"--bounding-set={caps}", f"--inh-caps={caps}")

    def run(program: str, *arguments: str | Path) -> str:
        command = [*drop, sys.executable, "-c", program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMES_OUT, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def node() -> Iterator[FakeNode]:
    """A node on loopback that keeps what it is given."""
    made = FakeNode()
    yield made
    made.stop()
