"""What was forgotten: only the names stay, of answers' records with the name of the one before, so that what rests on
them can be verified.

The functions work inside a transaction of the caller. A store in which nothing was ever forgotten has no such table.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from complaint_llm.evidence.index.database import Transaction
from complaint_llm.evidence.index.record_log import FORGOTTEN, Frame
from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.evidence.ipld.dagcbor import decode, encode

_DIGEST = 32


class Forgotten(NamedTuple):
    """When something was forgotten (a day, UTC), and which answer's record was before it, if it was one."""

    day: str
    previous: Cid | None = None

    def encode(self) -> bytes:
        """A DAG-CBOR map, and its digest."""
        body = encode({"day": self.day, "previous": self.previous})
        return body + sha256(body).digest()

    @property
    def detail(self) -> str:
        """In words."""
        return f"its contents were removed on {self.day}"


def read_forgotten(data: bytes) -> Forgotten | None:
    """What ``encode`` made; None for anything else."""
    body = data[:-_DIGEST]
    if sha256(body).digest() != data[-_DIGEST:]:
        return None
    try:
        said = decode(body)
        day, previous = said["day"], said["previous"]
    except (ValueError, KeyError, TypeError):
        return None
    known = isinstance(day, str) and isinstance(previous, (Cid, type(None)))
    return Forgotten(day, previous) if known else None


def keep_forgotten(connection: Transaction, name: str, data: bytes) -> None:
    """Note a name; the rows of an answer's record of this name go."""
    connection.execute("CREATE TABLE IF NOT EXISTS store.forgotten (cid TEXT PRIMARY KEY, data BLOB NOT NULL)")
    connection.execute("INSERT OR REPLACE INTO forgotten VALUES (?, ?)", (name, data))
    connection.execute("DELETE FROM provenance WHERE cid = ?", (name,))


def forget(connection: Transaction, cid: Cid, forgotten: Forgotten) -> None:
    """Note a name, in the log too."""
    data = forgotten.encode()
    keep_forgotten(connection, cid.name, data)
    connection.frames.append(Frame(FORGOTTEN, cid, data))


def forgotten_rows(connection: Transaction) -> list[tuple[str, bytes]]:
    """All names with what is kept of them."""
    query = "SELECT 1 FROM store.sqlite_master WHERE type = 'table' AND name = 'forgotten'"
    if connection.execute(query).fetchone() is None:
        return []
    return [(name, bytes(data)) for name, data in connection.execute("SELECT cid, data FROM forgotten")]


def forgotten_names(connection: Transaction) -> dict[str, Forgotten]:
    """What was forgotten, by name; what is damaged of that is left out."""
    found = ((name, read_forgotten(data)) for name, data in forgotten_rows(connection))
    return {name: each for name, each in found if each is not None}
