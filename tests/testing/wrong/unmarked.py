"""A guard whose hook nobody calls."""

from __future__ import annotations

from typing import Any

from tests.testing.wrong.guards import Right


def complaint_llm_guards() -> Any:
    return {"unmarked": Right}
