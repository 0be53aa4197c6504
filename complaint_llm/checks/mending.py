"""Whether a second answer is the first one mended: quotes replaced, or entries left out that rested on what failed.

A model that is told of a fault may answer with something else altogether. What it may change is enforced by comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from complaint_llm.checks.check import Finding
from complaint_llm.checks.quotes import MARK
from complaint_llm.json_schema.annotations import annotated_values
from complaint_llm.json_schema.places import Place, json_pointer


def only_mended(first: Any, second: Any, schema: Mapping[str, Any], findings: Sequence[Finding]) -> bool:
    """Whether ``second`` is ``first`` but for replaced quotes, and entries left out that ``findings`` were about.

    An entry may be left out if a finding is about it or something in it, or if it names (``x-ref``) one that is left
    out. A string or null that says why a list is empty may change where a list beside it was emptied.
    """
    return _Comparison.of(first, schema, findings).allows(first, second, ())


class _Comparison(NamedTuple):
    annotations: Mapping[str, Mapping[str, Any]]
    """What the schema says of each place of the first answer, by its pointer."""
    failed: frozenset[str]
    droppable: frozenset[str]
    """Numbers of entries that findings are about, and so of those that may be left out."""

    @classmethod
    def of(cls, first: Any, schema: Mapping[str, Any], findings: Sequence[Finding]) -> _Comparison:
        annotations = {place.pointer: place.annotations for place in annotated_values(first, schema)}
        failed = frozenset(finding.pointer for finding in findings)
        declared = [
            (place.value, json_pointer(place.path[:-1]))
            for place in annotated_values(first, schema)
            if place.annotations.get("x-ref") == "declares" and isinstance(place.value, str)
        ]
        numbers = frozenset(number for number, entry in declared if _concerns(failed, entry))
        return cls(annotations, failed, numbers)

    def allows(self, first: Any, second: Any, path: Place) -> bool:
        """Whether the value at ``path`` may have become ``second``."""
        if isinstance(first, Mapping):
            return isinstance(second, Mapping) and self._object(first, second, path)
        if isinstance(first, (list, tuple)):
            return isinstance(second, (list, tuple)) and self._list(first, second, path)
        if isinstance(first, str) and isinstance(second, str) and self._annotations_of(path).get(MARK) is True:
            return True
        return type(first) is type(second) and bool(first == second)

    def _object(self, first: Mapping[str, Any], second: Mapping[str, Any], path: Place) -> bool:
        if first.keys() != second.keys():
            return False
        emptied = any(isinstance(first[key], list) and first[key] and second[key] == [] for key in first)
        return all(
            self.allows(first[key], second[key], (*path, key))
            or (emptied and first[key] is None and "enum" in self._annotations_of((*path, key)))
            for key in first
        )

    def _list(self, first: Sequence[Any], second: Sequence[Any], path: Place) -> bool:
        """Whether the entries of ``second`` are those of ``first`` in order, but for ones that may be left out."""
        coming = iter(enumerate(first))
        for entry in second:
            for index, old in coming:
                if self.allows(old, entry, (*path, index)):
                    break
                if not self._may_go(old, (*path, index)):
                    return False
            else:
                return False
        return all(self._may_go(old, (*path, index)) for index, old in coming)

    def _may_go(self, entry: Any, path: Place) -> bool:
        return _concerns(self.failed, json_pointer(path)) or any(
            number in self.droppable for number in self._named_references(entry, path)
        )

    def _named_references(self, entry: Any, path: Place) -> Iterator[str]:
        if isinstance(entry, str) and self._annotations_of(path).get("x-ref") == "names":
            yield entry
        elif isinstance(entry, Mapping):
            for key, value in entry.items():
                yield from self._named_references(value, (*path, key))
        elif isinstance(entry, (list, tuple)):
            for index, value in enumerate(entry):
                yield from self._named_references(value, (*path, index))

    def _annotations_of(self, path: Place) -> Mapping[str, Any]:
        return self.annotations.get(json_pointer(path), {})


def _concerns(failed: frozenset[str], entry: str) -> bool:
    return entry in failed or any(pointer.startswith(f"{entry}/") for pointer in failed)
