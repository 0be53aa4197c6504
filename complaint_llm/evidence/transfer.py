"""Evidence and its records to a CAR file and back.

The roots of the file are the contents, so that other tools unpack them; the records follow as DAG-CBOR blocks that
link to their content.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path

from complaint_llm.evidence.blocks import sync_folder
from complaint_llm.evidence.car import CarReader, write_car
from complaint_llm.evidence.cid import DAG_CBOR, Cid, cid_of
from complaint_llm.evidence.media import HEAD, detect
from complaint_llm.evidence.records import Content, Given, Record, decode_record, record_of
from complaint_llm.evidence.unixfs import Block, read_file, walk
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

MAX_CONTENT = 64 * 1024**3
"""Bytes of one root that an import reads at most, unless told otherwise."""


def export_car(
    target: Path, roots: Sequence[Cid], records: Sequence[Record], get: Callable[[Cid], bytes]
) -> dict[str, int]:
    """Write the file under a temporary name, durably, and rename it; what it holds, counted. ``get`` verifies."""
    if target.exists() and not target.is_file():
        raise EvidenceError(f"{target} is no file: name one to write the archive to")
    seen: set[Cid] = set()

    def once(blocks: Iterator[Block]) -> Iterator[Block]:
        for block in blocks:
            if block.cid not in seen:
                seen.add(block.cid)
                yield block

    contents = (block for root in roots for block in walk(root, get))
    bodies = (record.encode() for record in records)
    abouts = (Block(cid_of(DAG_CBOR, body), body) for body in bodies)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            with temporary.open("xb") as file:
                count = write_car(file, roots, once(chain(contents, abouts)))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            sync_folder(str(target.parent))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EvidenceError(f"{target} cannot be written: {error.strerror or error}") from error
    return {"roots": len(roots), "blocks": count - len(records), "records": len(records)}


def import_car(
    source: Path,
    put: Callable[[Iterable[Block]], None],
    get: Callable[[Cid], bytes],
    given: Given,
    created: str,
    max_size: int,
) -> list[Record]:
    """Put the blocks of the file into a store; the records of its roots, the file's own or new ones of ``given``.

    ``get`` reads them back, verified: each root has to be a complete file.
    """
    records: dict[Cid, list[Record]] = {}

    def contents(car: CarReader) -> Iterator[Block]:
        for block in car.blocks():
            if block.cid.codec != DAG_CBOR:
                yield block
            elif (record := _record(block.data)) is not None:
                records.setdefault(record.content.cid, []).append(record)

    try:
        with source.open("rb") as file:
            car = CarReader(file, str(source))
            put(contents(car))
    except OSError as error:
        raise EvidenceError(f"{source} cannot be imported: {error.strerror or error}") from error
    found = []
    for root in dict.fromkeys(cid._replace(version=1) for cid in car.roots):
        content = _content(root, get, max_size, source)
        for record in records.get(root, [record_of(given, content, created)]):
            if record.content != content:
                raise EvidenceCorruptedError(f"{source}: a record about {root} says otherwise than its bytes")
            found.append(record)
    return found


def _content(root: Cid, get: Callable[[Cid], bytes], max_size: int, source: Path) -> Content:
    whole, size, head = sha256(), 0, b""
    try:
        for piece in read_file(root, get):
            head = head or piece[:HEAD]
            whole.update(piece)
            size += len(piece)
            if size > max_size:
                raise EvidenceError(f"{source}: root {root} is over {max_size} bytes; allow more if that is meant")
    except EvidenceNotFoundError as error:
        raise EvidenceCorruptedError(f"{source} is not complete: {error}") from error
    return Content(root, size, whole.digest(), detect(head))


def _record(data: bytes) -> Record | None:
    """An evidence record; None for other data in this format, which no root needs."""
    try:
        return decode_record(data)
    except ValueError:
        return None
