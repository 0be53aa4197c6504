"""The key that a backend takes from the environment where none is given."""

from __future__ import annotations

import os
from collections.abc import Iterable

from complaint_llm.secrets import Secret


def usual_key(variables: Iterable[str]) -> Secret | None:
    """The value of the first of these variables that is set and not empty."""
    return next((Secret(os.environ[name], name) for name in variables if os.environ.get(name)), None)
