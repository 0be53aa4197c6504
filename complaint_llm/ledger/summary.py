"""What the calls in a ledger cost, how long they took and what failed: over time, by backend and by matter.

Counts and sums are made by SQLite, a row for each slice of time, backend and matter, and added up here for each table.
Medians and percentiles cannot be added up: SQLite hands the seconds over in ascending order, each list that they
belong to takes them, and the value at a rank is looked up. They are exact.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.ledger.figures import COUNTED, Figures, Tally
from complaint_llm.ledger.periods import LATEST, Period, Unit, periods_between, unit_for, zone_name
from complaint_llm.ledger.read_only import open_read_only

MOST_SERIES = 5
"""Backends, or matters, with a figure for each span of time; all others are one more."""
MOST_BACKENDS, MOST_MATTERS, MOST_MONTHS, MOST_CALLS, MOST_ERRORS, MOST_BATCHES = 20, 40, 24, 10, 12, 20
"""The longest lists."""


class Group(NamedTuple):
    """The calls of a backend or a matter; of ``others`` of them together if that is above 0.

    ``name`` is None for the calls that have none: without a matter, or never at a backend. ``over_time`` has an entry
    for each period, or none in the lists that are not over time.
    """

    name: str | None
    others: int
    figures: Figures
    over_time: tuple[Figures, ...] = ()


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
    count: int
    last: float


class BatchRun(NamedTuple):
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
    calls. ``backends`` and ``matters`` are ordered by spend, then by calls."""

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
    backends: tuple[Group, ...]
    matters: tuple[Group, ...]
    backends_over_time: tuple[Group, ...]
    matters_over_time: tuple[Group, ...]
    failed_calls: tuple[ErrorCount, ...]
    failed_attempts: tuple[ErrorCount, ...]
    slowest: tuple[Call, ...]
    costliest: tuple[Call, ...]
    batches: tuple[BatchRun, ...]
    batch_count: int

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
    chosen = _Chosen.of(since, until, matter)
    with open_read_only(path) as ledger:
        first, last = chosen.fetch(ledger, "SELECT min(c.time), max(c.time) FROM calls c WHERE {chosen}")[0]
        unit: Unit = "day"
        periods: tuple[Period, ...] = ()
        months: tuple[Period, ...] = ()
        if first is not None:
            unit = unit_for(first, last)
            periods = periods_between(unit, first, last, zone)
            months = periods_between("month", first, last, zone)
        tables = _Tables(ledger, chosen, periods, months)
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
            backends_over_time=tables.backend_series.groups(),
            matters_over_time=tables.matter_series.groups(),
            failed_calls=_errors(ledger, chosen, _FAILED_CALLS),
            failed_attempts=_errors(ledger, chosen, _FAILED_ATTEMPTS),
            slowest=_calls(ledger, chosen, "c.seconds DESC", "NOT c.cached"),
            costliest=_calls(ledger, chosen, "c.cost DESC", "NOT c.cached AND c.cost > 0"),
            **_batches(ledger, chosen),
        )


class _Chosen(NamedTuple):
    """Which calls a summary is about, as a condition of SQL and its values."""

    condition: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, since: float | None, until: float | None, matter: str | None) -> _Chosen:
        values = {"since": 0.0 if since is None else since, "until": LATEST if until is None else until}
        condition = "c.time >= :since AND c.time < :until"
        if matter is not None:
            values["matter"] = matter  # type: ignore[assignment]
            condition += " AND c.matter = :matter"
        return cls(condition, values)

    def fetch(self, ledger: sqlite3.Connection, query: str) -> list[Any]:
        return self.rows(ledger, query).fetchall()

    def rows(self, ledger: sqlite3.Connection, query: str) -> sqlite3.Cursor:
        return ledger.execute(query.format(chosen=self.condition, slice=_SLICE), self.values)


_SLICE = "(SELECT number FROM temp.slices WHERE began <= c.time ORDER BY began DESC LIMIT 1)"
_PAID = "CASE WHEN NOT c.demo AND NOT c.cached THEN"
_SUMS = f"""
    SELECT {{slice}}, c.backend, c.matter,
      sum(NOT c.demo) AS calls,
      sum(NOT c.demo AND c.error IS NULL) AS answered,
      sum(NOT c.demo AND c.error IS NOT NULL AND c.error <> 'unfinished') AS failed,
      sum(NOT c.demo AND c.error IS NOT NULL AND c.error = 'unfinished') AS unfinished,
      sum(NOT c.demo AND c.cached AND c.error IS NULL) AS cached,
      sum(c.demo) AS demo,
      total({_PAID} c.cost END) AS spend,
      sum(NOT c.demo AND NOT c.cached AND c.error IS NULL AND c.cost IS NULL) AS unpriced,
      total({_PAID} c.input_tokens END) AS input_tokens,
      total({_PAID} c.output_tokens END) AS output_tokens
    FROM calls c WHERE {{chosen}} GROUP BY 1, 2, 3
"""
_SECONDS = """
    SELECT {slice}, c.backend, c.matter, c.seconds FROM calls c
    WHERE {chosen} AND NOT c.demo AND NOT c.cached AND c.error IS NULL ORDER BY c.seconds
"""
_FAILING = """
    WITH failing AS (SELECT DISTINCT call FROM attempts WHERE error IS NOT NULL),
    tried AS (
      SELECT call, backend, error, maybe_received,
        error IS NOT NULL AND lead(backend, 1, backend) OVER (PARTITION BY call ORDER BY number) <> backend AS passed_on
      FROM attempts WHERE call IN failing
    )
"""
_ATTEMPTS = f"""{_FAILING}
    SELECT {{slice}}, t.backend, c.matter, count(*) AS failed_attempts, sum(t.maybe_received) AS maybe_charged,
      sum(t.passed_on) AS fallbacks
    FROM tried t JOIN calls c ON c.id = t.call WHERE {{chosen}} AND NOT c.demo AND t.error IS NOT NULL GROUP BY 1, 2, 3
"""
_FALLBACKS = f"""{_FAILING}
    SELECT {{slice}}, c.matter, count(DISTINCT c.id) FROM tried t JOIN calls c ON c.id = t.call
    WHERE {{chosen}} AND NOT c.demo AND t.passed_on GROUP BY 1, 2
"""
_FAILED_CALLS = """
    SELECT c.error, NULL, count(*), max(c.time) FROM calls c WHERE {chosen} AND NOT c.demo AND c.error IS NOT NULL
    GROUP BY c.error ORDER BY 3 DESC, 1
"""
_FAILED_ATTEMPTS = """
    SELECT a.error, a.backend, count(*), max(c.time) FROM attempts a JOIN calls c ON c.id = a.call
    WHERE {chosen} AND NOT c.demo AND a.error IS NOT NULL GROUP BY a.error, a.backend ORDER BY 3 DESC, 1, 2
"""
Key = tuple[int, str | None, str | None]


class _Names:
    """The first of some names, and all others as one group; a tally for each, or for each period of each."""

    def __init__(self, ranked: Sequence[str | None], most: int, periods: int = 0) -> None:
        # One that is left over stands under its own name.
        first = ranked if len(ranked) <= most + 1 else ranked[:most]
        self._others = len(ranked) - len(first)
        self._places = {name: place for place, name in enumerate(first)}
        self._ranked = first
        count = len(first) + (self._others > 0)
        self._tallies = [Tally() for _ in range(count)]
        self._over_time = [[Tally() for _ in range(periods)] for _ in range(count)]

    def tallies(self, name: str | None, period: int) -> list[Tally]:
        """Those that a call of this name in this period belongs to."""
        place = self._places.get(name, -1)
        over_time = self._over_time[place]
        return [self._tallies[place], *over_time[period : period + 1]]

    def groups(self) -> tuple[Group, ...]:
        names = [(name, 0) for name in self._ranked] + [(None, self._others)] * (self._others > 0)
        return tuple(
            Group(name, others, tally.figures(), tuple(each.figures() for each in over_time))
            for (name, others), tally, over_time in zip(names, self._tallies, self._over_time, strict=True)
        )


class _Tables:
    """Adds the rows up for every table of the summary."""

    def __init__(
        self, ledger: sqlite3.Connection, chosen: _Chosen, periods: Sequence[Period], months: Sequence[Period]
    ) -> None:
        starts = sorted({each.began for each in (*periods, *months)})
        self._period_of = _places([each.began for each in periods], starts)
        self._month_of = _places([each.began for each in months], starts)
        ledger.execute("CREATE TEMP TABLE slices (began REAL PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        ledger.executemany("INSERT INTO slices VALUES (?, ?)", [(began, n) for n, began in enumerate(starts)])
        sums, attempts = _amounts(chosen.rows(ledger, _SUMS)), _amounts(chosen.rows(ledger, _ATTEMPTS))
        backends = _ranked(((key[1], amounts) for key, amounts in (*sums, *attempts)))
        matters = _ranked(((key[2], amounts) for key, amounts in (*sums, *attempts)))
        self.total = Tally()
        self.periods = [Tally() for _ in periods]
        self.months = [Tally() for _ in months]
        self.backends = _Names(backends, MOST_BACKENDS)
        self.matters = _Names(matters, MOST_MATTERS)
        self.backend_series = _Names(backends, MOST_SERIES, len(periods))
        self.matter_series = _Names(matters, MOST_SERIES, len(periods))
        for key, amounts in sums:
            for tally in self._tallies(key):
                tally.add(amounts)
        for key, amounts in attempts:
            for tally in self._of_backend(key):
                tally.add(amounts)
            # Of a call, not of an attempt: it may have fallen back twice.
            rest = {name: amount for name, amount in amounts.items() if name != "fallbacks"}
            for tally in self._of_calls(key):
                tally.add(rest)
        for slice, matter, count in chosen.rows(ledger, _FALLBACKS):
            for tally in self._of_calls((slice, None, matter)):
                tally.add({"fallbacks": count})
        self._take_seconds(chosen.rows(ledger, _SECONDS))

    def _take_seconds(self, rows: Iterable[tuple[int, str | None, str | None, float]]) -> None:
        lists: dict[Key, list[Any]] = {}
        for slice, backend, matter, seconds in rows:
            key = slice, backend, matter
            found = lists.get(key)
            if found is None:
                found = lists[key] = [tally.seconds.append for tally in self._tallies(key)]
            for append in found:
                append(seconds)

    def _tallies(self, key: Key) -> list[Tally]:
        return [*self._of_calls(key), *self._of_backend(key)]

    def _of_calls(self, key: Key) -> list[Tally]:
        slice, _, matter = key
        period = self._period_of[slice]
        of_matter = [*self.matters.tallies(matter, period), *self.matter_series.tallies(matter, period)]
        return [self.total, self.periods[period], self.months[self._month_of[slice]], *of_matter]

    def _of_backend(self, key: Key) -> list[Tally]:
        slice, backend, _ = key
        period = self._period_of[slice]
        return [*self.backends.tallies(backend, period), *self.backend_series.tallies(backend, period)]


def _places(begins: Sequence[float], starts: Sequence[float]) -> list[int]:
    """Which of the spans that begin so each slice lies in; the first one's, for slices that begin before it."""
    return [max(0, bisect_right(begins, start) - 1) for start in starts]


def _amounts(rows: sqlite3.Cursor) -> list[tuple[Key, dict[str, float]]]:
    names = [column[0] for column in rows.description][3:]
    assert set(names) <= set(COUNTED)
    return [(row[:3], {name: amount for name, amount in zip(names, row[3:], strict=True) if amount}) for row in rows]


def _ranked(rows: Iterable[tuple[str | None, Mapping[str, float]]]) -> list[str | None]:
    """The names, those with most spend first, then those with most calls, then with most failed attempts."""
    ranks: dict[str | None, tuple[float, float, float]] = {}
    for name, amounts in rows:
        spend, calls, failed = ranks.get(name, (0.0, 0.0, 0.0))
        found = (amounts.get(each, 0) for each in ("spend", "calls", "failed_attempts"))
        ranks[name] = spend + next(found), calls + next(found), failed + next(found)
    return sorted(ranks, key=lambda name: (*(-rank for rank in ranks[name]), name is None, name or ""))


def _errors(ledger: sqlite3.Connection, chosen: _Chosen, query: str) -> tuple[ErrorCount, ...]:
    return tuple(ErrorCount(*row) for row in chosen.fetch(ledger, f"{query} LIMIT {MOST_ERRORS}"))


def _calls(ledger: sqlite3.Connection, chosen: _Chosen, order: str, condition: str) -> tuple[Call, ...]:
    columns = ", ".join(f"c.{name}" for name in Call._fields)
    query = f"SELECT {columns} FROM calls c WHERE {{chosen}} AND NOT c.demo AND {condition} ORDER BY {order}, c.id"
    return tuple(Call(*row) for row in chosen.fetch(ledger, f"{query} LIMIT {MOST_CALLS}"))


def _batches(ledger: sqlite3.Connection, chosen: _Chosen) -> dict[str, Any]:
    of_matter = "AND b.batch IN (SELECT batch FROM calls c WHERE {chosen})" if "matter" in chosen.values else ""
    condition = f"FROM batches b WHERE b.began >= :since AND b.began < :until {of_matter}"
    ((count,),) = chosen.fetch(ledger, f"SELECT count(*) {condition}")
    query = f"SELECT b.batch, began, ended, b.counts, b.cost, seconds {condition} ORDER BY began DESC LIMIT {MOST_BATCHES}"
    found = chosen.fetch(ledger, query)
    sums = {
        row[0]: row[1:]
        for row in chosen.fetch(
            ledger,
            f"""SELECT c.batch, count(*), total({_PAID} c.cost END),
                  sum(NOT c.demo AND NOT c.cached AND c.error IS NULL AND c.cost IS NULL)
                FROM calls c WHERE {{chosen}} AND c.batch IN
                  (SELECT b.batch {condition} ORDER BY began DESC LIMIT {MOST_BATCHES}) GROUP BY c.batch""",
        )
    }
    runs = []
    for batch, began, ended, counts, cost, seconds in found:
        calls, spend, unpriced = sums.get(batch, (0, cost, 0))
        runs.append(BatchRun(batch, began, ended, seconds, _counts(counts), calls, spend, unpriced))
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
