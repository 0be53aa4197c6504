"""Days and months of the local calendar, as options take them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import click


class TimeSpan(NamedTuple):
    """From ``began`` until before ``ended``, in Unix seconds."""

    began: float
    ended: float


class TimeSpanOption(click.ParamType):  # type: ignore[type-arg] # generic in newer versions only
    """A month, a day, or a minute of it: 2026-11, 2026-11-28, 2026-11-28T14:30. The zone is that of the machine."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TimeSpan:
        if isinstance(value, TimeSpan):
            return value
        text = str(value)
        try:
            if re.fullmatch(r"\d{4}-\d{2}", text):
                began = datetime.fromisoformat(f"{text}-01")
                ended = (began + timedelta(days=31)).replace(day=1)
            elif re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
                began = datetime.fromisoformat(text)
                ended = began + timedelta(days=1)
            elif re.fullmatch(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", text):
                began = datetime.fromisoformat(text)
                ended = began + timedelta(minutes=1)
            else:
                raise ValueError(text)
            return TimeSpan(began.timestamp(), ended.timestamp())
        except (ValueError, OverflowError, OSError):
            self.fail(f"{text!r} is no time: give 2026-11, 2026-11-28 or 2026-11-28T14:30.", param, ctx)
