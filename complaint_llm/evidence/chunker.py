"""Evidence on its way in: opened, cut into blocks, and looked at while it passes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Protocol

from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.evidence.ipld.unixfs import FileTree, Profile, chunks_of
from complaint_llm.evidence.media import HEAD, detect
from complaint_llm.evidence.records import Content
from complaint_llm.exceptions import EvidenceError

Progress = Callable[[int], object]
"""Called with the number of bytes that were just worked through."""

_FILES_A_GROUP = 100
_BYTES_A_GROUP = 8 * 1024 * 1024


class Readable(Protocol):
    """What content is read from: may give less than asked, and nothing at its end."""

    def read(self, size: int, /) -> bytes: ...


class ContentChunker:
    """One content: ``blocks()`` gives its blocks once; ``names`` are theirs so far, ``content`` is known after that."""

    def __init__(self, source: Readable, profile: Profile, progress: Progress | None) -> None:
        self.names: list[Cid] = []
        self._source = source
        self._chunk = profile.chunk
        self._progress = progress
        self._tree = FileTree(profile)
        self._hash = sha256()
        self._head = b""

    def blocks(self) -> Iterator[Block]:
        """The blocks, children first. Raises what reading raises."""
        for block in self._tree.blocks(self._chunks()):
            self.names.append(block.cid)
            yield block
        if isinstance(self._source, OpenFile):
            self._source.check()

    @property
    def content(self) -> Content:
        """What was found out about it."""
        assert self._tree.root is not None
        return Content(self._tree.root, self._tree.size, self._hash.digest(), detect(self._head))

    def _chunks(self) -> Iterator[bytes]:
        for chunk in chunks_of(self._source.read, self._chunk):
            self._head = self._head or chunk[:HEAD]
            self._hash.update(chunk)
            yield chunk
            if self._progress is not None:
                self._progress(len(chunk))


class OpenFile:
    """An ordinary file, open for reading; closed by ``close``.

    Raises EvidenceError for what is none or cannot be read. ``check`` raises it if the file changed since.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        try:
            if not S_ISREG(path.stat().st_mode):
                raise EvidenceError(f"{path} is not a file; `complaint-llm evidence add` takes folders too")
            self._file = path.open("rb", buffering=0)  # chunks are read whole
            self._before = os.fstat(self._file.fileno())
        except OSError as error:
            raise EvidenceError(f"{path} cannot be read: {error.strerror or error}") from error

    def read(self, size: int, /) -> bytes:
        """Some bytes of it, none at its end. Raises EvidenceError."""
        try:
            data = self._file.read(size) or b""
        except OSError as error:
            raise EvidenceError(f"{self._path} cannot be read: {error.strerror or error}") from error
        self._read += len(data)
        return data

    def check(self) -> None:
        """Raise EvidenceError if what was read may be a mixture of two states of the file."""
        after = os.fstat(self._file.fileno())
        before = self._before
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or self._read != after.st_size:
            raise EvidenceError(
                f"{self._path} was changed while it was read, so that its bytes would be a mixture; "
                "it was not stored: add it again when nothing writes to it"
            )

    def close(self) -> None:
        """Close it."""
        self._file.close()


def groups(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Runs of small files, and large ones alone: a group waits for the disk once, not once a file."""
    group: list[Path] = []
    total = 0
    for path in paths:
        try:
            size = path.stat().st_size
        except OSError:
            size = 0  # opening it will say why
        if group and (len(group) == _FILES_A_GROUP or total + size > _BYTES_A_GROUP):
            yield group
            group, total = [], 0
        group.append(path)
        total += size
    if group:
        yield group
