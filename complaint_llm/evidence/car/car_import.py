"""Taking in CAR files that anyone may have made: bounded, verified, whole or not at all, and marked as imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.evidence.car.car import CarReader
from complaint_llm.evidence.index.tables import insert_provenance, insert_record, insert_text
from complaint_llm.evidence.ipld.cid import DAG_CBOR, Cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.evidence.ipld.measure import measure
from complaint_llm.evidence.ipld.unixfs import read_file
from complaint_llm.evidence.ipld.unixfs_folder import is_folder, walk_folder
from complaint_llm.evidence.maintenance.collection import doom
from complaint_llm.evidence.media import FOLDER, HEAD, declared_by, detect
from complaint_llm.evidence.provenance.record import decode_provenance, texts_of
from complaint_llm.evidence.records import Content, Given, Imported, Record, decode_record, record_of, rfc3339
from complaint_llm.evidence.submission import Submission, Submitted
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

MAX_CONTENT = 64 * 1024**3
"""Bytes of content that an import reads at most, unless told otherwise."""

MAX_BLOCKS = 1_000_000
"""Blocks of one CAR file; their names are held in memory."""

_FREE_BYTES, _BYTES_A_BYTE = 256 * 1024**2, 100
_FREE_STEPS, _STEPS_A_BLOCK, _BYTES_A_STEP = 10_000, 10, 64 * 1024

GetBlock = Callable[[Cid], bytes]


class Archive(NamedTuple):
    """What a CAR file has: records of its contents, the names of provenance records and of the texts of these, and what
    got no record, in words."""

    records: tuple[Record, ...]
    provenance: tuple[Cid, ...]
    texts: tuple[Cid, ...]
    left_out: tuple[str, ...]


class ArchiveReader:
    """One CAR file. ``blocks()`` gives its blocks, verified; ``archive`` says what they are once they can be read back.

    Raises EvidenceCorruptedError naming what is wrong.
    """

    def __init__(self, source: Path, max_size: int | None) -> None:
        self._source = source
        self._max_size = max_size
        self.names: list[Cid] = []
        self._roots: tuple[Cid, ...] = ()
        self._bytes = 0

    def blocks(self) -> Iterator[Block]:
        """The blocks, in the order of the file; ``names`` are theirs so far."""
        with self._source.open("rb") as file:
            self._bytes = self._source.stat().st_size
            car = CarReader(file, str(self._source))
            self._roots = tuple(dict.fromkeys(root._replace(version=1) for root in car.roots))
            if not self._roots:
                raise EvidenceCorruptedError(
                    f"{self._source} has no roots, so that nothing says which of its blocks are contents; "
                    "nothing was stored: ask for a file that was made with roots"
                )
            for block in car.blocks():
                if len(self.names) == MAX_BLOCKS:
                    raise EvidenceError(f"{self._source} has more than {MAX_BLOCKS:,} blocks: have it made in parts")
                self.names.append(block.cid._replace(version=1))
                yield block

    def archive(self, get: GetBlock, given: Given, created: str) -> Archive:
        """What the file has. ``get`` reads its blocks back; contents without a record get one of ``given``."""
        try:
            return self._archive(get, given, created)
        except EvidenceNotFoundError as error:
            raise EvidenceCorruptedError(f"{self._source} is not complete: {error}") from error

    def _archive(self, get: GetBlock, given: Given, created: str) -> Archive:
        foreign: dict[Cid, list[Record]] = {}
        provenance: list[Cid] = []
        known: set[Cid] = set()
        named_texts: set[Cid] = set()
        for cid in dict.fromkeys(name for name in self.names if name.codec == DAG_CBOR):
            data = get(cid)
            record = _record(data)
            if record is not None:
                foreign.setdefault(record.content.cid._replace(version=1), []).append(record)
                known.add(cid)
            elif (answered := _provenance(cid, data)) is not None:
                provenance.append(cid)
                named_texts.update(texts_of(answered))
                known.add(cid)
        for root in self._roots:
            if root.codec == DAG_CBOR and root not in known:
                get(root)
                raise EvidenceError(f"{self._source}: root {root} is neither a file, a folder nor a record of ours")
        roots = [root for root in self._roots if root.codec != DAG_CBOR]
        self._check_size([*roots, *foreign], get)
        origin = Imported(self._source.name, None)
        left_out: list[str] = []
        records = []
        for cid, named in self._contents(roots, foreign, given, get, left_out=left_out).items():
            content = _content(cid, get)
            for record in foreign.get(cid, ()):
                if record.content != content:
                    raise EvidenceCorruptedError(f"{self._source}: a record about {cid} says otherwise than its bytes")
                records.append(record._replace(created=created, imported=origin._replace(created=record.created)))
            records += [record_of(each, content, created)._replace(imported=origin) for each in named]
        have = set(self.names)
        return Archive(tuple(records), tuple(provenance), tuple(sorted(named_texts & have)), tuple(left_out))

    def _contents(
        self,
        roots: Iterable[Cid],
        foreign: Mapping[Cid, list[Record]],
        given: Given,
        get: GetBlock,
        *,
        left_out: list[str],
    ) -> dict[Cid, list[Given]]:
        """The contents of the file, each with what is to be said of it where no record of the file does."""
        found: dict[Cid, list[Given]] = {cid: [] for cid in foreign}
        for root in roots:
            found.setdefault(root, [] if root in foreign else [given])
            if not is_folder(root, get):
                continue
            for item in walk_folder(root, get):
                cid = item.cid._replace(version=1)
                if item.kind == "link":
                    left_out.append(f"{item.path} in folder {root} is a symbolic link")
                elif item.kind == "file":
                    name = item.names[-1]
                    here = found.setdefault(cid, [])
                    named = given._replace(file_name=name, declared_type=declared_by(name))
                    if cid not in foreign and named not in here:
                        here.append(named)
        return found

    def _check_size(self, contents: list[Cid], get: GetBlock) -> None:
        size, reads, paths = measure(contents, get)
        limit = self._max_size or min(MAX_CONTENT, _FREE_BYTES + _BYTES_A_BYTE * self._bytes)
        if size > limit:
            raise EvidenceError(
                f"{self._source} has {self._bytes:,} bytes and says that it holds {size:,}, over {limit} bytes; "
                "nothing was stored: --max-size allows more if that is meant"
            )
        steps = _FREE_STEPS + _STEPS_A_BLOCK * len(self.names)
        if max(reads - limit // _BYTES_A_STEP, paths) > steps:
            raise EvidenceError(
                f"{self._source} repeats its {len(self.names):,} blocks so often that reading it out would not end; "
                "nothing was stored"
            )


def _content(cid: Cid, get: GetBlock) -> Content:
    if is_folder(cid, get):
        files = [item.cid for item in walk_folder(cid, get) if item.kind == "file"]
        return Content(cid, measure(files, get).size, cid.digest, FOLDER)
    hashed, size, head = sha256(), 0, b""
    for piece in read_file(cid, get):
        head = head or piece[:HEAD]
        hashed.update(piece)
        size += len(piece)
    return Content(cid, size, hashed.digest(), detect(head))


def _record(data: bytes) -> Record | None:
    """An evidence record; None for other data in this format."""
    try:
        return decode_record(data)
    except ValueError:
        return None


def _provenance(cid: Cid, data: bytes) -> dict[str, Any] | None:
    """A provenance record, decoded; None for other data."""
    try:
        return decode_provenance(cid.name, data)
    except EvidenceError:
        return None


class Taken(NamedTuple):
    """What an import brought: records with whether they are new, the CIDs of provenance records, and in words what got
    no record."""

    records: tuple[Submitted, ...]
    provenance: tuple[str, ...]
    left_out: tuple[str, ...]


def take_archive(into: Submission, source: Path, given: Given, max_size: int | None) -> Taken:
    """Put the blocks of the file into a store, look at them there, and keep what is whole: all of it, or nothing."""
    reader = ArchiveReader(source, max_size)
    with into.cleaned_up(lambda: reader.names), into.database.transaction("shared") as connection:
        # In transactions of their own: this one begins to write when all is known.
        try:
            with into.database.transaction("shared") as putting:
                into.blocks_of(putting).put(reader.blocks())
        except OSError as error:
            raise EvidenceError(f"{source} cannot be imported: {error.strerror or error}") from error
        with into.database.transaction("read") as reading:
            get = into.reader_of(into.blocks_of(reading))
            archive = reader.archive(get, given, rfc3339(into.clock()))
            answers = [(cid, get(cid)) for cid in archive.provenance]
            doom(connection, reader.names)
            records = tuple(insert_record(connection, record, get) for record in archive.records)
            for cid, data in answers:
                insert_provenance(connection, cid, data, source.name)
            for cid in archive.texts:
                insert_text(connection, cid, get(cid))
    into.purge()
    return Taken(records, tuple(cid.name for cid in archive.provenance), archive.left_out)
