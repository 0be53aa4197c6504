"""What an IPFS node should have of a store, and has: every content with a record pinned, nothing else of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable

from complaint_llm.evidence.index.database import Database
from complaint_llm.evidence.ipfs.node import IpfsNode
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from complaint_llm.evidence.ipld.unixfs import walk
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

log = logging.getLogger("complaint_llm.evidence")


class IpfsPinning:
    """Keeps a node equal to the store, at once or with the next ``sync``. Any thread may call it.

    The table ``pins`` has what the node pinned for us; ``get`` gives the store's own blocks, verified.
    """

    def __init__(self, node: IpfsNode, database: Database, get: Callable[[Cid], bytes]) -> None:
        self._node = node
        self._database = database
        self._get = get

    def sync(self) -> dict[str, int]:
        """Pin what is not pinned, unpin what was deleted; how many of each. EvidenceError if the node is away."""
        with self._database.transaction("read") as connection:
            wanted = {name for (name,) in connection.execute("SELECT DISTINCT cid FROM records")}
        pinned = self.pinned_names()
        for name in sorted(wanted ^ pinned):
            self._settle(name)
        return {"pinned": len(wanted - pinned), "unpinned": len(pinned - wanted)}

    def try_settle(self, name: str) -> bool:
        """Whether the node has this content now exactly if there is a record about it; tries to make it so.

        A node that is away or refuses is a warning; one that calls a block otherwise is an EvidenceCorruptedError.
        """
        try:
            self._settle(name)
        except EvidenceCorruptedError:
            raise
        except EvidenceError as error:
            log.warning("%s; the store is complete without it, run `complaint-llm evidence sync` later", error)
            return False
        return True

    def pinned_names(self) -> set[str]:
        """The contents that the node has pinned for us."""
        with self._database.transaction("read") as connection:
            return {name for (name,) in connection.execute("SELECT cid FROM pins")}

    def fetch(self, cid: Cid) -> bytes:
        """A block that the store does not have, verified. Raises EvidenceNotFoundError, EvidenceCorruptedError."""
        try:
            data = self._node.get(cid)
        except EvidenceError as error:
            raise EvidenceNotFoundError(f"block {cid} is not in the store, and {error}") from error
        if not cid.matches(data):
            raise EvidenceCorruptedError(f"the IPFS node {self._node.where} gave other bytes than block {cid} has")
        return data

    def close(self) -> None:
        """Close the connections to the node."""
        self._node.close()

    def _settle(self, name: str) -> None:
        with self._database.transaction("read") as connection:
            wanted = connection.execute("SELECT 1 FROM records WHERE cid = ?", (name,)).fetchone() is not None
            pinned = connection.execute("SELECT 1 FROM pins WHERE cid = ?", (name,)).fetchone() is not None
        cid = parse_cid(name)
        if wanted and not pinned:
            self._node.put(walk(cid, self._get))
            self._node.pin(cid)
            self._note("INSERT OR IGNORE INTO pins VALUES (?)", name)
        elif pinned and not wanted:
            self._node.unpin(cid)
            self._note("DELETE FROM pins WHERE cid = ?", name)

    def _note(self, statement: str, name: str) -> None:
        with self._database.transaction("shared") as connection:
            connection.execute(statement, (name,))
