"""How evidence gets into a store: its blocks first, then its record and what it uses, in one commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from complaint_llm.evidence.blocks.small_blocks import MAX_HELD, SmallBlocks, put_rows
from complaint_llm.evidence.chunker import ContentChunker, OpenFile, Progress, Readable, groups
from complaint_llm.evidence.folder_scan import Missing, Scan
from complaint_llm.evidence.index.database import Database, StoreBusyError, Transaction
from complaint_llm.evidence.index.group_commit import GroupCommit
from complaint_llm.evidence.index.tables import GetBlock, insert_record
from complaint_llm.evidence.ipld.cid import RAW, Cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.evidence.ipld.unixfs import Profile
from complaint_llm.evidence.ipld.unixfs_folder import FolderEntry, folder_blocks, total_of
from complaint_llm.evidence.maintenance.collection import doom, purge
from complaint_llm.evidence.media import FOLDER
from complaint_llm.evidence.records import Content, Given, Record, record_of, rfc3339
from complaint_llm.exceptions import EvidenceError

log = logging.getLogger("complaint_llm.evidence")
_CLEANING_TIMEOUT = 0.05

Submitted = tuple[Record, bool]
"""The record that is there, and whether it is new."""


class Submission(NamedTuple):
    """What adding needs of a store. Any thread may use it.

    ``longest_row`` is how many bytes of a leaf are kept as a row, -1 where none is; ``together`` commits what is small.
    """

    database: Database
    together: GroupCommit
    longest_row: int
    blocks_of: Callable[[Transaction], SmallBlocks]
    reader_of: Callable[[SmallBlocks], GetBlock]
    profile: Profile
    clock: Callable[[], float]

    def submit(self, sources: Sequence[tuple[Readable, Given]], progress: Progress | None) -> list[Submitted]:
        """Store contents together, or none of them. Raises EvidenceError."""
        chunkers = [(ContentChunker(source, self.profile, progress), given) for source, given in sources]
        blocks = chain.from_iterable(chunker.blocks() for chunker, _ in chunkers)

        def names() -> list[Cid]:
            return [name for chunker, _ in chunkers for name in chunker.names]

        def insert_records(connection: Transaction) -> list[Submitted]:
            now = rfc3339(self.clock())
            return [
                insert_record(connection, record_of(given, chunker.content, now), chunker.names)
                for chunker, given in chunkers
            ]

        def insert_all(connection: Transaction) -> list[Submitted]:
            put_rows(connection, begun)
            return insert_records(connection)

        with self.disk("store evidence"):
            begun, is_whole = self._read_rows(blocks)
        if is_whole:
            return self.together.write(insert_all)
        with self.cleaned_up(names), self.database.transaction("shared") as connection:
            with self.disk("store evidence"):
                self.blocks_of(connection).put(chain(begun, blocks))
            return insert_records(connection)

    def _read_rows(self, blocks: Iterator[Block]) -> tuple[list[Block], bool]:
        """The first blocks, and whether these are all, small enough to become rows together."""
        begun: list[Block] = []
        held = 0
        for block in blocks:
            begun.append(block)
            held += len(block.data)
            if block.cid.codec != RAW or len(block.data) > self.longest_row or held > MAX_HELD:
                return begun, False
        return begun, True

    def submit_files(
        self, paths: Iterable[Path], given: Given, progress: Progress | None
    ) -> Iterator[tuple[Path, Submitted | EvidenceError]]:
        """Store files, small ones in groups that wait for the disk together: each with its record, or why not."""
        for group in groups(paths):
            yield from self._submit_group(group, given, progress)

    def _submit_group(
        self, paths: list[Path], given: Given, progress: Progress | None
    ) -> Iterator[tuple[Path, Submitted | EvidenceError]]:
        try:
            with ExitStack() as opened:
                sources = [(opened.enter_context(closing(OpenFile(path))), given.of_file(path)) for path in paths]
                found = self.submit(sources, progress)
        except EvidenceError as error:
            if len(paths) == 1:
                yield paths[0], error
                return
            # One of them failed: one by one it shows which, and the others are stored.
            for path in paths:
                yield from self._submit_group([path], given, progress)
            return
        yield from zip(paths, found, strict=True)

    def submit_folder(
        self, top: Path, scan: Scan, given: Given, progress: Progress | None
    ) -> Iterator[tuple[Path, Submitted | EvidenceError]]:
        """Store the files of a folder, then the folder itself as far as it could be had, last.

        What is missing is an error beside its path, and named in the folder's record.
        """
        places = {file.path: file.place for file in scan.files}
        entries: dict[tuple[str, ...], dict[str, FolderEntry]] = {place: {} for place in scan.folders}
        missing = list(scan.missing)
        size = 0
        for path, outcome in self.submit_files(places, given, progress):
            *folder, name = places[path]
            if isinstance(outcome, EvidenceError):
                missing.append(Missing(path, places[path], str(outcome).removeprefix(f"{path} ")))
                continue
            cid = outcome[0].content.cid
            size += outcome[0].content.size
            if name in entries[tuple(folder)]:
                missing.append(Missing(path, places[path], "has the same name as another once it is text"))
            else:
                with self.database.transaction("read") as connection:
                    total = total_of(cid, self.reader_of(self.blocks_of(connection)))
                entries[tuple(folder)][name] = FolderEntry(name, cid, total)
            yield path, outcome
        yield from ((each.path, each.error) for each in missing)
        if not entries:
            return  # not even the folder itself could be listed
        named = given._replace(file_name=given.file_name or top.resolve().name, declared_type=None)
        if missing:
            names = sorted("/".join(each.place) for each in missing)
            named = named._replace(metadata={**(given.metadata or {}), "missing": names})
        try:
            yield top, self._submit_nodes(entries, named, size)
        except EvidenceError as error:
            yield top, error

    def _submit_nodes(
        self, entries: dict[tuple[str, ...], dict[str, FolderEntry]], given: Given, size: int
    ) -> Submitted:
        nodes: list[Block] = []
        # Those that are deepest first: a folder is an entry of the one above it.
        for place in sorted(entries, key=len, reverse=True):
            made = folder_blocks(entries[place].values())
            nodes.extend(made)
            root = made[-1].cid
            if place:
                have = {block.cid: block.data for block in made}
                entry = FolderEntry(place[-1], root, total_of(root, have.__getitem__))
                entries[place[:-1]][place[-1]] = entry
        content = Content(root, size, root.digest, FOLDER)
        record = record_of(given, content, rfc3339(self.clock()))
        names = [node.cid for node in nodes]
        with self.cleaned_up(lambda: names), self.database.transaction("shared") as connection:
            with self.disk("store evidence"):
                self.blocks_of(connection).put(nodes)
            with self.database.transaction("read") as reading:
                return insert_record(connection, record, self.reader_of(self.blocks_of(reading)))

    @contextmanager
    def cleaned_up(self, names: Callable[[], list[Cid]]) -> Iterator[None]:
        """Take back the blocks of what could not be stored whole, unless other evidence has them."""
        try:
            yield
        except BaseException:
            self._clean_up(names())
            raise

    def purge(self) -> None:
        """Remove what is noted as not needed, unless others are adding: then it goes with the next deletion."""
        try:
            with self.database.transaction("exclusive", _CLEANING_TIMEOUT) as connection:
                purge(connection, self.blocks_of(connection))
        except StoreBusyError:
            return

    def _clean_up(self, names: list[Cid]) -> None:
        try:
            with self.database.transaction("shared") as connection:
                doom(connection, names)
            self.purge()
        except (EvidenceError, OSError) as error:
            log.warning("blocks of evidence that could not be stored stay until `complaint-llm evidence gc`: %s", error)

    @contextmanager
    def disk(self, what: str) -> Iterator[None]:
        """Word errors of the disk."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise EvidenceError(f"{self.database.folder} cannot {what}: {reason}") from error
