"""How far a batch is, in numbers: the pace is that of this run, over what it still has to ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.cli.batch.pace import Pace, duration, status_line


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
        (Pace(100, 50, seconds=100), 100),
        (Pace(100, 1, seconds=3), 297),
        (Pace(100, 100, seconds=100), 0),
        (Pace(100, 0, seconds=100), None),
        (Pace(None, 50, seconds=100), None),
        # 900 of 1,000 were there before: 10 in 20 s are 2 s each, and 90 are left
        (Pace(1000, 910, recorded=900, seconds=20), 180),
        (Pace(1000, 900, recorded=900, seconds=20), None),
        # the journal has the answers of 80 that are still to come: 10 are left to ask
        (Pace(100, 10, recorded=0, recorded_ahead=80, seconds=30), 30),
        (Pace(100, 30, recorded=20, recorded_ahead=60, seconds=40), 40),
        (Pace(100, 50, recorded=20, recorded_ahead=70, seconds=40), 0),
        (Pace(10, 12, seconds=40), 0),
        (Pace(10, 5, recorded=7, seconds=40), None),
    ],
)
def test_the_rest_takes_as_long_as_this_run_took_for_as_much(pace: Pace, seconds: float | None) -> None:
    assert pace.seconds_left == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.2, "1 s"), (1, "1 s"), (44.1, "45 s"), (59.9, "60 s"), (60, "1 min"), (61, "2 min"),
        (600, "10 min"), (3599, "1 h 00 min"), (3600, "1 h 00 min"), (3660, "1 h 01 min"), (11100, "3 h 05 min"),
        (90061, "25 h 02 min"), (3.6e6, "1,000 h 00 min"),
    ],
)  # fmt: skip
def test_a_duration_is_rounded_up(seconds: float, text: str) -> None:
    assert duration(seconds) == text


NIGHT = Pace(12000, 1234, failed=3, seconds=600, cost=1.234)


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (120, "[###...........................]  1,234/12,000  3 failed  1 h 28 min left  $1.23"),
        (80, "[##...........................]  1,234/12,000  3 failed  1 h 28 min left  $1.23"),
        (60, "[.........]  1,234/12,000  3 failed  1 h 28 min left  $1.23"),
        (40, "1,234/12,000  3 failed  1 h 28 min left"),
        (39, "1,234/12,000  1 h 28 min left"),
        (20, "1,234/12,000"),
        (12, "10%"),
        (4, "10%"),
        (3, ""),
    ],
)
def test_the_weightiest_parts_stay_where_there_is_little_room(columns: int, line: str) -> None:
    assert status_line(NIGHT, columns) == line


@given(
    total=st.none() | st.integers(0, 10**9),
    done=st.integers(0, 10**9),
    recorded=st.integers(0, 10**9),
    failed=st.integers(0, 10**9),
    seconds=st.floats(0, 1e7),
    cost=st.none() | st.floats(0, 1e6),
    columns=st.integers(2, 300),
)
def test_the_line_never_fills_a_terminal(
    total: int | None, done: int, recorded: int, failed: int, seconds: float, cost: float | None, columns: int
) -> None:
    """One column stays free: a terminal begins a new line where the last one is written to."""
    line = status_line(Pace(total, done, recorded, 0, failed, seconds, cost), columns)
    assert len(line) < columns
    assert line.isascii()
