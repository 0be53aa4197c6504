"""Which calls of a ledger somebody wants to know of."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from complaint_llm.ledger.periods import LATEST


class Chosen(NamedTuple):
    """A condition of SQL on the view ``calls`` as ``c`` or the table ``entries`` as ``e``, and its values.

    Ids are times: so the index of ids finds a range.
    """

    matter: str | None
    values: Mapping[str, Any]

    @classmethod
    def of(cls, since: float | None, until: float | None, matter: str | None) -> Chosen:
        """The calls that began at ``since`` or later and before ``until`` (Unix seconds), of this matter."""
        values = {"since": id_at(since or 0.0), "until": id_at(LATEST if until is None else until), "matter": matter}
        return cls(matter, values if matter is not None else {name: values[name] for name in ("since", "until")})

    def rows(self, ledger: sqlite3.Connection, query: str) -> sqlite3.Cursor:
        """What a query gives in which ``{calls}`` or ``{entries}`` stands for the condition."""
        calls = "c.id >= :since AND c.id < :until"
        entries = "e.id >= :since AND e.id < :until"
        if self.matter is not None:
            calls += " AND c.matter = :matter"
            entries += " AND e.matter = (SELECT id FROM names WHERE name = :matter)"
        return ledger.execute(query.format(calls=calls, entries=entries), self.values)

    def fetch(self, ledger: sqlite3.Connection, query: str) -> list[Any]:
        """The same, all rows."""
        return self.rows(ledger, query).fetchall()

    def within(self, began: float, ended: float) -> Chosen:
        """Those of them that began in this span."""
        since, until = max(self.values["since"], id_at(began)), min(self.values["until"], id_at(ended))
        return Chosen(self.matter, {**self.values, "since": since, "until": until})


def id_at(time: float) -> int:
    """The smallest id that a call which began at this time (Unix seconds) or later may have."""
    return math.ceil(time) * 1_000_000_000 if time == math.ceil(time) else math.ceil(time * 1e9)
