"""Small leaves as rows beside the records, all other blocks as files: one commit makes both a small text and its record
durable, where a file of its own would need two more syncs (its bytes, then its folder)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain

from complaint_llm.evidence.blocks.file_blocks import BlockStore, FileBlocks
from complaint_llm.evidence.blocks.trash import Trash
from complaint_llm.evidence.index.database import Database, Transaction, key_of
from complaint_llm.evidence.index.record_log import BLOCK, RECORD, Frame
from complaint_llm.evidence.index.tables import put_short
from complaint_llm.evidence.ipld.cid import RAW, Cid
from complaint_llm.evidence.ipld.dag_pb import Block

SMALL = 16 * 1024
"""Bytes of the longest leaf that is a row. SQLite keeps blobs of up to some 100 KB faster than files do, by its own
measurements (sqlite.org/intern-v-extern-blob.html); larger leaves stay files that can be looked at and mended alone."""

MAX_HELD = 1024 * 1024
"""Bytes of small leaves that are held in memory before they are written."""


class SmallBlocks:
    """The blocks of one store as one transaction sees them: a BlockStore for as long as that lasts.

    A block is a row (and then in the log too) or a file, and for a while perhaps in the trash as well. What ``put``
    makes rows of is durable when the transaction commits. Only the thread that has the transaction may call it.
    ``rows`` is whether small leaves become rows; those that are there are read in any case.
    """

    def __init__(
        self, database: Database, connection: Transaction, files: BlockStore, trash: Trash, *, rows: bool = True
    ) -> None:
        self._database = database
        self._connection = connection
        self._files = files
        self._trash = trash
        self._longest_row = SMALL if rows else -1

    def get(self, cid: Cid) -> bytes | None:
        data = self.get_kept(cid)
        return self._trash.get(cid) if data is None else data

    def get_kept(self, cid: Cid) -> bytes | None:
        """As ``get``, the trash left out."""
        row = None
        if cid.codec == RAW:
            row = self._connection.execute("SELECT data FROM blocks WHERE digest = ?", (cid.digest,)).fetchone()
        return self._files.get(cid) if row is None else bytes(row[0])

    def put(self, blocks: Iterable[Block]) -> None:
        small: list[Block] = []
        held = 0

        def others() -> Iterator[Block]:
            nonlocal held
            for block in blocks:
                if block.cid.codec != RAW or len(block.data) > self._longest_row:
                    yield block
                    continue
                small.append(block)
                held += len(block.data)
                if held > MAX_HELD:
                    # In a transaction of its own: this one must not keep other writers waiting while files are read.
                    with self._database.transaction("shared") as connection:
                        put_rows(connection, small)
                    small.clear()
                    held = 0

        self._files.put(others())
        put_rows(self._connection, small)

    def has(self, cid: Cid) -> bool:
        return self.get(cid) is not None

    def delete(self, cid: Cid) -> None:
        self.delete_all((cid,))

    def delete_all(self, cids: Sequence[Cid]) -> None:
        """Forget blocks everywhere: their rows, their files, what the log and the trash have of them."""
        self.move_out(cids)
        for cid in cids:
            self._trash.delete(cid)

    def move_out(self, cids: Iterable[Cid]) -> None:
        """As ``delete_all``, but for the trash."""
        logged: list[tuple[Cid, int]] = []
        for cid in cids:
            if cid.codec == RAW:
                self._connection.execute("DELETE FROM blocks WHERE digest = ?", (cid.digest,))
            self._files.delete(cid)
            logged += self._taken_from_log(cid)
        if logged:
            self._database.log.erase(logged)

    def _taken_from_log(self, cid: Cid) -> list[tuple[Cid, int]]:
        """Where the log has a block; the index forgets it."""
        # The same bytes may be a kept text as well, or the record of an answer.
        where = "FROM logged WHERE block = ? AND kind IN (?, ?)"
        names = (key_of(cid), BLOCK, RECORD)
        places = [place for (place,) in self._connection.execute(f"SELECT place {where}", names).fetchall()]
        if places:
            self._connection.execute(f"DELETE {where}", names)
        return [(cid, place) for place in places]

    def stamp(self, cid: Cid) -> bytes:
        """What changes when somebody writes to the block: a row's own bytes, a file's size and time of change."""
        if cid.codec == RAW:
            row = self._connection.execute("SELECT data FROM blocks WHERE digest = ?", (cid.digest,)).fetchone()
            if row is not None:
                return sha256(row[0]).digest()
        if not isinstance(self._files, FileBlocks):
            return str(self._files.has(cid)).encode()
        try:
            status = self._files.path(cid).stat()
        except OSError:
            return b"gone"
        return f"{status.st_size} {status.st_mtime_ns}".encode()

    def file_status(self, cid: Cid) -> os.stat_result | None:
        """Of the file that a leaf is kept in; None if it is kept otherwise, or is none."""
        if cid.codec != RAW or not isinstance(self._files, FileBlocks):
            return None
        if self._connection.execute("SELECT 1 FROM blocks WHERE digest = ?", (cid.digest,)).fetchone() is not None:
            return None
        try:
            return self._files.path(cid).stat()
        except OSError:
            return None

    def list(self) -> Iterator[Cid]:
        rows = self._connection.execute("SELECT digest FROM blocks").fetchall()
        return chain((Cid(RAW, digest) for (digest,) in rows), self._files.list())

    def sweep(self) -> int:
        return self._files.sweep()

    def close(self) -> None:
        """Nothing: the transaction and the files are closed by who has them."""


def put_rows(connection: Transaction, blocks: Iterable[Block]) -> None:
    """Keep small leaves as rows, durable when the transaction commits; what was damaged is mended."""
    logged = "SELECT 1 FROM logged WHERE block = ? AND kind = ?"
    for cid, data in blocks:
        if put_short(connection, cid, data) or not connection.execute(logged, (key_of(cid), BLOCK)).fetchone():
            connection.frames.append(Frame(BLOCK, cid, data))
