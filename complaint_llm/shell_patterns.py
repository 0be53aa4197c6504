"""Names by shell patterns such as ``gpt-5*``."""

from __future__ import annotations

from fnmatch import fnmatchcase


def fits(name: str, pattern: str) -> bool:
    """Whether ``name`` fits the pattern as a whole, in its case, by the rules of ``fnmatch``.

    What stands before the first wildcard is compared first: a pattern that is compiled takes a hundred times as long,
    and of a table of dozens few begin as a name does.
    """
    stem = pattern.rstrip("*")
    for place, letter in enumerate(stem):
        if letter in "*?[":
            return name.startswith(stem[:place]) and fnmatchcase(name, pattern)
    return name.startswith(stem) if len(stem) < len(pattern) else name == pattern
