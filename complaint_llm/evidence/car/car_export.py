"""Writing evidence, its records, and provenance with what it cites, to a CAR file.

The roots of the file are what was asked for, so that other tools unpack it; contents come first, then the records about
them and the provenance records with their texts, as blocks that link to each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.evidence.blocks.durable_names import sync_folder
from complaint_llm.evidence.car.car import write_car
from complaint_llm.evidence.index.database import Transaction
from complaint_llm.evidence.index.tables import read_records
from complaint_llm.evidence.ipld.cid import DAG_CBOR, Cid, parse_cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.evidence.ipld.unixfs import walk
from complaint_llm.evidence.ipld.unixfs_folder import is_folder, walk_folder
from complaint_llm.evidence.provenance.record import decode_provenance, texts_of
from complaint_llm.evidence.records import Record
from complaint_llm.exceptions import EvidenceError, EvidenceNotFoundError
from complaint_llm.private_folder import open_private

GetBlock = Callable[[Cid], bytes]


class Exported(NamedTuple):
    """What a CAR file holds, counted, and what was left out of it, in words."""

    roots: int
    blocks: int
    records: int
    provenance: int
    left_out: tuple[str, ...]


class Selection:
    """What is to be written. ``connection`` is in a reading transaction; ``get`` gives verified blocks.

    What cannot be had and was not asked for by its name is left out and said in ``left_out``.
    """

    def __init__(self, connection: Transaction, get: GetBlock) -> None:
        self._connection = connection
        self._get = get
        self.roots: dict[Cid, None] = {}
        self.contents: dict[Cid, None] = {}
        self.records: dict[Cid, bytes] = {}
        self.provenance: dict[Cid, bytes] = {}
        self.texts: dict[Cid, bytes] = {}
        self.left_out: list[str] = []

    def add(self, root: Cid, *, with_chain: bool) -> None:
        """Content, or a provenance record with its texts and the evidence that it cites.

        Of the records before it only these are written, and only ``with_chain``: their texts and evidence may be other
        people's. Raises EvidenceNotFoundError for a provenance record that is not here.
        """
        self.roots[root] = None
        if root.codec != DAG_CBOR:
            self.contents[root] = None
            return
        record = self._add_provenance(root)
        for cid in record["evidence"]:
            self._add_if_whole(cid, "which is cited, ")
        while with_chain and record["previous"] is not None and self._has(record["previous"]):
            record = self._add_provenance(record["previous"], with_texts=False)

    def add_everything(self) -> None:
        """All that is in the store."""
        for (name,) in self._connection.execute("SELECT DISTINCT cid FROM records ORDER BY seq").fetchall():
            try:
                cid = parse_cid(name)
            except EvidenceError:
                continue  # a damaged record, named with the others
            if self._add_if_whole(cid, ""):
                self.roots[cid] = None
        for (name,) in self._connection.execute("SELECT cid FROM provenance ORDER BY seq").fetchall():
            try:
                cid = parse_cid(name)
                self._add_provenance(cid)
            except EvidenceError as error:
                self.left_out.append(f"provenance record {name} is not in the file: {error}")
            else:
                self.roots[cid] = None
        for found in read_records(self._connection, "SELECT * FROM records ORDER BY seq"):
            if not isinstance(found, Record):
                self.left_out.append(str(found))

    def add_records(self, matter: str | None = None) -> None:
        """What was said about the contents, and about the files of those that are folders; of one matter alone."""
        files = (
            item.cid
            for root in self.contents
            if is_folder(root, self._get)
            for item in walk_folder(root, self._get)
            if item.kind == "file"
        )
        for cid in dict.fromkeys(chain(self.contents, files)):
            query = "SELECT * FROM records WHERE cid = ? ORDER BY seq"
            for found in read_records(self._connection, query, (cid.name,)):
                if isinstance(found, Record):
                    if matter not in (None, found.given.matter):
                        continue
                    body = found.encode()
                    self.records[Cid(DAG_CBOR, sha256(body).digest())] = body
                elif str(found) not in self.left_out:
                    self.left_out.append(str(found))

    def blocks(self) -> Iterator[Block]:
        """All blocks, each once."""
        seen: set[Cid] = set()
        contents = (block for root in self.contents for block in walk(root, self._get))
        abouts = (Block(*item) for item in chain(self.records.items(), self.provenance.items(), self.texts.items()))
        for block in chain(contents, abouts):
            if block.cid not in seen:
                seen.add(block.cid)
                yield block

    def _add_if_whole(self, cid: Cid, why: str) -> bool:
        try:
            for _ in walk(cid, self._get):
                pass
        except EvidenceError as error:
            self.left_out.append(f"evidence {cid}, {why}is not in the file: {error}")
            return False
        self.contents[cid] = None
        return True

    def _has(self, cid: Cid) -> bool:
        return self._row(cid) is not None

    def _row(self, cid: Cid) -> bytes | None:
        row = self._connection.execute("SELECT data FROM provenance WHERE cid = ?", (cid.name,)).fetchone()
        return None if row is None else bytes(row[0])

    def _add_provenance(self, cid: Cid, *, with_texts: bool = True) -> dict[str, Any]:
        data = self._row(cid)
        if data is None:
            raise EvidenceNotFoundError(f"{cid} is not here: no provenance record of this name")
        record = decode_provenance(cid.name, data)
        self.provenance[cid] = data
        for text in texts_of(record) if with_texts else ():
            row = self._connection.execute("SELECT data FROM texts WHERE cid = ?", (text.name,)).fetchone()
            if row is not None and text.matches(row[0]):
                self.texts[text] = bytes(row[0])
        return record


def write_archive(target: Path, selection: Selection) -> Exported:
    """Write the file under a temporary name, durably and for its owner alone, and rename it. Raises EvidenceError."""
    if target.exists() and not target.is_file():
        raise EvidenceError(f"{target} is no file: name one to write the archive to")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            with open(temporary, "xb", opener=open_private) as file:
                count = write_car(file, list(selection.roots), selection.blocks())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            sync_folder(target.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EvidenceError(f"{target} cannot be written: {error.strerror or error}") from error
    records, provenance = len(selection.records), len(selection.provenance)
    blocks = count - records - provenance - len(selection.texts)
    return Exported(
        roots=len(selection.roots),
        blocks=blocks,
        records=records,
        provenance=provenance,
        left_out=tuple(selection.left_out),
    )
