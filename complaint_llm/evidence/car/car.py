"""CAR v1: blocks in one file, https://ipld.io/specs/transport/car/carv1/."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from complaint_llm.evidence.blocks.file_blocks import MAX_BLOCK
from complaint_llm.evidence.ipld.cid import Cid, read_cid, read_varint, write_varint
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.evidence.ipld.dagcbor import decode, encode
from complaint_llm.exceptions import EvidenceCorruptedError

_MAX_HEADER = 1024 * 1024


def write_car(file: BinaryIO, roots: Sequence[Cid], blocks: Iterable[Block]) -> int:
    """Write a header with ``roots`` and then ``blocks``; the number of blocks."""
    header = encode({"version": 1, "roots": list(roots)})
    file.write(write_varint(len(header)) + header)
    count = 0
    for cid, data in blocks:
        name = cid.binary
        file.write(write_varint(len(name) + len(data)) + name)
        file.write(data)
        count += 1
    return count


class CarReader:
    """Reads a CAR file once, from its start. Raises EvidenceCorruptedError naming the place where it is wrong.

    ``roots`` are known at once; ``blocks()`` gives every block, verified.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._at = 0
        raw = self._section(_MAX_HEADER)
        try:
            header = decode(raw or b"")
        except ValueError as error:
            raise self._wrong(0, f"it does not begin as a CAR file does ({error})") from error
        if not isinstance(header, dict) or header.get("version") != 1:
            raise self._wrong(0, "it is no CAR v1 file; convert other versions to v1 first")
        roots = header.get("roots")
        if not isinstance(roots, list) or not all(isinstance(root, Cid) for root in roots):
            raise self._wrong(0, "its header has no list of roots")
        self.roots: tuple[Cid, ...] = tuple(roots)

    def blocks(self) -> Iterator[Block]:
        """The blocks in their order in the file."""
        start = self._at
        while (section := self._section(MAX_BLOCK + 64)) is not None:
            try:
                cid, end = read_cid(section, 0)
            except ValueError as error:
                raise self._wrong(start, f"a block's CID cannot be used: {error}") from error
            data = section[end:]
            if not cid.matches(data):
                raise self._wrong(start, f"block {cid} is damaged")
            yield Block(cid, data)
            start = self._at

    def _section(self, limit: int) -> bytes | None:
        start = self._at
        prefix = self._file.read(1)
        if not prefix:
            return None
        while prefix[-1] & 128 and len(prefix) < 10:
            more = self._file.read(1)
            if not more:
                raise self._wrong(start, "it is cut")
            prefix += more
        try:
            length, _ = read_varint(prefix, 0)
        except ValueError as error:
            raise self._wrong(start, str(error)) from error
        if length > limit:
            raise self._wrong(start, f"a section of {length} bytes")
        data = self._file.read(length)
        if len(data) < length:
            raise self._wrong(start, "it is cut")
        self._at += len(prefix) + length
        return data

    def _wrong(self, at: int, reason: str) -> EvidenceCorruptedError:
        return EvidenceCorruptedError(f"{self._name}, byte {at}: {reason}")
