"""What a backend class says of how its provider handles data, read once."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm.exceptions import PluginError
from complaint_llm.handling import TypeHandling

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend


@lru_cache(maxsize=256)
def type_handling_of(kind: type[Backend]) -> TypeHandling:
    """What ``handling_data`` of a class says, a file's or its own. Raises PluginError for data of another shape."""
    data = kind.handling_data
    try:
        return TypeHandling.read(json.loads(data.read_bytes()) if isinstance(data, Path) else data)
    except (OSError, ValueError) as cause:
        raise PluginError(f"type {kind.type!r}: {cause}") from cause
