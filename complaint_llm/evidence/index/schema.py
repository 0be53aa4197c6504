"""The tables of ``store.db``, and how a store of an earlier version becomes one of this version."""

from __future__ import annotations

from sqlite3 import Connection

FORMAT = 3
"""1 was never released; 2 had no log, no list of what each content uses, and no mark of provenance from elsewhere."""

_TABLES = """
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    record_id TEXT NOT NULL UNIQUE,
    cid TEXT NOT NULL,
    user_id TEXT,
    body BLOB NOT NULL,
    body_sha256 BLOB NOT NULL
);
CREATE INDEX records_by_cid ON records (cid);
CREATE INDEX records_by_user ON records (user_id) WHERE user_id IS NOT NULL;
CREATE TABLE blocks (digest BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE pins (cid TEXT PRIMARY KEY);
CREATE TABLE provenance (seq INTEGER PRIMARY KEY, cid TEXT NOT NULL UNIQUE, data BLOB NOT NULL, source TEXT);
CREATE TABLE texts (cid TEXT PRIMARY KEY, data BLOB NOT NULL);
"""

_SINCE_3 = (
    # Which blocks a content has, and so which contents need a block: a codec byte and a digest each.
    "CREATE TABLE uses (root BLOB NOT NULL, block BLOB NOT NULL, PRIMARY KEY (root, block)) WITHOUT ROWID",
    "CREATE INDEX uses_by_block ON uses (block)",
    "CREATE INDEX records_by_body ON records (body_sha256)",
    # Contents with a node that could not be read, so that what they use is not wholly known.
    "CREATE TABLE unknown_uses (root BLOB PRIMARY KEY) WITHOUT ROWID",
    # Where the log has each block, and as what.
    "CREATE TABLE logged (block BLOB, kind BLOB, place INTEGER, PRIMARY KEY (block, kind, place)) WITHOUT ROWID",
    # Blocks that go as soon as nobody is adding: of what was deleted, and of what could not be stored whole.
    "CREATE TABLE doomed (block BLOB PRIMARY KEY) WITHOUT ROWID",
    # log_end: up to where the log is in this index. log_key: of which log. lost: why records may be missing.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('log_end', 0), ('log_key', x''), ('lost', '')",
)

SCHEMA = f"""
PRAGMA journal_mode = wal;
{_TABLES}
{";".join(_SINCE_3)};
PRAGMA user_version = {FORMAT};
"""


def add_tables_of_format_3(connection: Connection) -> None:
    """Make the tables that format 2 lacks, in the transaction of ``connection``, where they are called ``store``."""
    connection.execute("ALTER TABLE store.provenance ADD COLUMN source TEXT")
    for statement in _SINCE_3:
        for word in ("CREATE TABLE ", "CREATE INDEX ", "INSERT INTO "):
            statement = statement.replace(word, f"{word}store.")
        connection.execute(statement)
