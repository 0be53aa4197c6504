"""Which calls of a ledger somebody wants to know of."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from complaint_llm.ledger.periods import LATEST


class Chosen(NamedTuple):
    """Which calls a summary is about, as a condition of SQL and its values."""

    condition: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, since: float | None, until: float | None, matter: str | None) -> Chosen:
        values = {"since": 0.0 if since is None else since, "until": LATEST if until is None else until}
        condition = "c.time >= :since AND c.time < :until"
        if matter is not None:
            values["matter"] = matter  # type: ignore[assignment]
            condition += " AND c.matter = :matter"
        return cls(condition, values)

    def fetch(self, ledger: sqlite3.Connection, query: str) -> list[Any]:
        return self.rows(ledger, query).fetchall()

    def rows(self, ledger: sqlite3.Connection, query: str) -> sqlite3.Cursor:
        return ledger.execute(query.format(chosen=self.condition), self.values)
