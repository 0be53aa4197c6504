"""Days and months as ``--since`` and ``--until`` take them."""

from __future__ import annotations

from datetime import datetime

import click
import pytest

from complaint_llm.cli.time_spans import TimeSpanOption


@pytest.mark.parametrize(
    ("text", "began", "ended"),
    [
        ("2026-11", "2026-11-01", "2026-12-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2026-11-28", "2026-11-28", "2026-11-29"),
        ("2026-12-31", "2026-12-31", "2027-01-01"),
        ("2026-11-28T14:30", "2026-11-28T14:30", "2026-11-28T14:31"),
        ("2026-11-28 14:30", "2026-11-28T14:30", "2026-11-28T14:31"),
    ],
)
def test_a_month_a_day_a_minute(text: str, began: str, ended: str) -> None:
    """Of the local calendar, from its beginning until before its end."""
    found = TimeSpanOption().convert(text, None, None)
    assert found == tuple(datetime.fromisoformat(each).timestamp() for each in (began, ended))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "yesterday",
        "2026-13",
        "2026-02-30",
        "28.11.2026",
        "2026-11-28T25:00",
        "0000-01",
        "9999-12",
        "-1",
        "2026-1-1",
    ],
)
def test_what_is_no_time_is_told(text: str) -> None:
    """With what would be one."""
    with pytest.raises(click.BadParameter, match="give 2026-11"):
        TimeSpanOption().convert(text, None, None)
