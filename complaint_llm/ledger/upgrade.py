"""Makes a ledger of an earlier version one of this version, with all that is in it."""

from __future__ import annotations

import sqlite3

from complaint_llm.ledger.tables import SCHEMA, VERSION
from complaint_llm.ledger.transaction import transaction
from complaint_llm.observers.texts_digest import from_hex

_OLD = "entries_of_version_1"
_UNDER_NEW_NAMES = (
    *("DROP VIEW calls", "DROP VIEW attempts"),
    *("DROP INDEX entries_context", "DROP INDEX entries_matter", "DROP INDEX entries_batch"),
    f"ALTER TABLE entries RENAME TO {_OLD}",
)
_COLUMNS = "id, call, context, matter, batch, input_tokens, output_tokens, cost, seconds, first_piece"


def upgrade(db: sqlite3.Connection) -> None:
    """Upgrade it, if that is to be done, in one transaction. Raises sqlite3.Error; nothing is changed then.

    In version 1 every call had a name, and digests were texts: the first 16 bytes of the hash, in hex.
    """
    if _version(db) == VERSION:
        return
    db.create_function("from_hex", 1, from_hex, deterministic=True)
    with transaction(db):
        if _version(db) < VERSION:  # another process may have done it meanwhile
            for statement in _UNDER_NEW_NAMES:
                db.execute(statement)
            for statement in SCHEMA.split(";\n"):
                if "entries" in statement:
                    db.execute(statement)
            db.execute(
                f"INSERT INTO entries ({_COLUMNS}, digest, tried) "  # noqa: S608 - names of our own
                f"SELECT {_COLUMNS}, from_hex(digest), tried FROM {_OLD} ORDER BY id"
            )
            db.execute(f"DROP TABLE {_OLD}")
            db.execute(f"PRAGMA user_version = {VERSION}")


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)
