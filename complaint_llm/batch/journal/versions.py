"""The formats of journals: the present one, and how an older one becomes it."""

from __future__ import annotations

import sqlite3

from complaint_llm.batch.journal.entries import COLUMNS, SCHEMA, JournalEntry, to_row
from complaint_llm.batch.journal.places import SCHEMA as PLACES
from complaint_llm.batch.journal.spans import SCHEMA as SPANS

APPLICATION_ID = 0x434C4A31  # "CLJ1"
VERSION = 4


def upgrade(db: sqlite3.Connection, version: int) -> None:
    """Make the tables (version 0: an empty file), or those of an older version anew, inside the caller's transaction.

    What shaped the answers of version 1 is not known: they are kept whatever the settings are.
    """
    if version == VERSION:
        return
    if version == 1:
        db.execute("ALTER TABLE items RENAME TO items_1")
    if version < 2:
        for statement in SCHEMA.split(";\n"):
            db.execute(statement)
    if version < 3:
        db.execute(PLACES)
    db.execute(SPANS)
    if version == 1:
        insert = f"INSERT INTO items VALUES ({','.join('?' * len(COLUMNS))})"  # noqa: S608 - marks only
        old = db.execute(
            "SELECT row, key, digest, copies, run, position, sends, settled, kind, doubt, record FROM items_1"
        )
        for *known, record in old:
            db.execute(insert, to_row(JournalEntry._make((*known, *[None] * 5, record))))
        db.execute("DROP TABLE items_1")
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={VERSION}")
