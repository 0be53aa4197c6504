"""The evidence store: content by CID, records about it, and what keeps both whole."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from io import BytesIO
from os import PathLike
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from complaint_llm.evidence.blocks import BlockStore, FileBlocks
from complaint_llm.evidence.cid import Cid, parse_cid
from complaint_llm.evidence.collection import PATIENCE_OF_DELETE, collect, remove_unreferenced
from complaint_llm.evidence.database import Database, StoreBusyError
from complaint_llm.evidence.folder import make_folder
from complaint_llm.evidence.intake import Intake, Progress, Readable, groups, open_file
from complaint_llm.evidence.media import declared_by
from complaint_llm.evidence.mirror import Mirror
from complaint_llm.evidence.node import IpfsNode
from complaint_llm.evidence.records import Given, Record, moment, record_of, verified
from complaint_llm.evidence.small_blocks import SmallBlocks
from complaint_llm.evidence.transfer import MAX_CONTENT, export_car, import_car
from complaint_llm.evidence.unixfs import PROFILES, Block, read_file
from complaint_llm.evidence.verification import Verification, verify_store
from complaint_llm.exceptions import ConfigError, EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

log = logging.getLogger("complaint_llm.evidence")


class EvidenceStore:
    """Evidence in a folder of its own (mode 0700, ignored by git), optionally also on an IPFS node.

    Any thread and any process may call it at the same time. What ``submit_*`` returned is on disk. Every read verifies
    every block. Users' texts and names are kept in records only, never logged.

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
            raise ConfigError(f"/EVIDENCE/profile: {profile!r} is none of {', '.join(PROFILES)}")
        self.path = Path(path)
        node = IpfsNode(ipfs_api, public=ipfs_public, local_only=privacy_local) if ipfs_api else None
        self._profile = PROFILES[profile]
        self._clock = clock
        try:
            make_folder(self.path)
            self._blocks: BlockStore = FileBlocks(self.path / "blocks") if blocks is None else blocks
        except OSError as error:
            raise EvidenceError(f"{self.path} cannot be made a store: {error.strerror or error}") from error
        self._embedded = blocks is None
        self.database = Database(self.path)
        self._mirror = None if node is None else Mirror(node, self.database, self.local_block)

    # Adding

    def submit_evidence(
        self,
        data: bytes,
        evidence_type: str,
        description: str = "",
        claim_type: str | None = None,
        claim_element: str | None = None,
        user_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        file_name: str | None = None,
        mime_type: str | None = None,
    ) -> dict[str, Any]:
        """Store bytes with a record about them, durably; the record as a dict.

        The same bytes with the same statements are the record that is there already: ``record_created`` is False then,
        and ``created`` the earlier time. ``mime_type`` is the type that the submitter declares.

        Raises TypeError for data that are not bytes (encode a text first) or statements that cannot be recorded.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"evidence is bytes, not {type(data).__name__}; encode a text first: text.encode()")
        declared = mime_type or (declared_by(file_name) if file_name else None)
        given = Given(
            evidence_type, description, claim_type, claim_element, user_id, metadata, file_name, declared
        ).checked()
        return self._submit([(BytesIO(data), given)], None)[0]

    def submit_evidence_file(
        self,
        path: str | PathLike[str],
        evidence_type: str = "document",
        description: str = "",
        claim_type: str | None = None,
        claim_element: str | None = None,
        user_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        file_name: str | None = None,
        mime_type: str | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Store a file of any size as ``submit_evidence`` does bytes; it is read once and never whole in memory.

        ``file_name`` is what the record calls it (default: the last part of the path). Raises EvidenceError if it is no
        ordinary file or cannot be read.
        """
        given = Given(
            evidence_type, description, claim_type, claim_element, user_id, metadata, file_name, mime_type
        ).checked()
        ((_, outcome),) = self._submit_files([Path(path)], given, progress)
        if isinstance(outcome, EvidenceError):
            raise outcome
        return outcome

    def submit_evidence_files(
        self,
        paths: Iterable[str | PathLike[str]],
        evidence_type: str = "document",
        *,
        progress: Progress | None = None,
        mime_type: str | None = None,
        **statements: Any,
    ) -> Iterator[tuple[Path, dict[str, Any] | EvidenceError]]:
        """Store many files with the same statements: each path with its record, durable, or with why it has none.

        Small files go in groups that wait for the disk together: several times faster than one by one.
        """
        given = Given(evidence_type, declared_type=mime_type, **statements).checked()
        for group in groups(map(Path, paths)):
            yield from self._submit_files(group, given, progress)

    def submit_evidence_stream(
        self,
        stream: Readable,
        evidence_type: str,
        *,
        progress: Progress | None = None,
        mime_type: str | None = None,
        **statements: Any,
    ) -> dict[str, Any]:
        """Store what a binary stream gives until its end; ``statements`` as for ``submit_evidence``."""
        given = Given(evidence_type, declared_type=mime_type, **statements).checked()
        return self._submit([(stream, given)], progress)[0]

    def _submit_files(
        self, paths: list[Path], given: Given, progress: Progress | None
    ) -> Iterator[tuple[Path, dict[str, Any] | EvidenceError]]:
        try:
            with ExitStack() as opened:
                sources = [(opened.enter_context(open_file(path)), given.of_file(path)) for path in paths]
                records = self._submit(sources, progress)
        except EvidenceError as error:
            if len(paths) == 1:
                yield paths[0], error
                return
            # One of them failed: one by one it shows which, and the others are stored.
            for path in paths:
                yield from self._submit_files([path], given, progress)
            return
        yield from zip(paths, records, strict=True)

    def _submit(self, sources: Sequence[tuple[Readable, Given]], progress: Progress | None) -> list[dict[str, Any]]:
        intakes = [(Intake(source, self._profile, progress), given) for source, given in sources]
        with self.database.transaction("shared") as connection:
            with self._disk("store evidence"):
                self.blocks(connection).put(block for intake, _ in intakes for block in intake.blocks())
            now = moment(self._clock())
            written = [self._insert(connection, record_of(given, intake.content, now)) for intake, given in intakes]
        return [self._answer(*each) for each in written]

    def _put(self, blocks: Iterable[Block]) -> None:
        with self.database.transaction("shared") as connection:
            self.blocks(connection).put(blocks)

    def _answer(self, record: Record, created: bool) -> dict[str, Any]:
        found = {**record.as_dict(), "record_created": created}
        if self._mirror is not None:
            found["pinned"] = self._mirror.settled(record.content.cid.name)
        return found

    def _insert(self, connection: Connection, record: Record) -> tuple[Record, bool]:
        """The record that is then there, and whether it is new. The transaction is a shared one."""
        body = record.encode()
        cursor = connection.execute(
            "INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?) ON CONFLICT (record_id) DO NOTHING",
            (record.record_id, record.content.cid.name, record.given.user_id, body, sha256(body).digest()),
        )
        if cursor.rowcount:
            return record, True
        row = connection.execute("SELECT * FROM records WHERE record_id = ?", (record.record_id,)).fetchone()
        return verified(row), False

    # Reading

    def get_evidence_by_cid(self, cid: str) -> dict[str, Any]:
        """The newest record about this content. Raises EvidenceNotFoundError, or EvidenceCorruptedError."""
        records = self.records_of(parse_cid(cid))
        if not records:
            raise EvidenceNotFoundError(f"no record of {cid} in {self.path}: `complaint-llm evidence list` shows all")
        return self._shown(records[-1:])[0]

    def get_user_evidence(self, user_id: str) -> list[dict[str, Any]]:
        """All records of a user, oldest first; an empty list if there are none."""
        return self._shown(self._records("SELECT * FROM records WHERE user_id = ? ORDER BY seq", user_id))

    def list_evidence(self) -> list[dict[str, Any]]:
        """All records, oldest first."""
        return self._shown(self._records("SELECT * FROM records ORDER BY seq"))

    def retrieve_evidence(self, cid: str) -> bytes:
        """The content, verified; from the IPFS node where it is not here. Large content: ``iter_evidence``.

        Raises EvidenceNotFoundError, or EvidenceCorruptedError naming the block that is not what its CID says.
        """
        return b"".join(self.iter_evidence(cid))

    def iter_evidence(self, cid: str) -> Iterator[bytes]:
        """The content in pieces, each verified before it is given out."""
        return read_file(parse_cid(cid), self.block)

    def block(self, cid: Cid) -> bytes:
        """One block, verified; from the IPFS node where it is not here."""
        try:
            return self.local_block(cid)
        except EvidenceNotFoundError:
            if self._mirror is None:
                raise
        return self._mirror.fetch(cid)

    def local_block(self, cid: Cid) -> bytes:
        """One block of this store, verified."""
        with self.database.transaction("read") as connection:
            return self._reader(self.blocks(connection))(cid)

    def blocks(self, connection: Connection) -> BlockStore:
        """All blocks of this store, unverified, as the transaction of ``connection`` sees them, and while it lasts."""
        return SmallBlocks(self.database, connection, self._blocks) if self._embedded else self._blocks

    def records_of(self, cid: Cid) -> list[Record]:
        """The records about one content, oldest first, verified."""
        return self._records("SELECT * FROM records WHERE cid = ? ORDER BY seq", cid.name)

    def _records(self, query: str, *values: str) -> list[Record]:
        with self.database.transaction("read") as connection:
            rows = connection.execute(query, values).fetchall()
        return [verified(row) for row in rows]

    def _shown(self, records: list[Record]) -> list[dict[str, Any]]:
        if self._mirror is None:
            return [record.as_dict() for record in records]
        pinned = self._mirror.pinned()
        return [{**record.as_dict(), "pinned": record.content.cid.name in pinned} for record in records]

    def _reader(self, blocks: BlockStore) -> Callable[[Cid], bytes]:
        """``local_block`` inside a transaction."""

        def get(cid: Cid) -> bytes:
            with self._disk(f"give block {cid}"):
                data = blocks.get(cid)
            if data is None:
                raise EvidenceNotFoundError(f"block {cid} is not in {self.path}")
            if not cid.matches(data):
                raise EvidenceCorruptedError(
                    f"block {cid} in {self.path} is damaged: its bytes are not what it is named by; "
                    "submit the original again to mend it, or restore it from a copy"
                )
            return data

        return get

    @contextmanager
    def _disk(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EvidenceError(f"{self.path} cannot {what}: {error.strerror or error}") from error

    # Removing

    def delete_evidence(self, cid: str) -> dict[str, Any]:
        """Delete all records of this content, then its blocks unless other evidence has them too.

        ``blocks`` in the answer is how many were removed; None if that has to wait for ``gc``, because others were
        adding just then or other evidence is damaged. It is unpinned on the IPFS node, at the next ``sync`` if the
        node is away. Raises EvidenceNotFoundError.
        """
        root = parse_cid(cid)
        with self.database.transaction("shared") as connection:
            gone = connection.execute("DELETE FROM records WHERE cid = ?", (root.name,)).rowcount
        if not gone:
            raise EvidenceNotFoundError(f"no record of {cid} in {self.path}")
        blocks: int | None
        try:
            with self._disk("remove blocks"), self.database.transaction("exclusive", PATIENCE_OF_DELETE) as connection:
                found = self.blocks(connection)
                blocks = remove_unreferenced(connection, found, self._reader(found), root)
        except (StoreBusyError, EvidenceCorruptedError) as error:
            log.warning("deleted the records of %s; its blocks stay until `complaint-llm evidence gc`: %s", cid, error)
            blocks = None
        self.database.overwrite_deleted()
        if self._mirror is not None:
            self._mirror.settled(root.name)
        return {"cid": root.name, "records": gone, "blocks": blocks}

    def gc(self) -> dict[str, int]:
        """Remove all blocks that no evidence has, and what interrupted writes left. Waits until no one is adding.

        Raises EvidenceCorruptedError, having removed nothing, if evidence is damaged so that what it needs is unknown.
        """
        with self._disk("remove blocks"), self.database.transaction("exclusive") as connection:
            blocks = self.blocks(connection)
            return collect(connection, blocks, self._reader(blocks))

    # The IPFS node

    def sync(self) -> dict[str, int]:
        """Give the IPFS node what it missed: pin what is not pinned, unpin what was deleted; the counts of both.

        Raises EvidenceError if it is still away, or if no node is configured.
        """
        if self._mirror is None:
            raise EvidenceError('no IPFS node is configured: set "ipfs_api" in the EVIDENCE section')
        return self._mirror.sync()

    # Verification, and archives

    def verify(self, progress: Progress | None = None) -> Verification:
        """Check every bit: records, blocks, trees, provenance. ``faults`` names everything that is not as written."""
        broken = self.database.check()
        with self._disk("be read"), self.database.transaction("shared") as connection:
            return verify_store(connection, self.blocks(connection), broken, progress)

    def export_car(
        self, cids: Iterable[str], target: str | PathLike[str], *, with_records: bool = True
    ) -> dict[str, int]:
        """Write content, verified, and its records as a CAR v1 file that other IPFS tools read; the counts of both."""
        roots = list(dict.fromkeys(parse_cid(cid) for cid in cids))
        records = [record for root in roots for record in self.records_of(root)] if with_records else []
        return export_car(Path(target), roots, records, self.block)

    def import_car(
        self,
        source: str | PathLike[str],
        evidence_type: str = "imported",
        *,
        max_size: int | None = None,
        **statements: Any,
    ) -> list[dict[str, Any]]:
        """Take in a CAR v1 file: every block verified, every root complete; the records of its roots.

        A root without a record in the file gets one of ``evidence_type`` and ``statements``. ``max_size`` bounds the
        bytes of one root (64 GiB): a small file can describe a huge one. Raises EvidenceCorruptedError naming what is
        wrong; no record is kept then.
        """
        given = Given(evidence_type, **statements).checked()
        with self.database.transaction("shared") as connection:
            records = import_car(
                Path(source), self._put, self.local_block, given, moment(self._clock()), max_size or MAX_CONTENT
            )
            found = [self._insert(connection, record) for record in records]
        return [self._answer(*each) for each in found]

    def close(self) -> None:
        """Close files and connections. May be called again."""
        if self._mirror is not None:
            self._mirror.close()
        self._blocks.close()
        self.database.close()

    def __enter__(self) -> EvidenceStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
