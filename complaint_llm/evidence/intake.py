"""Evidence on its way in: opened, cut into blocks, and looked at while it passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, Protocol

from complaint_llm.evidence.media import HEAD, detect
from complaint_llm.evidence.records import Content
from complaint_llm.evidence.unixfs import Block, FileTree, Profile, chunks_of
from complaint_llm.exceptions import EvidenceError

Progress = Callable[[int], object]
"""Called with the number of bytes that were just worked through."""

_FILES_A_GROUP = 100
_BYTES_A_GROUP = 8 * 1024 * 1024


class Readable(Protocol):
    """What content is read from: may give less than asked, and nothing at its end."""

    def read(self, size: int, /) -> bytes: ...


class Intake:
    """One content: ``blocks()`` gives its blocks once; ``content`` is known after that."""

    def __init__(self, source: Readable, profile: Profile, progress: Progress | None) -> None:
        self._source = source
        self._chunk = profile.chunk
        self._progress = progress
        self._tree = FileTree(profile)
        self._whole = sha256()
        self._head = b""

    def blocks(self) -> Iterator[Block]:
        """The blocks, children first. Raises what reading raises."""
        return self._tree.blocks(self._chunks())

    @property
    def content(self) -> Content:
        """What was found out about it."""
        assert self._tree.root is not None
        return Content(self._tree.root, self._tree.size, self._whole.digest(), detect(self._head))

    def _chunks(self) -> Iterator[bytes]:
        for chunk in chunks_of(self._source.read, self._chunk):
            self._head = self._head or chunk[:HEAD]
            self._whole.update(chunk)
            yield chunk
            if self._progress is not None:
                self._progress(len(chunk))


def open_file(path: Path) -> BinaryIO | Any:
    """An ordinary file, unbuffered: chunks are read whole. Raises EvidenceError for what is none or cannot be read."""
    try:
        if not S_ISREG(path.stat().st_mode):
            raise EvidenceError(f"{path} is not a file; `complaint-llm evidence add` takes folders too")
        return path.open("rb", buffering=0)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror or error}") from error


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
