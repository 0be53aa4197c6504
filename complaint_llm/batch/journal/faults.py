"""Faults of the database under a journal, in words that say what to do."""

from __future__ import annotations

import sqlite3

ADVICE_DAMAGED = (
    "it is damaged; restore it from a copy, or keep what is readable with --salvage "
    "(in Python complaint_llm.batch.salvage_journal)"
)

_ADVICE = (
    ("SQLITE_BUSY", "another process uses it; wait until that ends, or give another journal"),
    ("SQLITE_LOCKED", "another process uses it; wait until that ends, or give another journal"),
    ("SQLITE_NOTADB", f"it is no batch journal: give the journal another path; if it was one, {ADVICE_DAMAGED}"),
    ("SQLITE_CORRUPT", ADVICE_DAMAGED),
    ("SQLITE_FULL", "the disk is full; make room and run again"),
    ("SQLITE_READONLY", "it is write-protected; change its permissions"),
    ("SQLITE_CANTOPEN", "no permission, or its folder is missing"),
    ("SQLITE_IOERR", "the disk reports an error; look at it and run again"),
)


def advice_on(error: sqlite3.Error) -> str:
    """What is wrong and what to do, as a phrase."""
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    known = (advice for prefix, advice in _ADVICE if name.startswith(prefix))
    return next(known, f"{error} ({name})")
