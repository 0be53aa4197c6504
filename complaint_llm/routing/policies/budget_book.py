"""What was spent, kept in SQLite so that it survives restarts and is shared by all processes on the machine.

Money is in whole nano-dollars. A process sets an amount aside (``held``) before it spends from it, so that the sum of
what is spent and held never exceeds a limit, whoever dies when. What a dead process held counts as spent once its
lease has run out: it may have been.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from complaint_llm.exceptions import BudgetExceededError
from complaint_llm.routing.policies.bound import NANO
from complaint_llm.routing.policies.state_folder import open_state, state_fault
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

DAY = 86400
LEASE = 60.0
"""Seconds for which a held amount is left alone without a sign of life from its holder."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spent (scope TEXT, day TEXT, nano INTEGER NOT NULL, PRIMARY KEY (scope, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (scope TEXT, holder TEXT, nano INTEGER NOT NULL, until REAL NOT NULL,
                                 PRIMARY KEY (scope, holder)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS machine (one INTEGER PRIMARY KEY, name TEXT NOT NULL);
"""
_ADD_SPENT = "INSERT INTO spent VALUES (?, ?, ?) ON CONFLICT (scope, day) DO UPDATE SET nano = nano + excluded.nano"
_SET_HELD = "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)"


class BudgetLimits(NamedTuple):
    """US dollars that may be spent: ever, in a day, in a month (UTC). None: no such limit."""

    total: float | None = None
    day: float | None = None
    month: float | None = None


def limits_of(budget: float | Mapping[str, float]) -> BudgetLimits:
    """The limits of a ``budget`` key: a number is the total."""
    return BudgetLimits(**budget) if isinstance(budget, Mapping) else BudgetLimits(total=budget)


class Spent(NamedTuple):
    """Nano-dollars spent ever, today, this month; and those that are set aside now, by any process."""

    total: int
    day: int
    month: int
    held: int


class GrantRequest(NamedTuple):
    """A wish to have between ``need`` and ``want`` nano-dollars more set aside within ``limits``, for an attempt that
    costs up to ``attempt``: the rest of that is set aside already.
    """

    limits: BudgetLimits
    need: int
    want: int
    attempt: int
    private: bool = False
    """For a request that must not touch anything shared with other machines."""


class Grant(NamedTuple):
    """Nano-dollars that were set aside; if none, whether that is because of what is spent (or only of what is held)."""

    nano: int
    spent_up: str | None = None


class BudgetBook:
    """One file of spendings, opened on first use. Any thread may call it; ``lock`` serialises the use of its one
    connection, and is the only lock of a budget that is held over a disk write.
    """

    def __init__(self, path: Path, wall: Callable[[], float] = time.time) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.wall = wall
        self._holder = uuid.uuid4().hex
        self._machine: str | None = None
        self._connection: sqlite3.Connection | None = None
        self._inherited: list[sqlite3.Connection] = []
        reset_in_child(self)

    def spent(self, scope: str) -> Spent:
        """What the book says now: nothing, where there is none yet; none is made."""
        if self._connection is None and not self.path.is_file():
            return Spent(0, 0, 0, 0)
        return self._transaction(lambda db: _spent(db, scope, self.wall()))

    def machine(self) -> str:
        """The name that this file gave itself: what distinguishes its spendings from another machine's."""
        if self._machine is None:

            def work(db: sqlite3.Connection) -> str:
                db.execute("INSERT OR IGNORE INTO machine VALUES (1, ?)", (uuid.uuid4().hex,))
                return str(db.execute("SELECT name FROM machine").fetchone()[0])

            self._machine = self._transaction(work)
        return self._machine

    def record(self, scope: str, spent: Mapping[int, int], held: int, ask: GrantRequest | None = None) -> Grant:
        """Add what was spent, by day (since 1970, UTC); set what this process still holds; and set more aside if asked.

        Raises BudgetExceededError when the file cannot be used; then nothing has changed.
        """

        def work(db: sqlite3.Connection) -> Grant:
            now = self.wall()
            for day, nano in spent.items():
                db.execute(_ADD_SPENT, (scope, _iso(day * DAY), nano))
            grant = Grant(0)
            if ask is not None:
                self._bury(db, scope, now)
                db.execute(_SET_HELD, (scope, self._holder, max(0, held), now + LEASE))
                grant = _grant_for(ask, _spent(db, scope, now))
            if held + grant.nano > 0:
                db.execute(_SET_HELD, (scope, self._holder, held + grant.nano, now + LEASE))
            else:
                db.execute("DELETE FROM held WHERE scope = ? AND holder = ?", (scope, self._holder))
            return grant

        return self._transaction(work)

    def close(self) -> None:
        """Close the file; it is opened again if it is used again."""
        with self.lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def after_fork(self) -> None:
        """The child is another process: another holder with another connection."""
        self.lock = threading.RLock()
        self._holder = uuid.uuid4().hex
        if self._connection is not None:
            # Closing it here would tamper with the parent's file locks; it is kept and never used.
            self._inherited.append(self._connection)
            self._connection = None

    def _bury(self, db: sqlite3.Connection, scope: str, now: float) -> None:
        """What dead processes held counts as spent."""
        rows = db.execute("SELECT holder, nano FROM held WHERE scope = ? AND until < ?", (scope, now)).fetchall()
        for holder, nano in rows:
            if holder != self._holder:
                db.execute(_ADD_SPENT, (scope, _iso(now), nano))
                db.execute("DELETE FROM held WHERE scope = ? AND holder = ?", (scope, holder))

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        import sqlite3  # cold start

        with self.lock:
            try:
                db = self._connection or self._open()
                db.execute("BEGIN IMMEDIATE")
                try:
                    result = work(db)
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:  # SQLite may have ended it, and would say only that instead of why
                        db.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, OSError) as cause:
                raise BudgetExceededError(
                    f"the budget cannot be kept in {self.path}: {cause}; nothing was sent", sent=False
                ) from cause
        return result

    def _open(self) -> sqlite3.Connection:
        self._connection = open_state(self.path, _SCHEMA)
        return self._connection


def book_fault(path: Path) -> str | None:
    """Why a book could not be kept there; None where nothing shows. Nothing is made or changed."""
    return state_fault(path, _SCHEMA)


def _spent(db: sqlite3.Connection, scope: str, now: float) -> Spent:
    day = _iso(now)
    row = db.execute(
        "SELECT coalesce(sum(nano), 0), coalesce(sum(nano) FILTER (WHERE day = ?), 0),"
        " coalesce(sum(nano) FILTER (WHERE day LIKE ?), 0),"
        " (SELECT coalesce(sum(nano), 0) FROM held WHERE scope = ?) FROM spent WHERE scope = ?",
        (day, day[:8] + "%", scope, scope),
    ).fetchone()
    return Spent(*row)


def why_spent_up(ask: GrantRequest, spent: Spent) -> str | None:
    """The limit in which what is spent leaves no room for the attempt, in words; None where only holdings stand in the
    way."""
    for limit, used, when in (
        (ask.limits.total, spent.total, ""),
        (ask.limits.day, spent.day, " today"),
        (ask.limits.month, spent.month, " this month"),
    ):
        if limit is not None and round(limit * NANO) - used < ask.attempt:
            return f"{used / NANO:.4f} of {limit:g} dollars are spent{when}"
    return None


def _grant_for(ask: GrantRequest, spent: Spent) -> Grant:
    spent_up = why_spent_up(ask, spent)
    if spent_up is not None:
        return Grant(0, spent_up)
    free = min(
        round(limit * NANO) - used
        for limit, used in (
            (ask.limits.total, spent.total),
            (ask.limits.day, spent.day),
            (ask.limits.month, spent.month),
        )
        if limit is not None
    )
    available = min(ask.want, free - spent.held)
    return Grant(available if available >= ask.need else 0)


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
