"""What the calls in a ledger cost, how long they took and what failed: over time, by backend and by matter.

Each call is read once, chosen and sorted into its slice of time by SQLite, and added up for each table that it belongs
to. Medians and percentiles cannot be added up: every table keeps the seconds of its calls and looks up the value at a
rank. All figures are exact.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.ledger.chosen import Chosen
from complaint_llm.ledger.figures import Figures
from complaint_llm.ledger.groupings import NamedFigures, Series, Tables
from complaint_llm.ledger.periods import Period, Unit, periods_between, unit_for, zone_name
from complaint_llm.ledger.read_only import open_read_only

MOST_MONTHS, MOST_CALLS, MOST_ERRORS, MOST_BATCHES = 24, 10, 12, 20
"""The longest lists."""


class Call(NamedTuple):
    """One call of a list of the slowest or costliest, as it stands in the ledger."""

    call: str
    time: float
    kind: str
    backend: str | None
    model: str | None
    task: str | None
    matter: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    seconds: float
    error: str | None


class ErrorCount(NamedTuple):
    """How often calls, or with a backend attempts at it, ended with an error of this class, and when last."""

    error: str
    backend: str | None
    times: int
    last: float


class BatchSpend(NamedTuple):
    """One batch; ``counts`` are its results by state. ``calls``, ``spend`` and ``unpriced`` are those of its calls that
    the summary is about; where there are none, ``spend`` is what the batch said itself."""

    batch: str
    began: float
    ended: float | None
    seconds: float | None
    counts: Mapping[str, int]
    calls: int
    spend: float | None
    unpriced: int


class Summary(NamedTuple):
    """All of it. Times are Unix seconds; ``first`` and ``last`` are when the first and last call began, None without
    calls. ``missed_events`` could not be written to the ledger in that time, of whatever matter. ``backends`` and
    ``matters`` are ordered by spend, then by calls."""

    since: float | None
    until: float | None
    matter: str | None
    zone: str
    first: float | None
    last: float | None
    unit: Unit
    total: Figures
    periods: tuple[Period, ...]
    over_time: tuple[Figures, ...]
    months: tuple[tuple[Period, Figures], ...]
    backends: tuple[NamedFigures, ...]
    matters: tuple[NamedFigures, ...]
    backends_over_time: tuple[Series, ...]
    matters_over_time: tuple[Series, ...]
    failed_calls: tuple[ErrorCount, ...]
    failed_attempts: tuple[ErrorCount, ...]
    slowest: tuple[Call, ...]
    costliest: tuple[Call, ...]
    batches: tuple[BatchSpend, ...]
    batch_count: int
    missed_events: int

    def as_json(self) -> dict[str, Any]:
        """The same as objects and lists by the names of the fields."""
        found: dict[str, Any] = _plain(self)
        found["months"] = [{**_plain(month), "figures": _plain(figures)} for month, figures in self.months]
        return found


def summarise(
    path: Path,
    since: float | None = None,
    until: float | None = None,
    matter: str | None = None,
    zone: tzinfo | None = None,
) -> Summary:
    """The summary of the calls of this ledger that began at ``since`` or later and before ``until``, of this matter.

    Days and months are those of ``zone``, None for that of the machine. Raises ComplaintLLMError if the ledger cannot
    be read.
    """
    chosen = Chosen.of(since, until, matter)
    with open_read_only(path) as ledger:
        first, last = chosen.fetch(ledger, "SELECT min(e.id) / 1e9, max(e.id) / 1e9 FROM entries e WHERE {entries}")[0]
        unit: Unit = "day"
        periods: tuple[Period, ...] = ()
        months: tuple[Period, ...] = ()
        if first is not None:
            unit = unit_for(first, last)
            periods = periods_between(unit, first, last, zone)
            months = periods_between("month", first, last, zone)
        tables = Tables(ledger, chosen, periods, months)
        return Summary(
            since=since,
            until=until,
            matter=matter,
            zone=zone_name(last or since or 0.0, zone),
            first=first,
            last=last,
            unit=unit,
            total=tables.total.figures(),
            periods=periods,
            over_time=tuple(each.figures() for each in tables.periods),
            months=tuple(zip(months, (each.figures() for each in tables.months), strict=True))[-MOST_MONTHS:],
            backends=tables.backends.groups(),
            matters=tables.matters.groups(),
            backends_over_time=tables.backends_over_time.series(),
            matters_over_time=tables.matters_over_time.series(),
            failed_calls=_errors(ledger, chosen, _FAILED_CALLS),
            failed_attempts=_errors(ledger, chosen, _FAILED_ATTEMPTS),
            slowest=_calls(ledger, chosen, "e.seconds", "true"),
            costliest=_calls(ledger, chosen, "e.cost", "e.cost > 0"),
            **_batches(ledger, chosen),
            missed_events=chosen.fetch(ledger, _MISSED)[0][0],
        )


_MISSED = "SELECT coalesce(sum(events), 0) FROM gaps WHERE time * 1e9 >= :since AND time * 1e9 < :until"
_PAID = "CASE WHEN NOT c.demo AND NOT c.cached THEN"
_FAILED_CALLS = """
    SELECT x.error, NULL, count(*), max(e.id) / 1e9 FROM entries e JOIN contexts x ON x.id = e.context
    WHERE {entries} AND e.context IN (SELECT id FROM contexts WHERE error IS NOT NULL AND NOT demo)
    GROUP BY x.error ORDER BY 3 DESC, 1
"""
"""By the index of contexts: those that failed are few."""
_FAILED_ATTEMPTS = """
    SELECT a.error, a.backend, count(*), max(e.id) / 1e9
    FROM tries a CROSS JOIN entries e ON e.id = a.call JOIN contexts x ON x.id = e.context
    WHERE {entries} AND NOT x.demo AND a.error IS NOT NULL GROUP BY a.error, a.backend ORDER BY 3 DESC, 1, 2
"""


def _errors(ledger: sqlite3.Connection, chosen: Chosen, query: str) -> tuple[ErrorCount, ...]:
    return tuple(ErrorCount(*row) for row in chosen.fetch(ledger, f"{query} LIMIT {MOST_ERRORS}"))


def _calls(ledger: sqlite3.Connection, chosen: Chosen, order: str, condition: str) -> tuple[Call, ...]:
    columns = ", ".join(f"c.{name}" for name in Call._fields)
    first = f"""
        SELECT e.id FROM entries e WHERE {{entries}} AND {condition}
        AND +e.context IN (SELECT id FROM contexts WHERE NOT demo AND NOT cached)
        ORDER BY {order} DESC, e.id LIMIT {MOST_CALLS}
    """  # noqa: S608 - our own words only
    by = order.replace("e.", "c.")
    query = f"SELECT {columns} FROM calls c JOIN ({first}) e ON e.id = c.id ORDER BY {by} DESC, c.id"  # noqa: S608
    return tuple(Call(*row) for row in chosen.fetch(ledger, query))


def _batches(ledger: sqlite3.Connection, chosen: Chosen) -> dict[str, Any]:
    of_matter = "AND b.batch IN (SELECT batch FROM calls c WHERE {calls})" if chosen.matter is not None else ""
    condition = f"FROM batches b WHERE b.began * 1e9 >= :since AND b.began * 1e9 < :until {of_matter}"
    ((count,),) = chosen.fetch(ledger, f"SELECT count(*) {condition}")
    query = (
        f"SELECT b.batch, began, ended, b.counts, b.cost, seconds {condition} ORDER BY began DESC LIMIT {MOST_BATCHES}"
    )
    found = chosen.fetch(ledger, query)
    sums = {
        row[0]: row[1:]
        for row in chosen.fetch(
            ledger,
            f"""SELECT c.batch, count(*), total({_PAID} c.cost END),
                  sum(NOT c.demo AND NOT c.cached AND c.error IS NULL AND c.cost IS NULL)
                FROM calls c WHERE {{calls}} AND c.batch IN
                  (SELECT b.batch {condition} ORDER BY began DESC LIMIT {MOST_BATCHES}) GROUP BY c.batch""",  # noqa: S608 - our own words only
        )
    }
    runs = []
    for batch, began, ended, counts, cost, seconds in found:
        calls, spend, unpriced = sums.get(batch, (0, cost, 0))
        runs.append(BatchSpend(batch, began, ended, seconds, _counts(counts), calls, spend, unpriced))
    return {"batches": tuple(runs), "batch_count": count}


def _counts(text: str | None) -> dict[str, int]:
    try:
        counts = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(k): v for k, v in counts.items() if isinstance(v, int)} if isinstance(counts, dict) else {}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    return value
