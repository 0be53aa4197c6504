"""The evidence store: content by CID, records about it, and what keeps both whole."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from complaint_llm.evidence.blocks.small_blocks import SmallBlocks
from complaint_llm.evidence.car.car_export import Selection, write_archive
from complaint_llm.evidence.car.car_import import take_archive
from complaint_llm.evidence.chunker import Progress, Readable
from complaint_llm.evidence.folder_scan import scan
from complaint_llm.evidence.index.database import Database, StoreBusyError, key_of
from complaint_llm.evidence.index.tables import unused_blocks
from complaint_llm.evidence.ipld.cid import parse_cid
from complaint_llm.evidence.maintenance.collection import DELETE_TIMEOUT, collect
from complaint_llm.evidence.maintenance.forgetting import Forgetting, MatterHoldings, forget_matter, matter_holdings
from complaint_llm.evidence.maintenance.read_before import FILE_NAME as READ_BLOCKS
from complaint_llm.evidence.maintenance.read_before import ReadBefore, Stamps, keep_read, read_before
from complaint_llm.evidence.maintenance.rebuild import Rebuilt, rebuild
from complaint_llm.evidence.maintenance.removal import Deleted, delete
from complaint_llm.evidence.maintenance.verification import Verification, verify_store
from complaint_llm.evidence.media import declared_by
from complaint_llm.evidence.opened_store import OpenedStore
from complaint_llm.evidence.provenance.checkpoint import FILE_NAME as CHECKPOINT
from complaint_llm.evidence.records import Given, rfc3339
from complaint_llm.evidence.submission import Submitted
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

log = logging.getLogger("complaint_llm.evidence")


class EvidenceStore(OpenedStore):
    """Evidence in a folder of its own (mode 0700, ignored by git), optionally also on an IPFS node.

    Any thread and any process may call it at the same time. What ``submit_*`` returned is on disk. Every read verifies
    every block. Users' texts and names are kept in records only, never logged. A folder that cannot be written can be
    read.

    ``profile`` says how files are cut (``unixfs-v1``, ``unixfs-v1-2025``); ``ipfs_api`` is a node's RPC address, beyond
    loopback only with ``ipfs_public``, never with ``privacy_local``; ``blocks`` replaces our rows and files of blocks;
    ``clock`` gives Unix seconds. Raises ConfigError for settings that cannot be used, EvidenceError for the folder.

    >>> with EvidenceStore("evidence") as store:  # doctest: +SKIP
    ...     record = store.submit_evidence(b"...", "letter", description="notice to quit", user_id="u-1")
    ...     assert store.retrieve_evidence(record["cid"]) == b"..."
    """

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
        matter: str | None = None,
    ) -> dict[str, Any]:
        """Store bytes with a record about them, durably; the record as a dict.

        The same bytes with the same statements are the record that is there already: ``record_created`` is False then,
        and ``created`` the earlier time. ``mime_type`` is the type that the submitter declares, ``matter`` the matter
        that it belongs to.

        Raises TypeError for data that are not bytes (encode a text first) or statements that cannot be recorded.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"evidence is bytes, not {type(data).__name__}; encode a text first: text.encode()")
        declared = mime_type or (declared_by(file_name) if file_name else None)
        given = Given(
            evidence_type=evidence_type,
            description=description,
            claim_type=claim_type,
            claim_element=claim_element,
            user_id=user_id,
            metadata=metadata,
            file_name=file_name,
            declared_type=declared,
            matter=matter,
        ).check()
        return self._answer(self._submission.submit([(BytesIO(data), given)], None)[0])

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
        matter: str | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Store a file of any size as ``submit_evidence`` does bytes; it is read once and never whole in memory.

        ``file_name`` is what the record calls it (default: the last part of the path). Raises EvidenceError if it is no
        ordinary file or cannot be read.
        """
        given = Given(
            evidence_type=evidence_type,
            description=description,
            claim_type=claim_type,
            claim_element=claim_element,
            user_id=user_id,
            metadata=metadata,
            file_name=file_name,
            declared_type=mime_type,
            matter=matter,
        ).check()
        ((_, outcome),) = self._answers(self._submission.submit_files([Path(path)], given, progress))
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
        given = Given(evidence_type, declared_type=mime_type, **statements).check()
        yield from self._answers(self._submission.submit_files(map(Path, paths), given, progress))

    def submit_evidence_folder(
        self,
        path: str | PathLike[str],
        evidence_type: str = "document",
        *,
        progress: Progress | None = None,
        mime_type: str | None = None,
        **statements: Any,
    ) -> Iterator[tuple[Path, dict[str, Any] | EvidenceError]]:
        """Store every file of a folder, then the folder itself: under the CID of ``ipfs add -r --cid-version=1``.

        Each path with its record or with why it has none, the folder last. Links are not followed. What is missing (it
        cannot be read, is a link, vanished, was changed while it was read) is also named in the folder's record, in
        ``metadata["missing"]``.
        """
        given = Given(evidence_type, declared_type=mime_type, **statements).check()
        top = Path(path)
        yield from self._answers(self._submission.submit_folder(top, scan(top), given, progress))

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
        given = Given(evidence_type, declared_type=mime_type, **statements).check()
        return self._answer(self._submission.submit([(stream, given)], progress)[0])

    def _answers(
        self, outcomes: Iterable[tuple[Path, Submitted | EvidenceError]]
    ) -> Iterator[tuple[Path, dict[str, Any] | EvidenceError]]:
        for path, outcome in outcomes:
            yield path, outcome if isinstance(outcome, EvidenceError) else self._answer(outcome)

    def _answer(self, submitted: Submitted) -> dict[str, Any]:
        record, created = submitted
        found = {**record.as_dict(), "record_created": created}
        if self._pinning is not None:
            found["pinned"] = self._pinning.try_settle(record.content.cid.name)
        return found

    # Removing

    def delete_evidence(self, cid: str) -> dict[str, Any]:
        """Delete all records of this content, then its blocks unless other evidence has them too; for good.

        ``blocks`` in the answer is how many were removed; None if they go with the next deletion or ``gc``, because
        others were adding just then. ``kept_by``, if it is there, names the folders that still have the content in
        them. It is unpinned on the IPFS node, at the next ``sync`` if the node is away. Raises EvidenceNotFoundError.
        """
        root = parse_cid(cid)
        done = delete(self.database, self.blocks, "cid", root.name)
        if not done.records:
            raise EvidenceNotFoundError(f"no record of {cid} in {self.path}")
        return {"cid": root.name, **self._deletion_result(done)}

    def delete_user_evidence(self, user_id: str) -> dict[str, Any]:
        """Delete all records of a user in one go, as ``delete_evidence`` does; contents that others handed in too stay.

        ``cids`` in the answer are those that the records were about. Raises EvidenceNotFoundError if there are none.
        """
        done = delete(self.database, self.blocks, "user_id", user_id)
        if not done.records:
            raise EvidenceNotFoundError(f"no record of this user in {self.path}: `evidence list` shows all")
        return {"user_id": user_id, "cids": [cid.name for cid in done.contents], **self._deletion_result(done)}

    def _deletion_result(self, done: Deleted) -> dict[str, Any]:
        if self._pinning is not None:
            for cid in done.contents:
                self._pinning.try_settle(cid.name)
        kept_by = {"kept_by": [cid.name for cid in done.kept_by]} if done.kept_by else {}
        return {"records": done.records, "blocks": done.blocks, **kept_by}

    def gc(self, *, force: bool = False) -> dict[str, Any]:
        """Move all blocks that no evidence has to the trash, and remove for good what came there 30 days ago.

        Waits until no one is adding. ``moved`` in the answer has the names. Raises EvidenceCorruptedError, having moved
        nothing, if evidence is damaged so that what it needs is unknown, or (unless ``force``) if records were lost.
        """
        with self.disk("remove blocks"), self.database.transaction("exclusive") as connection:
            blocks = self.blocks(connection)
            now = self._clock()
            return collect(
                connection, self.database, blocks, self._trash, get=self.reader_of(blocks), now=now, force=force
            )

    def rebuild(self) -> Rebuilt:
        """Make the index again from the log, and the log again from both. Waits until no one is adding."""
        if self.read_only:
            raise EvidenceError(f"{self.path} cannot be written, so that nothing can be mended there: copy it first")
        with self.disk("be written"):
            return rebuild(self.database, self.blocks, self.reader_of, self._trash)

    # Matters

    def matter_holdings(self, matter: str) -> MatterHoldings:
        """What is kept here of a matter: records of evidence, and of answers."""
        with self.database.transaction("read") as connection:
            return matter_holdings(connection, matter)

    def forget_matter(self, matter: str) -> Forgetting:
        """Delete for good what is kept here of a matter, and finish what an earlier call that was cut short left.

        What other matters' records have too stays. Of each answer's record, and of evidence that other answers cite,
        the name stays, so that what rests on it can be verified: it is "forgotten" then.
        """
        if self.read_only:
            raise EvidenceError(f"{self.path} cannot be written, so that nothing can be forgotten there")
        with self.disk("remove what is to be forgotten"):
            done = forget_matter(self.database, self.blocks, matter, rfc3339(self._clock())[:10])
            for name in (CHECKPOINT, READ_BLOCKS):
                (self.path / name).unlink(missing_ok=True)
        if self._pinning is not None:
            for cid in done.contents:
                self._pinning.try_settle(cid.name)
        return done

    # The IPFS node

    def sync(self) -> dict[str, int]:
        """Give the IPFS node what it missed: pin what is not pinned, unpin what was deleted; the counts of both.

        Raises EvidenceError if it is still away, or if no node is configured.
        """
        if self._pinning is None:
            raise EvidenceError('no IPFS node is configured: set "ipfs_api" in the EVIDENCE section')
        return self._pinning.sync()

    # Verification, and archives

    def verify(self, progress: Progress | None = None, *, all_of_it: bool = True) -> Verification:
        """Check every bit: records, blocks, trees, provenance. ``faults`` names everything that is not as written.

        Without ``all_of_it`` the files of blocks that were read before and did not change since are not read again, so
        that what a disk changed by itself is not seen: ``unread_blocks``, ``since``.
        An index that cannot be read is one fault; the rest is then checked by what the log says.
        """
        try:
            broken = self.database.check()
        except EvidenceCorruptedError as error:
            broken = [str(error)]
        if not broken:
            before = None if all_of_it else read_before(self.path)
            return self._drop_blocks_being_added(self._verify_index(self.database, broken, progress, before))
        with closing(Database(self.path, read_only=True, from_log=True)) as private:
            self._bring_up_to_date(private)
            return self._verify_index(private, broken, progress)

    def _verify_index(
        self, database: Database, broken: list[str], progress: Progress | None, before: ReadBefore | None = None
    ) -> Verification:
        began, stamps = self._clock(), Stamps(self._clock())
        kind: Literal["read", "shared"] = "read" if database.read_only else "shared"
        with self.disk("be read"), database.transaction(kind) as connection:
            blocks = SmallBlocks(database, connection, self._files, self._trash, rows=self._embedded)
            common = (connection, database, blocks, self._trash)
            found = verify_store(*common, broken=broken, progress=progress, before=before, stamps=stamps)
        if stamps and not self.read_only:
            keep_read(self.path, ReadBefore(found.since or rfc3339(began), frozenset(stamps)))
        return found

    def _drop_blocks_being_added(self, found: Verification) -> Verification:
        """Without those orphans that are blocks of somebody who is adding just now."""
        orphans = {fault.name for fault in found.faults if fault.kind == "orphan"}
        if not orphans or self.read_only:
            return found
        try:
            with self.database.transaction("exclusive", DELETE_TIMEOUT) as connection:
                used = {name for name in orphans if not unused_blocks(connection, [key_of(parse_cid(name))])}
        except StoreBusyError:
            log.warning("%d blocks have no record yet: others are adding, verify again later", len(orphans))
            used = orphans
        return found._replace(faults=tuple(f for f in found.faults if f.kind != "orphan" or f.name not in used))

    def export_car(
        self,
        cids: Iterable[str],
        target: str | PathLike[str],
        *,
        with_records: bool = True,
        with_chain: bool = False,
    ) -> dict[str, Any]:
        """Write content, verified, and its records as a CAR v1 file that other IPFS tools read; what it has, counted.

        A CID of provenance brings its texts and the evidence that it cites, and ``with_chain`` the records before it.
        ``left_out`` says in words what could not be had of that.
        """
        with self.database.transaction("read") as connection:
            selection = Selection(connection, self.block)
            for cid in cids:
                selection.add(parse_cid(cid), with_chain=with_chain)
            return self._write_selection(selection, target, with_records)

    def export_all(self, target: str | PathLike[str], *, with_records: bool = True) -> dict[str, Any]:
        """Write the whole store, provenance included, as ``export_car`` does; damaged evidence is ``left_out``."""
        with self.database.transaction("read") as connection:
            selection = Selection(connection, self.block)
            selection.add_everything()
            return self._write_selection(selection, target, with_records)

    def export_matter(
        self, matter: str, target: str | PathLike[str], *, with_records: bool = True
    ) -> dict[str, Any]:
        """Write what belongs to a matter as ``export_car`` does: its evidence with its own records alone, and the
        records of its answers with their texts. Raises EvidenceNotFoundError if there is nothing."""
        with self.database.transaction("read") as connection:
            held = matter_holdings(connection, matter)
            if not held.records and not held.answers:
                raise EvidenceNotFoundError(f"nothing of this matter is in {self.path}: `evidence list` shows all")
            selection = Selection(connection, self.block)
            selection.left_out.extend(held.damaged)
            for cid in (*held.contents, *map(parse_cid, held.answers)):
                selection.add(cid, with_chain=False)
            return self._write_selection(selection, target, with_records, matter)

    def _write_selection(
        self, selection: Selection, target: str | PathLike[str], with_records: bool, matter: str | None = None
    ) -> dict[str, Any]:
        if with_records:
            selection.add_records(matter)
        done = write_archive(Path(target), selection)
        return {**done._asdict(), "left_out": list(done.left_out)}

    def import_archive(
        self,
        source: str | PathLike[str],
        evidence_type: str = "imported",
        *,
        max_size: int | None = None,
        **statements: Any,
    ) -> dict[str, Any]:
        """Take in a CAR v1 file: every block verified, every root complete, or nothing of it.

        ``records`` in the answer are those of its contents, ``provenance`` the CIDs of answers' records, ``left_out``
        what has no record, in words. Files in folders get records of their own. A content without a record in the file
        gets one of ``evidence_type`` and ``statements``. All are marked as imported; what another program says of the
        time is kept apart. ``max_size`` bounds the bytes of all contents; otherwise 256 MiB and 100 times the file, at
        most 64 GiB, because a small file can describe a huge one. Raises EvidenceCorruptedError naming what is wrong.
        """
        given = Given(evidence_type, **statements).check()
        done = take_archive(self._submission, Path(source), given, max_size)
        return {**done._asdict(), "records": [self._answer(each) for each in done.records]}

    def import_car(
        self, source: str | PathLike[str], evidence_type: str = "imported", **more: Any
    ) -> list[dict[str, Any]]:
        """The records that ``import_archive`` makes."""
        records: list[dict[str, Any]] = self.import_archive(source, evidence_type, **more)["records"]
        return records
