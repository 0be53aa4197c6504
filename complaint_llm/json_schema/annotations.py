"""Goes through a value beside its JSON Schema, so that what a schema says of a place can be read there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from complaint_llm.json_schema.places import Place, json_pointer

_MOST_REFERENCES = 32
"""References that lead to references; a schema that goes round ends here."""


class AnnotatedValue(NamedTuple):
    """A value of an answer, where it stands, and what the schema says of it."""

    path: Place
    value: Any
    annotations: Mapping[str, Any]
    """The keywords of all subschemas that apply here, ``x-`` keywords among them."""
    parent: Any
    """The object or list that holds it; None at the root."""

    @property
    def pointer(self) -> str:
        """Its JSON pointer (RFC 6901)."""
        return json_pointer(self.path)


def annotated_values(value: Any, schema: Mapping[str, Any]) -> Iterator[AnnotatedValue]:
    """Every value of an answer with the keywords that apply to it, outermost first.

    References into the same schema are followed, siblings of a reference kept; of ``anyOf``, ``oneOf`` and ``allOf``
    every branch counts that has something to say of the place.
    """
    yield from _annotated_values(value, schemas=[schema], root=schema, path=(), parent=None)


def _annotated_values(
    value: Any, schemas: Sequence[Any], root: Mapping[str, Any], path: Place, parent: Any
) -> Iterator[AnnotatedValue]:
    flat = [each for schema in schemas for each in _subschemas(schema, root)]
    annotations: dict[str, Any] = {}
    for each in flat:
        for keyword, said in each.items():
            annotations.setdefault(keyword, said)
    yield AnnotatedValue(path, value, annotations, parent)
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _annotated_values(
                item, schemas=_property_schemas(flat, key), root=root, path=(*path, key), parent=value
            )
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _annotated_values(
                item, schemas=_item_schemas(flat, index), root=root, path=(*path, index), parent=value
            )


def _subschemas(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    if not isinstance(schema, Mapping) or depth > _MOST_REFERENCES:
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from _subschemas(_referenced_schema(reference, root), root, depth + 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(keyword)
        if isinstance(branches, list):
            for branch in branches:
                yield from _subschemas(branch, root, depth + 1)


def _referenced_schema(reference: str, root: Mapping[str, Any]) -> Any:
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
