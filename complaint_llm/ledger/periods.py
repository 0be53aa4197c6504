"""Spans of local time that a range is divided into: as many as a reader can take in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Literal, NamedTuple

Unit = Literal["hour", "day", "week", "month", "year"]

HOUR, DAY = 3600.0, 86400.0
_LONGEST: tuple[tuple[Unit, float], ...] = (
    ("hour", 3 * DAY),
    ("day", 70 * DAY),
    ("week", 550 * DAY),
    ("month", 10 * 366 * DAY),
)
"""The longest range that each unit is used for; a longer one is divided into years."""
LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
"""What lies beyond, or before 1970, is no time of a call."""


class Period(NamedTuple):
    """One span: ``began`` and ``ended`` are Unix seconds, ``ended`` is the next one's beginning."""

    began: float
    ended: float
    label: str
    short: str


def unit_for(first: float, last: float) -> Unit:
    """The finest unit that divides the time from ``first`` to ``last`` (Unix seconds) into few enough spans."""
    return next((unit for unit, longest in _LONGEST if last - first <= longest), "year")


def periods_between(unit: Unit, first: float, last: float, zone: tzinfo | None = None) -> tuple[Period, ...]:
    """All spans of this unit from the one that holds ``first`` to the one that holds ``last``, none left out.

    ``zone`` is that of the machine if it is None. Weeks begin on Mondays. Days are as long as clocks make them.
    """
    starts: list[float] = []
    for start in _starts(unit, first, zone):
        starts.append(start)
        if start > last:
            break
    return tuple(
        Period(began, ended, *_labels(unit, datetime.fromtimestamp(began, zone))) for began, ended in pairwise(starts)
    )


def zone_name(time: float, zone: tzinfo | None = None) -> str:
    """What clocks are called there at that time, with their distance from UTC: ``PST, UTC-08:00``."""
    local = datetime.fromtimestamp(time, zone).astimezone(zone)
    offset = local.strftime("%z")
    numbers = f"UTC{offset[:3]}:{offset[3:5]}"
    name = local.tzname() or ""
    if name == "UTC":
        return name
    return numbers if name.upper().startswith(("UTC+", "UTC-")) or name[:1] in ("+", "-", "") else f"{name}, {numbers}"


def _starts(unit: Unit, first: float, zone: tzinfo | None) -> Iterator[float]:
    local = datetime.fromtimestamp(first, zone)
    if unit == "hour":
        # Hours are counted, not read off a clock: one that is set back has an hour twice.
        start = first - (local.minute * 60 + local.second + local.microsecond / 1e6)
        start = float(round(start))
        while True:
            yield start
            start += HOUR
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if unit == "week":
        day -= timedelta(days=day.weekday())
    elif unit in ("month", "year"):
        day = day.replace(day=1, month=day.month if unit == "month" else 1)
    while True:
        yield day.timestamp()
        if unit in ("day", "week"):
            day += timedelta(days=1 if unit == "day" else 7)
        elif unit == "year" or day.month == 12:
            day = day.replace(year=day.year + 1, month=1)
        else:
            day = day.replace(month=day.month + 1)


def _labels(unit: Unit, local: datetime) -> tuple[str, str]:
    if unit == "hour":
        return f"{local:%Y-%m-%d %H:%M}", f"{local:%b} {local.day} {local:%H:%M}"
    if unit == "day":
        return f"{local:%Y-%m-%d %a}", f"{local:%b} {local.day}"
    if unit == "week":
        return f"week of {local:%Y-%m-%d}", f"{local:%b} {local.day}"
    if unit == "month":
        return f"{local:%B %Y}", f"{local:%b %Y}"
    return f"{local:%Y}", f"{local:%Y}"
