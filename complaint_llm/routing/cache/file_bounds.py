"""How much a cache's file holds, kept by the database itself, and what goes when that is too much: a little a time."""

from __future__ import annotations

import sqlite3

MOST_AT_ONCE = 500
"""Answers deleted with one write, beside as many as it adds."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS totals AS
    SELECT count(*) AS answers, coalesce(sum(length(CAST(answer AS BLOB))), 0) AS bytes FROM answers;
CREATE INDEX IF NOT EXISTS answers_until ON answers (until) WHERE until IS NOT NULL;
CREATE INDEX IF NOT EXISTS matters_key ON matters (key);
CREATE TRIGGER IF NOT EXISTS answers_added AFTER INSERT ON answers BEGIN
    UPDATE totals SET answers = answers + 1, bytes = bytes + length(CAST(NEW.answer AS BLOB));
END;
CREATE TRIGGER IF NOT EXISTS answers_deleted AFTER DELETE ON answers BEGIN
    UPDATE totals SET answers = answers - 1, bytes = bytes - length(CAST(OLD.answer AS BLOB));
    DELETE FROM matters WHERE key = OLD.key;
END;
CREATE TRIGGER IF NOT EXISTS answers_changed AFTER UPDATE ON answers BEGIN
    UPDATE totals SET bytes = bytes + length(CAST(NEW.answer AS BLOB)) - length(CAST(OLD.answer AS BLOB));
END;
"""
"""After the tables ``answers`` and ``matters``. A file of an earlier release is counted once."""

_EXPIRED = "DELETE FROM answers WHERE key IN (SELECT key FROM answers WHERE until <= ? LIMIT ?)"
_OLDEST = "SELECT key, length(CAST(answer AS BLOB)) FROM answers ORDER BY made LIMIT ?"


def delete_some(db: sqlite3.Connection, now: float, *, added: int, size: int, most_bytes: int) -> None:
    """Delete what is no longer good, then the oldest while there are more than ``size`` answers or ``most_bytes``.

    In the caller's transaction; at most so many more than were ``added`` in it. Raises sqlite3.Error.
    """
    most = added + MOST_AT_ONCE
    db.execute(_EXPIRED, (now, most))
    answers, bytes_ = db.execute("SELECT answers, bytes FROM totals").fetchone()
    if answers <= size and bytes_ <= most_bytes:
        return
    doomed = []
    for key, length in db.execute(_OLDEST, (most,)):
        if answers <= size and bytes_ <= most_bytes:
            break
        doomed.append((key,))
        answers -= 1
        bytes_ -= length
    db.executemany("DELETE FROM answers WHERE key = ?", doomed)
