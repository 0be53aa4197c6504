"""The part of JSON Schema that structured outputs take; the check of the answer demands what is left out here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from complaint_llm.backends.wire import InexpressibleError, Subset, map_schemas, reduced_schema, schemas_in, subset

KNOWN: Subset = subset(
    ("allOf", "format", "minItems"),
    {
        "format": (
            *("date-time", "time", "date", "duration", "email", "hostname"),
            *("uri", "ipv4", "ipv6", "uuid"),
        ),
        "minItems": (0, 1),
    },
)
"""Keywords beyond a schema's structure, and the values that they may have.

Source: platform.claude.com, build-with-claude/structured-outputs (JSON Schema limitations).
"""

_DEFINITIONS = ("$defs", "definitions")


def strict_schema(schema: Any) -> dict[str, Any]:
    """``schema`` with closed objects and without the keywords that the API refuses.

    Every answer that fits what is returned can be checked against ``schema``; none that ``schema`` needs is shut out.
    Raises InexpressibleError where that cannot be: objects with free keys, a schema that names no type, references that
    lead outside, into themselves or stand in an ``allOf``.
    """
    made = _narrow(reduced_schema(schema, KNOWN))
    parts = {f"#/{word}/{name}": part for word in _DEFINITIONS for name, part in made.get(word, {}).items()}
    followed: set[str] = set()
    for reference in _references({word: value for word, value in made.items() if word not in _DEFINITIONS}):
        _follow(reference, parts, (), followed)
    return made


def _narrow(schema: Mapping[str, Any]) -> dict[str, Any]:
    if any(next(_references(part), None) for part in schema.get("allOf", ())):
        raise InexpressibleError
    kind = schema.get("type")
    if isinstance(kind, list):
        if "anyOf" in schema:
            raise InexpressibleError
        shared = {word: schema[word] for word in ("title", "description", *_DEFINITIONS) if word in schema}
        only = {word: value for word, value in schema.items() if word not in shared}
        return map_schemas({**shared, "anyOf": [_of_kind(only, one) for one in kind]}, _narrow)
    if kind in _NEEDED and schema.keys().isdisjoint(_NEEDED[kind]):
        raise InexpressibleError
    if kind == "object":
        return {**map_schemas(_close_object(schema), _narrow), "additionalProperties": False}
    return map_schemas({word: value for word, value in schema.items() if word != "additionalProperties"}, _narrow)


_NEEDED: Mapping[Any, tuple[str, ...]] = {"array": ("items",), None: ("enum", "const", "$ref", "anyOf", "allOf")}
"""By type, what says of which values it is; for no type, what stands in for one."""
_OWN = {"object": ("properties", "required", "additionalProperties"), "array": ("items", "minItems")}


def _of_kind(schema: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """One member of a list of types, with the keywords that are about it."""
    others = {word for name, words in _OWN.items() if name != kind for word in words}
    if kind != "string":
        others.add("format")
    return {**{word: value for word, value in schema.items() if word not in others}, "type": kind}


def _close_object(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties")
    free = schema.get("additionalProperties", properties is None)
    if free is not False and (properties is None or isinstance(free, Mapping)):
        raise InexpressibleError
    rest = {word: value for word, value in schema.items() if word != "additionalProperties"}
    return {**rest, "properties": properties or {}, "required": list(schema.get("required", ()))}


def _references(schema: Any) -> Iterator[str]:
    for part in schemas_in(schema):
        if "$ref" in part:
            yield part["$ref"]


def _follow(reference: str, parts: Mapping[str, Any], way: tuple[str, ...], followed: set[str]) -> None:
    if reference not in parts or reference in way:
        raise InexpressibleError
    if reference not in followed:
        for further in _references(parts[reference]):
            _follow(further, parts, (*way, reference), followed)
        followed.add(reference)
