"""Which pages of a document are asked for: ``"1-3,7"``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_RANGE = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})?\s*)?")
_MOST_RANGES = 1_000


class Pages(NamedTuple):
    """Ranges of page numbers, counted from 1, both ends included; an end of None is the last page of the file."""

    ranges: tuple[tuple[int, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> Pages:
        """From ``"1-3,7"`` or ``"12-"`` (from page 12 to the end). Raises ValueError in words."""
        parts = text.split(",")
        if len(parts) > _MOST_RANGES:
            raise ValueError(f"pages names more than {_MOST_RANGES} ranges")
        return cls(tuple(map(_range_of, parts)))

    def numbers(self, page_count: int) -> Sequence[int]:
        """The pages that are asked for of a file of ``page_count`` pages, ascending, each once.

        Raises ValueError, in words that follow the file's name, for a page that the file has not.
        """
        found: set[int] = set()
        for first, last in self.ranges:
            end = page_count if last is None else last
            if first > page_count or end > page_count:
                missing = first if first > page_count else end
                has = "1 page" if page_count == 1 else f"{page_count} pages"
                raise ValueError(f"has {has}, and page {missing} was asked for")
            found.update(range(first, end + 1))
        return sorted(found)

    def __str__(self) -> str:
        return ",".join(
            str(first) if first == last else f"{first}-{'' if last is None else last}" for first, last in self.ranges
        )


def _range_of(text: str) -> tuple[int, int | None]:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError(f'pages is written like "1-3,7", and {text.strip()[:40]!r} is no page and no range')
    first = int(found[1])
    last = int(found[2]) if found[2] else (None if "-" in text else first)
    if first == 0 or last == 0:
        raise ValueError("pages are counted from 1")
    if last is not None and last < first:
        raise ValueError(f"pages {first}-{last} ends before it begins")
    return first, last
