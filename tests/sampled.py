"""Property tests and tables of which the suite draws a sample, and ``make endurance`` everything."""

from __future__ import annotations

import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import settings

ALL = os.environ.get("COMPLAINT_LLM_ALL_EXAMPLES") == "1"


def sampled(examples: int, of: int, **more: Any) -> Callable[[Any], Any]:
    """Draw so many examples, and ``of`` in the long runs. ``more`` are hypothesis' settings."""
    drawn = settings(max_examples=of if ALL else examples, deadline=None, **more)
    return lambda test: pytest.mark.sampled(drawn(test))


def drawn_rows(items: Sequence[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """What is run, and what is left out.

    Of a test that is marked ``rows(most)`` the first row and others that the sums of their names choose: the same
    everywhere. Such tests and property tests get the mark ``sampled``, by which the long runs find them.
    """
    tables: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("sampled")
        mark = item.get_closest_marker("rows")
        if mark is not None:
            item.add_marker("sampled")
            tables[item.nodeid.partition("[")[0], mark.args[0]].append(item)
    left_out = {
        id(item)
        for (_, most), rows in tables.items()
        if not ALL
        for item in sorted(rows[1:], key=lambda each: zlib.crc32(each.nodeid.encode()))[most - 1 :]
    }
    return [each for each in items if id(each) not in left_out], [each for each in items if id(each) in left_out]
