"""Where blocks are kept: the protocol that a plugin's store fulfils, and the embedded one, a file for each block."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, count, islice
from pathlib import Path
from typing import Protocol

from complaint_llm.evidence.blocks.durable_names import sync_folder
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.exceptions import EvidenceError

MAX_BLOCK = 16 * 1024 * 1024
"""The longest block that is read from anywhere; other tools stop at 2 MiB."""

_WRITERS = 4
_NAME = re.compile("b[a-z2-7]{58}")


class BlockStore(Protocol):
    """A store of blocks. Any thread and any process may call it; callers verify every block that they get.

    An error of the store is an EvidenceError, or an OSError that the caller words.
    """

    def get(self, cid: Cid) -> bytes | None:
        """The bytes kept under this name, unverified; None if there are none."""

    def put(self, blocks: Iterable[Block]) -> None:
        """Keep every block of a stream that may exceed memory; durable when this returns, each whole or not at all.

        A block that is there already is replaced if its bytes differ: what was damaged is mended by adding it again.
        """

    def has(self, cid: Cid) -> bool:
        """Whether something is kept under this name."""

    def delete(self, cid: Cid) -> None:
        """Forget a block; nothing happens if it is not there."""

    def list(self) -> Iterator[Cid]:
        """The names of all blocks, version 1, in any order."""

    def sweep(self) -> int:
        """Remove what interrupted writes left behind, and say how much. Called only while no one writes."""

    def close(self) -> None:
        """Free what the store holds open. Called once, last."""


class FileBlocks:
    """A file for each block, in 32 folders by the last letter but one of its name (the last has few values).

    A block is written under a temporary name, synced, and renamed; its folder is synced before ``put`` returns. So a
    file under a final name is whole, whenever the power goes. Nothing is held open between calls and no lock is needed;
    a call with many blocks has threads of its own, which end with it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unfinished = folder / "unfinished"
        self._numbers = count()

    def create(self) -> None:
        """Make the folders, if they are not there. Raises OSError."""
        if not self._unfinished.exists():  # made last, so the others are there too
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for letter in "abcdefghijklmnopqrstuvwxyz234567":
                (self._folder / letter).mkdir(mode=0o700, exist_ok=True)
            self._unfinished.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._folder)

    def get(self, cid: Cid) -> bytes | None:
        try:
            with self.path(cid).open("rb") as file:
                data = file.read(MAX_BLOCK + 1)
        except FileNotFoundError:
            return None
        if len(data) > MAX_BLOCK:
            raise EvidenceError(f"{self.path(cid)} is longer than a block can be: move it away")
        return data

    def put(self, blocks: Iterable[Block]) -> None:
        self.create()
        source = iter(blocks)
        begun = list(islice(source, 2))
        folders = map(self._keep, begun) if len(begun) < 2 else self._keep_by_threads(chain(begun, source))
        for folder in set(folders):
            sync_folder(folder)

    def has(self, cid: Cid) -> bool:
        return self.path(cid).exists()

    def delete(self, cid: Cid) -> None:
        self.path(cid).unlink(missing_ok=True)

    def list(self) -> Iterator[Cid]:
        for folder in sorted(self._folder.iterdir()) if self._folder.exists() else ():
            if len(folder.name) == 1:
                for path in folder.iterdir():
                    # Other names are not ours: what a desktop or a backup left is neither read nor removed.
                    if _NAME.fullmatch(path.name):
                        yield parse_cid(path.name)

    def sweep(self) -> int:
        leftovers = list(self._unfinished.iterdir()) if self._unfinished.exists() else []
        for path in leftovers:
            path.unlink(missing_ok=True)
        return len(leftovers)

    def close(self) -> None:
        pass

    def path(self, cid: Cid) -> Path:
        """Where this block's file is or would be."""
        name = cid.name
        return self._folder / name[-2] / name

    def _keep_by_threads(self, blocks: Iterable[Block]) -> Iterator[Path]:
        """As ``_keep`` for many blocks: while some wait for the disk, the next are read and hashed by the caller."""
        under_way: deque[Future[Path]] = deque()
        with ThreadPoolExecutor(_WRITERS, "complaint_llm-evidence") as threads:
            for block in blocks:
                if len(under_way) == 2 * _WRITERS:
                    yield under_way.popleft().result()
                under_way.append(threads.submit(self._keep, block))
            for each in under_way:
                yield each.result()

    def _keep(self, block: Block) -> Path:
        """Keep a block; the folder that has to be synced before it counts as kept."""
        path = self.path(block.cid)
        if not _holds(path, block.data):
            self._write(path, block.data)
        # Also if it was there: whoever renamed it may not have come to sync its folder yet.
        return path.parent

    def _write(self, path: Path, data: bytes) -> None:
        temporary = self._unfinished / f"{os.getpid()}-{id(self):x}-{next(self._numbers)}"
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            try:
                temporary.replace(path)
            except FileNotFoundError:
                # Its folder is gone, with what was in it.
                path.parent.mkdir(mode=0o700, exist_ok=True)
                temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False
