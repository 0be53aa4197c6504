"""Reads JSON that somebody else wrote, within bounds.

Python's parser holds the interpreter's lock from the first byte to the last: no deadline ends it, and no other thread
runs meanwhile. 24 MiB of brackets took it 5 s, two million different keys 3 s. Counting what the text may hold takes
milliseconds, and comes first. What stands inside texts is counted too, so the bounds are far above any real answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

MAX_CONTAINERS = 500_000
"""Arrays and objects of one document."""
MAX_MEMBERS = 1_000_000
"""Members of all its objects."""
MAX_ITEMS = 1_000_000
"""Values of all its arrays and objects."""
MAX_DEPTH = 128
"""Arrays and objects inside one another. Source of the number: serde_json's recursion limit."""

_SMALL = 64 * 1024


class ExcessiveJSONError(ValueError):
    """The document holds more than can be read without holding everything else up."""


def loads(
    text: str | bytes,
    *,
    strict: bool = True,
    parse_constant: Callable[[str], Any] | None = None,
    max_items: int = MAX_ITEMS,
) -> Any:
    """What ``json.loads`` reads. Raises ValueError for what is no JSON, ExcessiveJSONError for what is too much.

    ``max_items`` replaces MAX_ITEMS for who knows how many values were asked for, as for vectors.
    """
    count = text.count
    brackets = ("[", "{", ":", ",") if isinstance(text, str) else (b"[", b"{", b":", b",")
    containers = count(brackets[0]) + count(brackets[1])  # type: ignore[arg-type]
    if len(text) > _SMALL:
        _refuse_more(containers, MAX_CONTAINERS, "arrays and objects")
        _refuse_more(count(brackets[2]), MAX_MEMBERS, "members")  # type: ignore[arg-type]
        _refuse_more(count(brackets[3]), max_items, "values")  # type: ignore[arg-type]
    try:
        usual = strict and parse_constant is None  # for which json keeps a decoder
        value = json.loads(text) if usual else json.loads(text, strict=strict, parse_constant=parse_constant)
    except RecursionError:
        raise _too_deep() from None
    if containers > MAX_DEPTH and is_deeper(value, MAX_DEPTH):
        raise _too_deep()
    return value


def is_deeper(value: Any, limit: int) -> bool:
    """Whether more than ``limit`` arrays and objects stand inside one another."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def _refuse_more(found: int, limit: int, what: str) -> None:
    if found > limit:
        raise ExcessiveJSONError(f"it may hold {found:,} {what}, more than {limit:,}")


def _too_deep() -> ExcessiveJSONError:
    return ExcessiveJSONError(f"its arrays and objects are nested more than {MAX_DEPTH} deep")
