"""Goes through a value beside its JSON Schema, so that what a schema says of a place can be read there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Path = tuple[str | int, ...]

_MOST_REFERENCES = 32
"""References that lead to references; a schema that goes round ends here."""


class Place(NamedTuple):
    """A value of an answer, where it stands, and what the schema says of it."""

    path: Path
    value: Any
    marks: Mapping[str, Any]
    """The keywords of all subschemas that apply here, ``x-`` keywords among them."""
    parent: Any
    """The object or list that holds it; None at the root."""

    @property
    def pointer(self) -> str:
        """Its JSON pointer (RFC 6901)."""
        return json_pointer(self.path)


def json_pointer(path: Path) -> str:
    """The path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def walk(value: Any, schema: Mapping[str, Any]) -> Iterator[Place]:
    """Every value of an answer with the keywords that apply to it, outermost first.

    References into the same schema are followed, siblings of a reference kept; of ``anyOf``, ``oneOf`` and ``allOf``
    every branch counts that has something to say of the place.
    """
    yield from _walk(value, [schema], schema, (), None)


def _walk(value: Any, schemas: Sequence[Any], root: Mapping[str, Any], path: Path, parent: Any) -> Iterator[Place]:
    flat = [each for schema in schemas for each in _flattened(schema, root)]
    marks: dict[str, Any] = {}
    for each in flat:
        for keyword, said in each.items():
            marks.setdefault(keyword, said)
    yield Place(path, value, marks, parent)
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, _property_schemas(flat, key), root, (*path, key), value)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _walk(item, _item_schemas(flat, index), root, (*path, index), value)


def _flattened(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    if not isinstance(schema, Mapping) or depth > _MOST_REFERENCES:
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from _flattened(_resolved(reference, root), root, depth + 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(keyword)
        if isinstance(branches, list):
            for branch in branches:
                yield from _flattened(branch, root, depth + 1)


def _resolved(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if reference.startswith("#") else None


def _property_schemas(schemas: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    found = []
    for each in schemas:
        properties = each.get("properties")
        if isinstance(properties, Mapping) and key in properties:
            found.append(properties[key])
        elif "additionalProperties" in each:
            found.append(each["additionalProperties"])
    return found


def _item_schemas(schemas: Sequence[Mapping[str, Any]], index: int) -> list[Any]:
    found = []
    for each in schemas:
        first = each.get("prefixItems")
        if isinstance(first, list) and index < len(first):
            found.append(first[index])
        elif "items" in each:
            found.append(each["items"])
    return found
