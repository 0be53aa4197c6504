"""What is written into a ledger whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from complaint_llm.ledger.transaction import transaction


def insert_one(db: sqlite3.Connection, fault: BaseException | None) -> None:
    """In a transaction, which then ends in this fault."""
    with transaction(db):
        db.execute("INSERT INTO t VALUES (1)")
        if fault is not None:
            raise fault


@pytest.mark.parametrize("fault", [None, ValueError("wrong"), KeyboardInterrupt(), sqlite3.IntegrityError("twice")])
def test_what_ends_in_a_fault_leaves_nothing(fault: BaseException | None, tmp_path: Path) -> None:
    """And the next one can begin; what ended well is there for others."""
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as db:
        db.execute("CREATE TABLE t (x)")
        if fault is None:
            insert_one(db, None)
        else:
            with pytest.raises(type(fault)):
                insert_one(db, fault)
        with transaction(db):
            db.execute("INSERT INTO t VALUES (2)")
    with closing(sqlite3.connect(tmp_path / "a.db")) as other:
        assert other.execute("SELECT x FROM t").fetchall() == [(1,), (2,)][0 if fault is None else 1 :]


def test_nobody_else_writes_meanwhile(tmp_path: Path) -> None:
    """From its beginning, whether or not something was written yet."""
    path = tmp_path / "a.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as db,
        closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other,
    ):
        with transaction(db), pytest.raises(sqlite3.OperationalError, match="locked"), transaction(other):
            pass
        with transaction(other):
            pass
