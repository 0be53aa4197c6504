"""The numbers of a summary are those of the ledger, counted here once more in plain Python."""

from __future__ import annotations

import json
import math
import sqlite3
import tempfile
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.ledger.figures import Figures, nearest_rank
from complaint_llm.ledger.file import open_ledger
from complaint_llm.ledger.summary import MOST_CALLS, summarise
from tests.ledger.made_ledgers import insert_calls, make_ledger, office_calls

ZONE = ZoneInfo("America/Los_Angeles")
START = datetime(2026, 10, 20, tzinfo=ZONE).timestamp()
names = st.sampled_from([None, "a", "b", "c", "d", "e", "f", "g", "h"])
attempts = st.builds(
    lambda backend, error, maybe: {"backend": backend, "error": error, "maybe_received": maybe},
    st.sampled_from("abcdefgh"),
    st.sampled_from([None, "ServerError", "RateLimitError"]),
    st.booleans(),
)
calls = st.fixed_dictionaries(
    {
        "time": st.integers(0, 45 * 86400).map(lambda second: START + second),
        "backend": names,
        "matter": names,
        "cost": st.none() | st.floats(0, 5),
        "seconds": st.floats(0, 900),
        "error": st.sampled_from([None, None, None, "ServerError", "unfinished"]),
        "cached": st.sampled_from([0, 0, 0, 1]),
        "demo": st.sampled_from([0, 0, 0, 1]),
        "attempts": st.lists(attempts, max_size=4),
    }
).map(lambda row: row if row["error"] is None else {**row, "cached": 0})  # what the cache has was answered


def passed_on(tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The attempts that failed, with another backend's next."""
    return [one for one, next in pairwise(tried) if one["error"] and one["backend"] != next["backend"]]


def expected(rows: list[dict[str, Any]]) -> Figures:
    """The figures of calls, but for what attempts add."""
    real = [row for row in rows if not row["demo"]]
    answered = [row for row in real if row["error"] is None]
    asked = [row for row in answered if not row["cached"]]
    seconds = sorted(row["seconds"] for row in asked)

    def rank(share: float) -> float | None:
        return next((each for place, each in enumerate(seconds, 1) if place >= share * len(seconds) - 1e-9), None)

    return Figures(
        calls=len(real),
        answered=len(answered),
        failed=sum(row["error"] not in (None, "unfinished") for row in real),
        unfinished=sum(row["error"] == "unfinished" for row in real),
        cached=len(answered) - len(asked),
        demo=len(rows) - len(real),
        spend=math.fsum(row["cost"] or 0 for row in real if not row["cached"]),
        unpriced=sum(row["cost"] is None for row in asked),
        median=rank(0.5),
        p95=rank(0.95),
    )


def with_attempts(rows: list[dict[str, Any]]) -> Figures:
    """The figures of calls, with those of their attempts."""
    tried = [row["attempts"] for row in rows if not row["demo"]]
    failed = [attempt for each in tried for attempt in each if attempt["error"]]
    return expected(rows)._replace(
        failed_attempts=len(failed),
        maybe_charged=sum(attempt["maybe_received"] for attempt in failed),
        fallbacks=sum(bool(passed_on(each)) for each in tried),
    )


def of_backend(rows: list[dict[str, Any]], backend: str | None) -> Figures:
    """The figures of a backend: its calls, and the attempts at it."""
    tried = [row["attempts"] for row in rows if not row["demo"]]
    failed = [attempt for each in tried for attempt in each if attempt["error"] and attempt["backend"] == backend]
    return expected([row for row in rows if row["backend"] == backend])._replace(
        failed_attempts=len(failed),
        maybe_charged=sum(attempt["maybe_received"] for attempt in failed),
        fallbacks=sum(attempt["backend"] == backend for each in tried for attempt in passed_on(each)),
    )


def about(figures: Figures) -> Any:
    """All the same, but that a sum of fractions may differ in the last digit."""
    return {**figures._asdict(), "spend": pytest.approx(figures.spend, rel=1e-12, abs=1e-12)}


@settings(max_examples=60, deadline=None)
@given(st.lists(calls, max_size=60), st.sampled_from([None, "a", "b"]), st.sampled_from([None, (3, 30), (0, 2)]))
def test_every_figure_is_the_ledgers(
    rows: list[dict[str, Any]], matter: str | None, days: tuple[int, int] | None
) -> None:
    """In total, in each period and month, of each backend and matter, over time; of a range and of one matter."""
    since, until = (None, None) if days is None else tuple(START + day * 86400 for day in days)
    with tempfile.TemporaryDirectory() as folder:
        path = make_ledger(Path(folder, "ledger.sqlite"), rows)
        found = summarise(path, since, until, matter, ZONE)
    rows = [
        row
        for row in rows
        if (matter is None or row["matter"] == matter)
        and (since is None or row["time"] >= since)
        and (until is None or row["time"] < until)
    ]
    assert found.total._asdict() == about(with_attempts(rows))
    for spans in (zip(found.periods, found.over_time, strict=True), found.months):
        for period, figures in spans:
            within = [row for row in rows if period.began <= row["time"] < period.ended]
            assert figures._asdict() == about(with_attempts(within))
    at = {row["backend"] for row in rows}
    at |= {each["backend"] for row in rows if not row["demo"] for each in row["attempts"] if each["error"]}
    assert {group.name for group in found.backends} == at
    for group in found.backends:
        assert group.figures._asdict() == about(of_backend(rows, group.name))
    for group in found.matters:
        assert group.figures._asdict() == about(with_attempts([row for row in rows if row["matter"] == group.name]))
    for kind, series, one in (
        ("backend", found.backends_over_time, of_backend),
        ("matter", found.matters_over_time, lambda some, name: with_attempts([r for r in some if r["matter"] == name])),
    ):
        alone = [each.name for each in series if not each.others]
        assert len(series) <= 6
        assert sum(each.others for each in series) + len(alone) == len(
            {*at} if kind == "backend" else {r["matter"] for r in rows}
        )
        for each in series:
            if each.others:
                continue
            for period, figures in zip(found.periods, each.over_time, strict=True):
                within = [row for row in rows if period.began <= row["time"] < period.ended]
                assert figures._asdict() == about(one(within, each.name))
        for place, figures in enumerate(found.over_time):
            together = [each.over_time[place] for each in series]
            assert sum(each.calls for each in together) == figures.calls
            assert math.fsum(each.spend for each in together) == pytest.approx(figures.spend)
    real = [row for row in rows if not row["demo"] and not row["cached"]]
    assert [call.seconds for call in found.slowest] == sorted((row["seconds"] for row in real), reverse=True)[
        :MOST_CALLS
    ]
    costs = sorted((row["cost"] for row in real if row["cost"]), reverse=True)
    assert [call.cost for call in found.costliest] == costs[:MOST_CALLS]
    json.dumps(found.as_json(), allow_nan=False)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=300))
def test_a_percentile_is_a_value_that_occurred(values: list[float]) -> None:
    """At least so many of a hundred do not exceed it, and of the next smaller value that is not so."""
    ascending = sorted(values)
    for percent in (50, 95):
        found = nearest_rank(ascending, percent)
        assert found is not None
        assert sum(each <= found for each in values) * 100 >= percent * len(values)
        assert sum(each < found for each in values) * 100 < percent * len(values)


@pytest.mark.parametrize(
    ("days", "unit"),
    [
        (0.1, "hour"),
        (2.9, "hour"),
        (3.1, "day"),
        (69, "day"),
        (71, "week"),
        (540, "week"),
        (560, "month"),
        (5000, "year"),
    ],
)
def test_the_unit_suits_the_range(days: float, unit: str, tmp_path: Path) -> None:
    """However long the range, periods are few, follow one another and hold every call."""
    path = make_ledger(tmp_path / "ledger.sqlite", [{"time": START + days * 86400 * n / 7} for n in range(8)])
    found = summarise(path, zone=ZONE)
    assert found.unit == unit
    assert len(found.periods) <= 125
    assert all(one.ended == next.began for one, next in pairwise(found.periods))
    assert sum(each.calls for each in found.over_time) == found.total.calls == 8


def test_days_are_as_long_as_clocks_make_them(tmp_path: Path) -> None:
    """The day on which clocks are set back has 25 hours, and the zone is told with its distance from UTC."""
    path = make_ledger(tmp_path / "ledger.sqlite", [{"time": START}, {"time": START + 20 * 86400}])
    found = summarise(path, zone=ZONE)
    hours = {period.label[:10]: (period.ended - period.began) / 3600 for period in found.periods}
    assert hours["2026-11-01"] == 25
    assert set(hours.values()) == {24, 25}
    assert found.zone == "PST, UTC-08:00"


def test_a_ledger_is_read_while_it_is_written(tmp_path: Path) -> None:
    """A writer in the middle of a transaction is not waited for, and neither is it disturbed."""
    path = make_ledger(tmp_path / "ledger.sqlite", [{}, {}])
    with closing(open_ledger(path)) as writer:
        writer.execute("BEGIN")
        insert_calls(writer, [{"time": START}])
        assert summarise(path).total.calls == 2
        writer.execute("COMMIT")
        assert summarise(path).total.calls == 3


def test_a_ledger_in_a_folder_that_is_not_ours_is_read(tmp_path: Path) -> None:
    """A folder in which nothing can be made is enough, and a name may hold what addresses hold."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = make_ledger(folder / "led?ger#1.sqlite", [{}])
    folder.chmod(0o500)
    try:
        assert summarise(path).total.calls == 1
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no ledger here"),
        (b"", "is no ledger"),
        (b"no database at all, but words", "cannot be read"),
        ("CREATE TABLE other (a)", "is no ledger"),
        (
            "CREATE TABLE calls (a); CREATE TABLE attempts (a); CREATE TABLE batches (a); PRAGMA user_version = 3",
            "version 3",
        ),
        (
            "CREATE TABLE calls (a); CREATE TABLE attempts (a); CREATE TABLE batches (a); PRAGMA user_version = 1",
            "no such table",
        ),
    ],
)
def test_what_is_no_ledger_is_told(content: bytes | str | None, words: str, tmp_path: Path) -> None:
    """By its path, in one line."""
    path = tmp_path / "ledger.sqlite"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        with closing(sqlite3.connect(path)) as ledger:
            ledger.executescript(content)
    with pytest.raises(ComplaintLLMError, match=words) as caught:
        summarise(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_lists_are_bounded_and_say_what_they_leave_out(tmp_path: Path) -> None:
    """Of 300 matters the costliest are named and the others are one; no list grows with the ledger."""
    path = make_ledger(
        tmp_path / "ledger.sqlite", office_calls(3000, 40), [{"batch": f"b{n}", "began": START + n} for n in range(50)]
    )
    found = summarise(path, zone=ZONE)
    assert [each.others for each in found.matters[:-1]] == [0] * 40
    assert found.matters[-1].others > 50
    assert sum(each.figures.calls for each in found.matters) == found.total.calls
    spends = [each.figures.spend for each in found.matters[:-1]]
    assert spends == sorted(spends, reverse=True)
    assert (len(found.batches), found.batch_count) == (20, 50)
    assert len(json.dumps(found.as_json())) < 400_000


def test_a_batch_has_the_spend_of_its_calls(tmp_path: Path) -> None:
    """What is of unknown price stands beside it; a batch without calls in the ledger has what it said itself."""
    rows = [
        {"batch": "b1", "cost": 1.0},
        {"batch": "b1", "cost": None},
        {"batch": "b1", "cost": 2.0, "demo": 1},
        {"batch": "x"},
    ]
    runs = [
        {"batch": "b1", "began": START, "counts": '{"answered": 3}', "cost": 9.0, "seconds": 4.0},
        {"batch": "b2", "began": START + 1, "cost": 5.0, "counts": "broken"},
    ]
    found = summarise(make_ledger(tmp_path / "ledger.sqlite", rows, runs)).batches
    assert [(run.batch, run.calls, run.spend, run.unpriced, run.counts) for run in found] == [
        ("b2", 0, 5.0, 0, {}),
        ("b1", 3, 1.0, 1, {"answered": 3}),
    ]
