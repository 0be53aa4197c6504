"""An opened store: its folder, its index and its blocks, and what can be read of them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self

from complaint_llm.evidence.blocks.file_blocks import BlockStore, FileBlocks
from complaint_llm.evidence.blocks.small_blocks import SMALL, SmallBlocks
from complaint_llm.evidence.blocks.trash import Trash
from complaint_llm.evidence.folder_out import write_folder
from complaint_llm.evidence.index.database import Database, Transaction, key_of
from complaint_llm.evidence.index.group_commit import GroupCommit
from complaint_llm.evidence.index.tables import bring_up_to_date, checked_record, read_records
from complaint_llm.evidence.ipfs.ipfs_pinning import IpfsPinning
from complaint_llm.evidence.ipfs.node import IpfsNode
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from complaint_llm.evidence.ipld.unixfs import PROFILES, read_file
from complaint_llm.evidence.ipld.unixfs_folder import is_folder, walk_folder
from complaint_llm.evidence.maintenance.collection import GetBlock
from complaint_llm.evidence.records import Record
from complaint_llm.evidence.submission import Submission
from complaint_llm.exceptions import ConfigError, EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError
from complaint_llm.json_schema.given_keys import placed_error
from complaint_llm.private_folder import take_private_folder

log = logging.getLogger("complaint_llm.evidence")

_PAGE = 100
"""Records that are read at once."""

Damaged = Callable[[EvidenceCorruptedError], object]
"""What is told of each record that is not as it was written."""


class OpenedStore:
    """What is behind ``EvidenceStore``, which says what its arguments are; the reading half of it.

    ``profile`` says how files are cut (``unixfs-v1``, ``unixfs-v1-2025``); ``ipfs_api`` is a node's RPC address, beyond
    loopback only with ``ipfs_public``, never with ``privacy_local``; ``blocks`` replaces our rows and files of blocks;
    ``clock`` gives Unix seconds. Raises ConfigError for settings that cannot be used, EvidenceError for the folder.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        profile: str = "unixfs-v1",
        ipfs_api: str | None = None,
        ipfs_public: bool = False,
        privacy_local: bool = False,
        blocks: BlockStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if profile not in PROFILES:
            raise placed_error(ConfigError, (("EVIDENCE", "profile"), f"{profile!r} is none of {', '.join(PROFILES)}"))
        self.path = Path(path)
        node = IpfsNode(ipfs_api, public=ipfs_public, local_only=privacy_local) if ipfs_api else None
        self._clock = clock
        self._embedded = blocks is None
        self.read_only = _is_read_only(self.path)
        files = FileBlocks(self.path / "blocks")
        self._files: BlockStore = files if blocks is None else blocks
        self._trash = Trash(self.path / "trash")
        try:
            if not self.read_only:
                if not take_private_folder(self.path):
                    raise EvidenceError(f"{self.path} is in use for something else: give evidence a folder of its own")
                if blocks is None:
                    files.create()
        except OSError as error:
            raise EvidenceError(f"{self.path} cannot be made a store: {error.strerror or error}") from error
        self.database = Database(self.path, read_only=self.read_only)
        try:
            self._bring_up_to_date(self.database)
        except EvidenceCorruptedError as error:
            log.warning("%s", error)  # so does every use; ``rebuild`` mends it
        self.database.sealed = self.read_only
        self._submission = Submission(
            database=self.database,
            together=GroupCommit(self.database),
            longest_row=SMALL if self._embedded else -1,
            blocks_of=self.blocks,
            reader_of=self.reader_of,
            profile=PROFILES[profile],
            clock=clock,
        )
        self._pinning = None if node is None else IpfsPinning(node, self.database, self.local_block)

    def _bring_up_to_date(self, database: Database) -> None:
        bring_up_to_date(database, lambda connection: self.reader_of(self.blocks(connection)))
        if database.made_anew:
            # Of a new folder there is nothing to say; where blocks are, records were.
            with database.transaction("shared") as connection:
                connection.execute("UPDATE meta SET value = value WHERE name = 'lost'")
                used = {bytes(block) for (block,) in connection.execute("SELECT block FROM uses")}
                if any(key_of(cid) not in used for cid in self.blocks(connection).list()):
                    reason = "store.db was missing, and records.log does not have them all"
                    connection.execute("UPDATE meta SET value = ? WHERE name = 'lost'", (reason,))

    def get_evidence_by_cid(self, cid: str) -> dict[str, Any]:
        """The newest record about this content. Raises EvidenceNotFoundError, or EvidenceCorruptedError if none is
        whole."""
        records = self.records_of(parse_cid(cid))
        if not records:
            raise EvidenceNotFoundError(f"no record of {cid} in {self.path}: `complaint-llm evidence list` shows all")
        return self._as_dicts(records[-1:])[0]

    def get_user_evidence(self, user_id: str, damaged: Damaged | None = None) -> list[dict[str, Any]]:
        """All records of a user, oldest first; none is an empty list. ``damaged`` as for ``list_evidence``."""
        return list(self.iter_records(user_id, damaged=damaged))

    def list_evidence(self, damaged: Damaged | None = None) -> list[dict[str, Any]]:
        """All records, oldest first. Each that is damaged goes to ``damaged``; without one it is a warning."""
        return list(self.iter_records(damaged=damaged))

    def iter_records(
        self, user_id: str | None = None, *, after: str | None = None, damaged: Damaged | None = None
    ) -> Iterator[dict[str, Any]]:
        """The records one by one, oldest first, of one user or of all: read as far as they are taken.

        ``after`` is the ``record_id`` behind which to go on; raises EvidenceNotFoundError if there is none such.
        ``damaged`` as for ``list_evidence``.
        """
        last = 0 if after is None else self._place_of(after)
        query = "SELECT * FROM records WHERE seq > ? ORDER BY seq LIMIT ?"
        values: tuple[object, ...] = ()
        if user_id is not None:
            query, values = query.replace("WHERE", "WHERE user_id = ? AND"), (user_id,)
        while True:
            with self.database.transaction("read") as connection:
                rows = connection.execute(query, (*values, last, _PAGE)).fetchall()
            yield from self._as_dicts(list(_intact(map(checked_record, rows), damaged)))
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def _place_of(self, record_id: str) -> int:
        with self.database.transaction("read") as connection:
            row = connection.execute("SELECT seq FROM records WHERE record_id = ?", (record_id,)).fetchone()
        if row is None:
            raise EvidenceNotFoundError(f"no record {record_id} in {self.path} to go on after; start without it")
        return int(row[0])

    def retrieve_evidence(self, cid: str) -> bytes:
        """The content, verified; from the IPFS node where it is not here. Large content: ``iter_evidence``.

        Raises EvidenceNotFoundError, or EvidenceCorruptedError naming the block that is not what its CID says.
        """
        return b"".join(self.iter_evidence(cid))

    def iter_evidence(self, cid: str) -> Iterator[bytes]:
        """The content in pieces, each verified before it is given out."""
        return read_file(parse_cid(cid), self.block)

    def write_folder(self, cid: str, target: str | PathLike[str]) -> list[str]:
        """Write a folder that was stored to a new folder, every block verified; in words, what is not in it.

        Raises EvidenceError if ``cid`` is no folder, or ``target`` is there already.
        """
        return write_folder(parse_cid(cid), self.block, Path(target))

    def is_folder(self, cid: str) -> bool:
        """Whether this content is a folder."""
        return is_folder(parse_cid(cid), self.block)

    def size_of(self, cid: Cid) -> tuple[Literal["file", "folder"], int]:
        """What a content of this store is, and its bytes, each of which is verified."""
        with self.database.transaction("read") as connection:
            get = self.reader_of(self.blocks(connection))
            if not is_folder(cid, get):
                return "file", sum(map(len, read_file(cid, get)))
            files = [item.cid for item in walk_folder(cid, get) if item.kind == "file"]
            sizes = {file: sum(map(len, read_file(file, get))) for file in set(files)}
            return "folder", sum(sizes[file] for file in files)

    def block(self, cid: Cid) -> bytes:
        """One block, verified; from the IPFS node where it is not here."""
        try:
            return self.local_block(cid)
        except EvidenceNotFoundError:
            if self._pinning is None:
                raise
        return self._pinning.fetch(cid)

    def local_block(self, cid: Cid) -> bytes:
        """One block of this store, verified."""
        with self.database.transaction("read") as connection:
            return self.reader_of(self.blocks(connection))(cid)

    def blocks(self, connection: Transaction) -> SmallBlocks:
        """All blocks of this store, unverified, as the transaction of ``connection`` sees them, and while it lasts."""
        return SmallBlocks(self.database, connection, self._files, self._trash, rows=self._embedded)

    def records_of(self, cid: Cid) -> list[Record]:
        """The records about one content, oldest first, verified. Raises EvidenceCorruptedError if none is whole."""
        with self.database.transaction("read") as connection:
            found = list(read_records(connection, "SELECT * FROM records WHERE cid = ? ORDER BY seq", (cid.name,)))
        intact = [record for record in found if isinstance(record, Record)]
        for error in found:
            if not isinstance(error, Record):
                if not intact:
                    raise error
                log.warning("%s", error)
        return intact

    def _as_dicts(self, records: list[Record]) -> list[dict[str, Any]]:
        if self._pinning is None:
            return [record.as_dict() for record in records]
        pinned = self._pinning.pinned_names()
        return [{**record.as_dict(), "pinned": record.content.cid.name in pinned} for record in records]

    def reader_of(self, blocks: BlockStore) -> GetBlock:
        """``local_block`` inside a transaction."""

        def get(cid: Cid) -> bytes:
            with self.disk(f"give block {cid}"):
                data = blocks.get(cid)
            if data is None:
                raise EvidenceNotFoundError(f"block {cid} is not in {self.path}")
            if not cid.matches(data):
                raise EvidenceCorruptedError(
                    f"block {cid} in {self.path} is damaged: its bytes are not what it is named by; "
                    "submit the original again to mend it, or try `complaint-llm evidence rebuild`"
                )
            return data

        return get

    @contextmanager
    def disk(self, what: str) -> Iterator[None]:
        """Errors of the disk become EvidenceError, which says that ``what`` could not be done."""
        try:
            yield
        except OSError as error:
            raise EvidenceError(f"{self.path} cannot {what}: {error.strerror or error}") from error

    def close(self) -> None:
        """Close files and connections. May be called again."""
        if self._pinning is not None:
            self._pinning.close()
        self._files.close()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _intact(found: Iterable[Record | EvidenceCorruptedError], damaged: Damaged | None) -> Iterator[Record]:
    """The whole ones; the others go to ``damaged``, or become a warning."""
    for each in found:
        if isinstance(each, Record):
            yield each
        elif damaged is not None:
            damaged(each)
        else:
            log.warning("%s", each)


def _is_read_only(path: Path) -> bool:
    """Whether a store that is there cannot be written: its medium or its mode only allows reading."""
    return path.is_dir() and not all(
        os.access(each, os.W_OK) for each in (path, path / "store.db", path / "blocks") if each.exists()
    )
