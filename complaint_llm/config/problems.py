"""What is wrong with a config, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value from the document's root: keys and indices."""


class Problem(NamedTuple):
    """One fault. ``at_key`` places it at the key (unknown, repeated) rather than at the value."""

    path: Path
    text: str
    at_key: bool = False


class Fault(NamedTuple):
    """A fault of the text itself, which has no pointer: a line and a column, both from 1."""

    line: int
    column: int
    text: str


def pointer(path: Sequence[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of a path."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that ``name`` was probably meant to be."""
    from difflib import get_close_matches

    exact = [other for other in known if other.lower() == name.lower()]
    return next(iter(exact or get_close_matches(name, known, 1, 0.7)), None)
