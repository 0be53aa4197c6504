"""What of a text is to be replaced: all that lists, patterns and a detector find in any reading of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from complaint_llm.guards.detector import Detector, find_detected
from complaint_llm.guards.names import Found, NameIndex
from complaint_llm.guards.patterns import Patterns
from complaint_llm.guards.views import views_of


class Matcher:
    """Finds in texts what must not leave. Any thread may call it, if its detector may be called by any."""

    def __init__(self, indexes: Sequence[NameIndex], patterns: Patterns, detector: Detector | None) -> None:
        self._indexes = tuple(indexes)
        self._patterns = patterns
        self._detector = detector

    def with_names(self, index: NameIndex) -> Matcher:
        """A matcher that knows the names of one call, too."""
        return Matcher((*self._indexes, index), self._patterns, self._detector)

    def find(self, text: str, *, escaped: bool = False) -> list[Found]:
        """Parts of ``text`` in their order, none within another. ``escaped``: it is JSON. Raises DetectorError."""
        return union_of(self._all(text, escaped), text)

    def _all(self, text: str, escaped: bool) -> Iterator[Found]:
        for view in views_of(text, escaped=escaped):
            for index in self._indexes:
                yield from index.find(view, text)
            yield from self._patterns.find(view, text)
        yield from self._patterns.find_in_source(text)
        if self._detector is not None:
            yield from find_detected(self._detector, text)


def union_of(found: Iterable[Found], text: str) -> list[Found]:
    """In their order and apart from one another: the first, and of those that begin together the longest. One that
    overlaps with them and reaches a letter or digit that no other does makes one of all that it touches: nothing that
    was found is left in part."""
    apart: list[Found] = []
    overlapping: list[Found] = []
    for each in sorted(found, key=lambda each: (each.start, -each.end)):
        if apart and each.start < apart[-1].end:
            overlapping.append(each)
        else:
            apart.append(each)
    needed = [each for each in overlapping if _reaches_further(each, apart, text)]
    return _merge(sorted([*apart, *needed])) if needed else apart


def _reaches_further(found: Found, apart: Sequence[Found], text: str) -> bool:
    place = found.start
    for at in range(bisect_right(apart, found.start, key=lambda each: each.end), len(apart)):
        if apart[at].start >= found.end:
            break
        if any(map(str.isalnum, text[place : apart[at].start])):
            return True
        place = apart[at].end
    return any(map(str.isalnum, text[place : found.end]))


def _merge(found: Iterable[Found]) -> list[Found]:
    """Those that overlap as one, which is called what its longest part is."""
    apart: list[Found] = []
    longest = 0
    for each in found:
        size = each.end - each.start
        if not apart or each.start >= apart[-1].end:
            apart.append(each)
            longest = size
            continue
        current = apart[-1]
        best = each if size > longest else current
        longest = max(size, longest)
        apart[-1] = Found(current.start, max(current.end, each.end), best.label, best.source)
    return apart
