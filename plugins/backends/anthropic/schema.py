"""The part of JSON Schema that structured outputs take; the check of the answer demands what is left out here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_ANNOTATIONS = ("title", "description", "enum", "const", "$ref")
_PARTS = ("$defs", "definitions")
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))


class InexpressibleError(Exception):
    """The schema allows answers that this part of JSON Schema cannot describe."""


def strict_schema(schema: Any) -> dict[str, Any]:
    """``schema`` with closed objects and without the keywords that the API refuses.

    Every answer that fits what is returned can be checked against ``schema``; none that ``schema`` needs is shut out.
    Raises InexpressibleError where that cannot be: objects with free keys, a schema that names no type, references that
    lead outside, into themselves or stand in an ``allOf``.
    Source: platform.claude.com, build-with-claude/structured-outputs (JSON Schema limitations).
    """
    made = _narrowed(schema)
    parts = {f"#/{key}/{name}": part for key in _PARTS for name, part in made.get(key, {}).items()}
    body = {key: value for key, value in made.items() if key not in _PARTS}
    followed: set[str] = set()
    for reference in _references(body):
        _follow(reference, parts, (), followed)
    return made


def _narrowed(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise InexpressibleError
    made: dict[str, Any] = {key: schema[key] for key in _ANNOTATIONS if key in schema}
    for key in _PARTS:
        if key in schema:
            made[key] = {name: _narrowed(part) for name, part in schema[key].items()}
    for key, wanted in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        if key in schema:
            made[wanted] = [_narrowed(part) for part in schema[key]]
    if any("$ref" in part for part in made.get("allOf", ())):
        raise InexpressibleError
    kind = schema.get("type")
    if isinstance(kind, list):
        made["anyOf"] = [_narrowed({**schema, "type": one}) for one in kind]
    elif kind is not None:
        made["type"] = kind
        _KINDS.get(kind, _plain)(schema, made)
    elif not made.keys() & {"enum", "const", "$ref", "anyOf", "allOf"}:
        raise InexpressibleError
    return made


def _references(schema: Any) -> Iterator[str]:
    """The references in a schema; ``enum`` and ``const`` hold values, and their keys are no keywords."""
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for key, part in schema.items():
            if key not in ("enum", "const"):
                yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _follow(reference: str, parts: Mapping[str, Any], way: tuple[str, ...], followed: set[str]) -> None:
    if reference not in parts or reference in way:
        raise InexpressibleError
    if reference not in followed:
        for further in _references(parts[reference]):
            _follow(further, parts, (*way, reference), followed)
        followed.add(reference)


def _object(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    properties = schema.get("properties")
    free = schema.get("additionalProperties", properties is None)
    if free is not False and (properties is None or isinstance(free, Mapping)):
        raise InexpressibleError
    made["properties"] = {name: _narrowed(part) for name, part in (properties or {}).items()}
    made["required"] = list(schema.get("required", ()))
    made["additionalProperties"] = False


def _array(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    if "items" not in schema:
        raise InexpressibleError
    made["items"] = _narrowed(schema["items"])
    if schema.get("minItems") in (0, 1):
        made["minItems"] = schema["minItems"]


def _string(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    if schema.get("format") in _FORMATS:
        made["format"] = schema["format"]


def _plain(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    """Numbers, booleans and null have no keyword that is taken."""


_KINDS = {"object": _object, "array": _array, "string": _string}
