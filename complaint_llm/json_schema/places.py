"""Places in JSON documents: the way to a value from the document's root."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root to a value; the root itself is ``()``."""


def json_pointer(place: Iterable[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of a place: ``/BACKENDS/0/model`` for ``("BACKENDS", 0, "model")``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)
