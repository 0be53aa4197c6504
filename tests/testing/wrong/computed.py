"""A guard whose name is computed."""

from __future__ import annotations

from typing import Any

from complaint_llm import hookimpl
from tests.testing.wrong.guards import Right

NAMES = ["com", "puted"]


@hookimpl
def complaint_llm_guards() -> Any:
    return {"".join(NAMES): Right}
