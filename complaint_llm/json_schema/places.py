"""Places in JSON documents: the way to a value from the document's root."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

from complaint_llm.exceptions import ConfigError, PluginError

E = TypeVar("E", ConfigError, PluginError)
Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root to a value; the root itself is ``()``."""


def json_pointer(place: Iterable[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of a place: ``/BACKENDS/0/model`` for ``("BACKENDS", 0, "model")``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)


def placed_error(kind: type[E], *found: tuple[Place, str]) -> E:
    """The error of what is wrong at places of a config, by whoever does not know its file: a line each, by pointer."""
    lines = [f"{json_pointer(place)}: {text}" for place, text in found]
    error = kind("\n".join(lines))
    if isinstance(error, ConfigError):
        error.problems = tuple(lines)
    error.places = found
    return error
