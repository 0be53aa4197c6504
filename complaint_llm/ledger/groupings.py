"""Every call of a ledger read once, and added up for each table that it belongs to."""

from __future__ import annotations

import math
import sqlite3
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias, TypeVar

from complaint_llm.ledger.chosen import Chosen, id_at
from complaint_llm.ledger.figures import Figures, Tally
from complaint_llm.ledger.periods import LATEST, Period

MOST_SERIES = 5
"""Backends, or matters, with a figure for each span of time; all others are one more."""
MOST_BACKENDS, MOST_MATTERS = 20, 40
"""The longest lists of them."""


class NamedFigures(NamedTuple):
    """The calls of a backend or a matter; of ``others`` of them together if that is above 0.

    ``name`` is None for the calls that have none: without a matter, or never at a backend.
    """

    name: str | None
    others: int
    figures: Figures


class Series(NamedTuple):
    """The same with the figures of each period."""

    name: str | None
    others: int
    over_time: tuple[Figures, ...]


class Tables:
    """Adds the rows up. A slice is a span of time in which neither a period nor a month begins."""

    def __init__(
        self, ledger: sqlite3.Connection, chosen: Chosen, periods: Sequence[Period], months: Sequence[Period]
    ) -> None:
        starts = sorted({each.began for each in (*periods, *months)})
        self._period_of = _places([each.began for each in periods], starts)
        self._month_of = _places([each.began for each in months], starts)
        ledger.execute("CREATE TEMP TABLE slices (began INTEGER PRIMARY KEY, number INTEGER)")
        ledger.executemany("INSERT INTO slices VALUES (?, ?)", [(id_at(began), n) for n, began in enumerate(starts)])
        contexts = {id: (backend, kind) for id, backend, kind in ledger.execute(_CONTEXTS)}
        names = {None: None, **dict(ledger.execute("SELECT id, name FROM names"))}
        of_backends: list[_Sums] = []
        of_matters: list[_Sums] = []
        for slice, (began, ended) in enumerate(pairwise([*starts, LATEST])):
            by_backend, by_matter = _sorted_calls(chosen.within(began, ended).rows(ledger, _ENTRIES), contexts)
            of_backends += (_Sums.of(slice, backend, kind, *calls) for (backend, kind), calls in by_backend.items())
            of_matters += (_Sums.of(slice, names[matter], kind, *calls) for (matter, kind), calls in by_matter.items())
        ledger.execute(_TRIED)
        attempts = [(*row[:3], {"failed_attempts": row[3], "maybe_charged": row[4]}, row[5])
                    for row in chosen.rows(ledger, _ATTEMPTS)]  # fmt: skip
        backends, matters = _Ranks(), _Ranks()
        for each in of_backends:
            backends.add(each.name, each.spend, each.counts.get("calls", 0))
        for each in of_matters:
            matters.add(each.name, each.spend, each.counts.get("calls", 0))
        for _, backend, _, counts, _ in attempts:
            backends.add(backend, failed_attempts=counts["failed_attempts"])
        self.total = Tally()
        self.periods = [Tally() for _ in periods]
        self.months = [Tally() for _ in months]
        self.backends = _Groups(backends.names(), MOST_BACKENDS)
        self.matters = _Groups(matters.names(), MOST_MATTERS)
        self.backends_over_time = _Groups(backends.names(), MOST_SERIES, len(periods))
        self.matters_over_time = _Groups(matters.names(), MOST_SERIES, len(periods))
        for each in of_backends:
            for tally in (*self._of_time(each.slice), *self._of_backend(each.slice, each.name)):
                tally.add(each.counts, each.spend, each.seconds)
        for each in of_matters:
            for tally in self._of_matter(each.slice, each.name):
                tally.add(each.counts, each.spend, each.seconds)
        for slice, backend, matter, counts, passed_on in attempts:
            for tally in (*self._of_time(slice), *self._of_matter(slice, matter)):
                tally.add(counts)
            for tally in self._of_backend(slice, backend):
                tally.add({**counts, "fallbacks": passed_on})
        # Of a call, not of an attempt: it may have fallen back twice.
        for slice, matter, count in chosen.rows(ledger, _FALLBACKS):
            for tally in (*self._of_time(slice), *self._of_matter(slice, matter)):
                tally.add({"fallbacks": count})

    def _of_time(self, slice: int) -> tuple[Tally, ...]:
        return self.total, self.periods[self._period_of[slice]], self.months[self._month_of[slice]]

    def _of_matter(self, slice: int, matter: str | None) -> tuple[Tally, ...]:
        return self.matters.tally(matter), self.matters_over_time.tally(matter, self._period_of[slice])

    def _of_backend(self, slice: int, backend: str | None) -> tuple[Tally, ...]:
        return self.backends.tally(backend), self.backends_over_time.tally(backend, self._period_of[slice])


_ANSWERED, _CACHED, _FAILED, _UNFINISHED, _DEMO = range(5)
_STATES = ("answered", "answered", "failed", "unfinished")
_SLICE = "(SELECT number FROM temp.slices WHERE began <= c.id ORDER BY began DESC LIMIT 1)"
_CONTEXTS = f"""
    SELECT id, backend,
      CASE WHEN demo THEN {_DEMO} WHEN error = 'unfinished' THEN {_UNFINISHED} WHEN error IS NOT NULL THEN {_FAILED}
        WHEN cached THEN {_CACHED} ELSE {_ANSWERED} END
    FROM contexts
"""  # noqa: S608 - our own words only
_ENTRIES = "SELECT e.context, e.matter, e.seconds, e.cost FROM entries e WHERE {entries}"
"""A million rows: without joins and texts they are read in a third of the time."""
_TRIED = """
    CREATE TEMP TABLE tried AS
    WITH failing AS (SELECT DISTINCT call FROM tries WHERE error IS NOT NULL),
    ordered AS (
      SELECT call, backend, error, maybe_received,
        lead(backend, 1, backend) OVER (PARTITION BY call ORDER BY number) <> backend AS passed_on
      FROM tries WHERE call IN failing
    )
    SELECT call, backend, maybe_received, passed_on FROM ordered WHERE error IS NOT NULL
"""
"""Attempts that failed, and whether the next one of the call went to another backend. One that answered at once within
its call's row has no other beside it."""
_ATTEMPTS = f"""
    SELECT {_SLICE}, t.backend, c.matter, count(*), sum(t.maybe_received), sum(t.passed_on)
    FROM temp.tried t JOIN calls c ON c.id = t.call WHERE {{calls}} AND NOT c.demo GROUP BY 1, 2, 3
"""  # noqa: S608 - our own words only
_FALLBACKS = f"""
    SELECT {_SLICE}, c.matter, count(DISTINCT c.id) FROM temp.tried t JOIN calls c ON c.id = t.call
    WHERE {{calls}} AND NOT c.demo AND t.passed_on GROUP BY 1, 2
"""  # noqa: S608 - our own words only


K = TypeVar("K")
_Calls: TypeAlias = "tuple[array[float], array[float]]"
"""The seconds of each call, and the cost of each that has one."""


class _Sums(NamedTuple):
    """The calls of one kind, of a backend or a matter, in a slice; ``seconds``, in ascending order, is there for
    answers that were not cached."""

    slice: int
    name: str | None
    counts: Mapping[str, int]
    spend: float
    seconds: Sequence[float]

    @classmethod
    def of(cls, slice: int, name: str | None, kind: int, seconds: array[float], costs: array[float]) -> _Sums:
        """Their sums. What the cache gave was paid for when it was asked."""
        spend = 0.0 if kind in (_CACHED, _DEMO) else math.fsum(costs)
        # Sorted now, they are but merged in each table to which they belong.
        ascending = array("d", sorted(seconds)) if kind == _ANSWERED else ()
        return cls(slice, name, _counts(kind, len(seconds), len(costs)), spend, ascending)


def _sorted_calls(
    rows: Iterable[tuple[int, int | None, float, float | None]], contexts: Mapping[int, tuple[str | None, int]]
) -> tuple[dict[tuple[str | None, int], _Calls], dict[tuple[int | None, int], _Calls]]:
    """The calls of a slice, by backend and kind and by matter and kind."""
    found: dict[tuple[int, int | None], tuple[array[float], array[float]]] = {}
    for context, matter, seconds, cost in rows:
        lists = found.get((context, matter))
        if lists is None:
            lists = found[context, matter] = array("d"), array("d")
        lists[0].append(seconds)
        if cost is not None:
            lists[1].append(cost)
    by_backend: dict[tuple[str | None, int], _Calls] = {}
    by_matter: dict[tuple[int | None, int], _Calls] = {}
    for (context, matter), (times, costs) in found.items():
        backend, kind = contexts[context]
        _extend(by_backend, (backend, kind), times, costs)
        _extend(by_matter, (matter, kind), times, costs)
    return by_backend, by_matter


def _extend(calls: dict[K, _Calls], key: K, times: array[float], costs: array[float]) -> None:
    known = calls.get(key)
    if known is None:
        calls[key] = times[:], costs[:]
    else:
        known[0].extend(times)
        known[1].extend(costs)


def _counts(kind: int, count: int, priced: int) -> Mapping[str, int]:
    if kind == _DEMO:
        return {"demo": count}
    counts = {"calls": count, _STATES[kind]: count}
    if kind == _CACHED:
        counts["cached"] = count
    elif kind == _ANSWERED and priced < count:
        counts["unpriced"] = count - priced
    return counts


class _Ranks:
    """Names in the order of what matters most about them."""

    def __init__(self) -> None:
        self._spend: Counter[str | None] = Counter()
        self._calls: Counter[str | None] = Counter()
        self._failed: Counter[str | None] = Counter()

    def add(self, name: str | None, spend: float = 0.0, calls: int = 0, failed_attempts: int = 0) -> None:
        self._spend[name] += spend  # type: ignore[assignment] # a Counter adds up any number
        self._calls[name] += calls
        self._failed[name] += failed_attempts

    def names(self) -> list[str | None]:
        """Those with most spend first, then those with most calls, then with most failed attempts."""
        return sorted(
            self._spend,
            key=lambda name: (
                *(-self._spend[name], -self._calls[name], -self._failed[name]),
                *(name is None, name or ""),
            ),
        )


class _Groups:
    """The first of some names, and all others as one; for each of them a row of tallies."""

    def __init__(self, ranked: Sequence[str | None], most: int, columns: int = 1) -> None:
        # One that would be left over stands under its own name.
        names = ranked if len(ranked) <= most + 1 else ranked[:most]
        others = len(ranked) - len(names)
        self._places = {name: place for place, name in enumerate(names)}
        self._heads = [(name, 0) for name in names] + [(None, others)] * (others > 0)
        self._rows = [[Tally() for _ in range(columns)] for _ in self._heads]

    def tally(self, name: str | None, column: int = 0) -> Tally:
        """Where the calls of this name are added up."""
        return self._rows[self._places.get(name, -1)][column]

    def groups(self) -> tuple[NamedFigures, ...]:
        """What was added up, in order."""
        return tuple(NamedFigures(*head, row[0].figures()) for head, row in zip(self._heads, self._rows, strict=True))

    def series(self) -> tuple[Series, ...]:
        """The same, of several columns."""
        return tuple(
            Series(*head, tuple(each.figures() for each in row))
            for head, row in zip(self._heads, self._rows, strict=True)
        )


def _places(begins: Sequence[float], starts: Sequence[float]) -> list[int]:
    """Which of the spans that begin so each slice lies in; the first one's, for slices that begin before it."""
    return [max(0, bisect_right(begins, start) - 1) for start in starts]
