"""A ledger's file, opened for writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.ledger.tables import APPLICATION_ID, SCHEMA, VERSION
from complaint_llm.ledger.transaction import transaction
from complaint_llm.ledger.upgrade import upgrade
from complaint_llm.private_database import database_fault
from complaint_llm.private_folder import make_private_folder

LEDGER_PATH = Path(".complaint_llm/ledger.db")
"""Where it is where no config says: beside the config, or in the working directory where there is none."""


class HasLedger(Protocol):
    """What of a config says where its ledger is."""

    @property
    def path(self) -> Path: ...
    @property
    def mediator(self) -> Mapping[str, Any]: ...


BUSY_SECONDS = 5.0
"""Seconds to wait for another process that writes."""


def ledger_path(config: HasLedger | None) -> Path:
    """The ledger of a config, whether it is kept and there or not; without one, that of the working directory."""
    if config is None:
        return LEDGER_PATH
    setting = config.mediator.get("ledger")
    named = setting.get("path") if isinstance(setting, Mapping) else None
    return Path(named or config.path.absolute().parent / LEDGER_PATH)


def open_ledger(path: Path, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """The file, made if it is not there and of this version if it is older, for its owner alone; for one user at a time
    but any thread.

    Raises ComplaintLLMError where it is no ledger or a newer one, sqlite3.Error and OSError. Nothing is changed then.
    """
    make_private_folder(path.parent)
    path.touch(mode=0o600)  # SQLite gives its side files the same mode
    db = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        if not _is_ledger(db, path):
            # NORMAL survives the death of the process at once, and a power cut but for the last moments.
            db.execute("PRAGMA journal_mode = WAL")
            _make_tables(db, path)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = ON")
        upgrade(db)
    except BaseException:
        db.close()
        raise
    return db


def ledger_fault(path: Path) -> str | None:
    """Why ``open_ledger`` would fail; None where nothing shows. Nothing is made or changed."""
    return database_fault(path, lambda db: _is_ledger(db, path))


def _is_ledger(db: sqlite3.Connection, path: Path) -> bool:
    """Whether it is one of this version; false where it is empty."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise ComplaintLLMError(f"{path} is another program's database: give MEDIATOR.ledger another path")
    if version > VERSION:
        raise ComplaintLLMError(
            f"{path} is a ledger of version {version}, this release knows {VERSION}: use a newer release, or give "
            "MEDIATOR.ledger another path"
        )
    return bool(tables)


def _make_tables(db: sqlite3.Connection, path: Path) -> None:
    with transaction(db):
        if not _is_ledger(db, path):  # another process may have made them meanwhile
            for statement in SCHEMA.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
