"""How far a batch is, in numbers: the pace is that of this run, over what it still has to ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.cli.batch.pace import Pace, duration, status_line
from complaint_llm.cli.batch.progress import Progress


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


def test_what_is_passed_over_is_done_and_no_part_of_the_pace() -> None:
    """It shows at once, and the rest takes as long as what was asked took."""
    time = [0.0]
    shown = Progress(1000, clock=lambda: time[0])
    time[0] = 7.0
    for _ in range(3):
        shown.pass_over(256)
    assert (shown.pace.done, shown.pace.recorded, shown.pace.seconds_left) == (768, 768, None)
    time[0] += 20.0
    shown.update(done=778, recorded=768, ahead=0, failed=0, cost=None)
    assert (shown.pace.seconds, shown.pace.seconds_left) == (20.0, 444.0)
    shown.pass_over(200)
    assert (shown.pace.left, shown.pace.seconds) == (22, 20.0)


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
