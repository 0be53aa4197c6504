"""The part of JSON Schema that structured outputs take; the check of the answer demands what is left out here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ANNOTATIONS = ("title", "description", "enum", "const", "$ref")
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))


class InexpressibleError(Exception):
    """The schema allows answers that this part of JSON Schema cannot describe."""


def strict_schema(schema: Any) -> dict[str, Any]:
    """``schema`` with closed objects and without the keywords that the API refuses.

    Every answer that fits what is returned can be checked against ``schema``; none that ``schema`` needs is shut out.
    Raises InexpressibleError where that cannot be: objects with free keys, or a schema that names no type.
    Source: platform.claude.com, build-with-claude/structured-outputs (JSON Schema limitations).
    """
    if not isinstance(schema, Mapping):
        raise InexpressibleError
    made: dict[str, Any] = {key: schema[key] for key in _ANNOTATIONS if key in schema}
    if "$defs" in schema:
        made["$defs"] = {name: strict_schema(part) for name, part in schema["$defs"].items()}
    for key, wanted in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        if key in schema:
            made[wanted] = [strict_schema(part) for part in schema[key]]
    kind = schema.get("type")
    if isinstance(kind, list):
        made["anyOf"] = [strict_schema({**schema, "type": one}) for one in kind]
    elif kind is not None:
        made["type"] = kind
        _KINDS.get(kind, _plain)(schema, made)
    elif not made.keys() & {"enum", "const", "$ref", "anyOf", "allOf"}:
        raise InexpressibleError
    return made


def _object(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    properties = schema.get("properties")
    free = schema.get("additionalProperties", properties is None)
    if free is not False and (properties is None or isinstance(free, Mapping)):
        raise InexpressibleError
    made["properties"] = {name: strict_schema(part) for name, part in (properties or {}).items()}
    made["required"] = list(schema.get("required", ()))
    made["additionalProperties"] = False


def _array(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    if "items" not in schema:
        raise InexpressibleError
    made["items"] = strict_schema(schema["items"])
    if schema.get("minItems") in (0, 1):
        made["minItems"] = schema["minItems"]


def _string(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    if schema.get("format") in _FORMATS:
        made["format"] = schema["format"]


def _plain(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    """Numbers, booleans and null have no keyword that is taken."""


_KINDS = {"object": _object, "array": _array, "string": _string}
