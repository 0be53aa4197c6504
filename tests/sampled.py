"""Property tests of which the suite draws a sample, and ``make endurance`` all examples."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

ALL = os.environ.get("COMPLAINT_LLM_ALL_EXAMPLES") == "1"


def sampled(examples: int, of: int, **more: Any) -> Callable[[Any], Any]:
    """Draw so many examples, and ``of`` in the long runs. ``more`` are hypothesis' settings."""
    drawn = settings(max_examples=of if ALL else examples, deadline=None, **more)
    return lambda test: pytest.mark.sampled(drawn(test))
