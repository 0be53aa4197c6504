"""The log: every record, short block, provenance record and kept text once more, in one file that is only appended to.

``store.db`` is an index: what is lost of it, or was restored from an older day, is read back from here. A frame is

    key 16 | kind 1 | codec 1 | sha2-256 32 | length 4 | crc32 of these 38 bytes 4 | data

The key is random and stands at the file's start too, so that after damage the next frame is found, and nothing that a
client handed in can pass for one. What is deleted is overwritten with zeros where it stands.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from io import FileIO
from pathlib import Path
from struct import Struct
from threading import get_ident
from typing import BinaryIO, NamedTuple
from zlib import crc32

from complaint_llm.evidence.blocks.durable_names import name_once, sync_folder
from complaint_llm.evidence.ipld.cid import CODEC_NAMES, Cid
from complaint_llm.exceptions import EvidenceCorruptedError

BLOCK, RECORD, PROVENANCE, FOREIGN_PROVENANCE, TEXT = b"b", b"r", b"p", b"q", b"t"
DELETED = b"d"
"""Says that the record whose body has this digest was deleted; it has no data."""

FORGOTTEN = b"f"
"""Says that what has this name was forgotten: its data are a map that ends with its own digest, see ``forgotten``."""

_ERASED = b"x"
_KINDS = frozenset(b"brpqtdfx")
_MAGIC = b"complaint_llm 1\n"
_KEY = 16
_HEAD = Struct(">cB32sI")
_CRC = Struct(">I")
_BEFORE_DATA = _KEY + _HEAD.size + _CRC.size
_PIECE = 1024 * 1024
START = len(_MAGIC) + _KEY
"""Where the first frame is."""


class Frame(NamedTuple):
    """What one frame says: its kind, and a block with its name."""

    kind: bytes
    cid: Cid
    data: bytes

    @property
    def is_intact(self) -> bool:
        """Whether the data are what the name says."""
        if self.kind == FORGOTTEN:
            return sha256(self.data[:-32]).digest() == self.data[-32:]
        return self.kind == DELETED or self.cid.matches(self.data)


class PlacedFrame(NamedTuple):
    """What stands at a place of the file: a frame, or None for bytes that are none."""

    at: int
    frame: Frame | None


class Appended(NamedTuple):
    """What was appended: where each frame stands, and the file's size before and after it."""

    places: list[int]
    before: int
    after: int


class RecordLog:
    """The file. Nothing is held open between calls; who appends or erases has the write lock of ``store.db``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make the file, durably, if it is not there; whoever tries at the same time, one is made. Raises OSError."""
        if self.path.exists():
            return
        temporary, _ = self._write_beside(())
        name_once(temporary, self.path)

    def key(self) -> bytes:
        """What marks the frames of this file; empty if it is missing or its start is damaged. Raises OSError."""
        try:
            with self.path.open("rb") as file:
                return _key_of(file.read(START))
        except FileNotFoundError:
            return b""

    def size(self) -> int:
        """Bytes of the file; 0 if it is missing."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, frames: Iterable[Frame]) -> Appended:
        """Add frames, durably.

        Raises EvidenceCorruptedError if the file is missing or its start is damaged; OSError, the file as it was then.
        """
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError as error:
            raise self._damage() from error
        try:
            key = _key_of(os.read(handle, START))
            if not key:
                raise self._damage()
            end = os.fstat(handle).st_size
            data, places = _encode_frames(key, frames, end)
            try:
                _write(handle, data)
                os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, end)
                raise
        finally:
            os.close(handle)
        return Appended(places, end, end + len(data))

    def _damage(self) -> EvidenceCorruptedError:
        return EvidenceCorruptedError(
            f"{self.path} is damaged or gone: `complaint-llm evidence rebuild` writes it again"
        )

    def replace(self, frames: Iterable[Frame]) -> list[int]:
        """Write the file anew with these frames, durably; where each stands. On an OSError it is as it was."""
        temporary, places = self._write_beside(frames)
        try:
            temporary.replace(self.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(self.path.parent)
        return places

    def _write_beside(self, frames: Iterable[Frame]) -> tuple[Path, list[int]]:
        key = os.urandom(_KEY)
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.{get_ident():x}")
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            try:
                _write(handle, _MAGIC + key)
                places = []
                end = START
                for frame in frames:
                    data, (place,) = _encode_frames(key, (frame,), end)
                    places.append(place)
                    end += len(data)
                    _write(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary, places

    def frames(self, start: int = START) -> Iterator[PlacedFrame]:
        """What stands from ``start`` on, in order; erased frames are left out. Raises OSError."""
        key = self.key()
        if not key:
            if self.size():
                yield PlacedFrame(0, None)
            return
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            at = start
            while at < size:
                frame, end = _read(file, key, at)
                if frame is None:
                    yield PlacedFrame(at, None)
                    at = _next_key(file, key, at + 1)
                else:
                    if frame.kind != _ERASED:
                        yield PlacedFrame(at, frame)
                    at = end

    def erase(self, places: Iterable[tuple[Cid, int]]) -> None:
        """Overwrite frames of blocks at their places, durably; what else stands there stays. Raises OSError."""
        if not self.path.exists():
            return
        key = self.key()
        with self.path.open("r+b", buffering=0) as file:
            for cid, at in places:
                frame, _ = _read(file, key, at)
                if frame is not None and frame.cid.digest == cid.digest and frame.kind != DELETED:
                    blank = Frame(_ERASED, Cid(cid.codec, bytes(32)), bytes(len(frame.data)))
                    file.seek(at)
                    file.write(_encode_frames(key, (blank,), at)[0])
            os.fsync(file.fileno())


def _key_of(start: bytes) -> bytes:
    """The key in the first bytes of a file; empty if they are damaged."""
    return start[len(_MAGIC) :] if start.startswith(_MAGIC) and len(start) == START else b""


def _encode_frames(key: bytes, frames: Iterable[Frame], at: int) -> tuple[bytes, list[int]]:
    parts: list[bytes] = []
    places: list[int] = []
    for kind, cid, data in frames:
        head = _HEAD.pack(kind, cid.codec, cid.digest, len(data))
        parts += (key, head, _CRC.pack(crc32(head)), data)
        places.append(at)
        at += _BEFORE_DATA + len(data)
    return b"".join(parts), places


def _read(file: BinaryIO | FileIO, key: bytes, at: int) -> tuple[Frame | None, int]:
    """The frame at a place, and the place after it; None if none begins there."""
    file.seek(at)
    head = file.read(_BEFORE_DATA)
    if len(head) < _BEFORE_DATA or not head.startswith(key):
        return None, at
    fields = head[_KEY : _KEY + _HEAD.size]
    kind, codec, digest, length = _HEAD.unpack(fields)
    if crc32(fields) != _CRC.unpack(head[-_CRC.size :])[0] or kind[0] not in _KINDS or codec not in CODEC_NAMES:
        return None, at
    end = at + _BEFORE_DATA + length
    if end > os.fstat(file.fileno()).st_size:
        return None, at
    return Frame(kind, Cid(codec, digest), file.read(length)), end


def _next_key(file: BinaryIO, key: bytes, at: int) -> int:
    """Where the key stands next; the file's end if it does not."""
    file.seek(at)
    while piece := file.read(_PIECE):
        place = piece.find(key)
        if place >= 0:
            return at + place
        if len(piece) < _KEY:
            return at + len(piece)
        at += len(piece) - _KEY + 1
        file.seek(at)
    return at


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
