"""Small leaves as rows beside the records, all other blocks as files: one sync makes both a small text and its record
durable, where a file of its own would need two more (its bytes, then its folder)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from sqlite3 import Connection

from complaint_llm.evidence.blocks import BlockStore
from complaint_llm.evidence.cid import RAW, Cid
from complaint_llm.evidence.database import Database
from complaint_llm.evidence.unixfs import Block

SMALL = 16 * 1024
"""Bytes of the longest leaf that is a row. SQLite keeps blobs of up to some 100 KB faster than files do, by its own
measurements (sqlite.org/intern-v-extern-blob.html); larger leaves stay files that can be looked at and mended alone."""

_A_GROUP = 1024 * 1024


class SmallBlocks:
    """The blocks of one store as one transaction sees them: a BlockStore for as long as that lasts.

    Which of the two has a block follows from the block alone, so it is never in both. What ``put`` makes rows of is
    durable when the transaction commits. Only the thread that has the transaction may call it.
    """

    def __init__(self, database: Database, connection: Connection, files: BlockStore) -> None:
        self._database = database
        self._connection = connection
        self._files = files

    def get(self, cid: Cid) -> bytes | None:
        row = None
        if cid.codec == RAW:
            row = self._connection.execute("SELECT data FROM blocks WHERE digest = ?", (cid.digest,)).fetchone()
        return self._files.get(cid) if row is None else bytes(row[0])

    def put(self, blocks: Iterable[Block]) -> None:
        small: list[tuple[bytes, bytes]] = []
        held = 0

        def others() -> Iterator[Block]:
            nonlocal held
            for block in blocks:
                if block.cid.codec != RAW or len(block.data) > SMALL:
                    yield block
                    continue
                small.append((block.cid.digest, block.data))
                held += len(block.data)
                if held > _A_GROUP:
                    # In a transaction of its own: this one must not keep other writers waiting while files are read.
                    with self._database.transaction("shared") as connection:
                        _insert(connection, small)
                    small.clear()
                    held = 0

        self._files.put(others())
        _insert(self._connection, small)

    def has(self, cid: Cid) -> bool:
        return self.get(cid) is not None

    def delete(self, cid: Cid) -> None:
        gone = 0
        if cid.codec == RAW:
            gone = self._connection.execute("DELETE FROM blocks WHERE digest = ?", (cid.digest,)).rowcount
        if not gone:
            self._files.delete(cid)

    def list(self) -> Iterator[Cid]:
        rows = self._connection.execute("SELECT digest FROM blocks").fetchall()
        return chain((Cid(RAW, digest) for (digest,) in rows), self._files.list())

    def sweep(self) -> int:
        return self._files.sweep()

    def close(self) -> None:
        """Nothing: the transaction and the files are closed by who has them."""


def _insert(connection: Connection, rows: list[tuple[bytes, bytes]]) -> None:
    connection.executemany(
        "INSERT INTO blocks VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET data = excluded.data"
        " WHERE data IS NOT excluded.data",
        rows,
    )
