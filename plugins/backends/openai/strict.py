"""JSON Schemas for strict structured outputs, where only a part of JSON Schema is understood.

A schema is narrowed, never widened: every answer that fits the narrowed one fits the given one. What cannot be narrowed
into the accepted part is sent as it is, without the strict flag. Source: OpenAI's guide "Structured model outputs",
section "Supported schemas".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_UNKNOWN = frozenset(
    (
        "allOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
        "propertyNames",
        "unevaluatedProperties",
        "unevaluatedItems",
        "minProperties",
        "maxProperties",
        "prefixItems",
        "contains",
        "minContains",
        "maxContains",
        "uniqueItems",
    )
)


class _NotStrictError(Exception):
    """The schema says something that strict mode does not understand."""


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The narrowed schema, or None where there is none: free-form objects, unions at the root, unknown keywords."""
    if schema.get("type") != "object" or "anyOf" in schema:
        return None
    try:
        return _narrow(schema)
    except (_NotStrictError, RecursionError):
        return None


def _narrow(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or not schema or not _UNKNOWN.isdisjoint(schema):
        raise _NotStrictError
    # "default" is refused and says nothing about what is valid.
    narrowed = {key: value for key, value in schema.items() if key != "default"}
    for key in ("$defs", "definitions", "properties"):
        if key in narrowed:
            narrowed[key] = {name: _narrow(inner) for name, inner in narrowed[key].items()}
    if "items" in narrowed:
        narrowed["items"] = _narrow(narrowed["items"])
    if "anyOf" in narrowed:
        narrowed["anyOf"] = [_narrow(inner) for inner in narrowed["anyOf"]]
    kind = narrowed.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in narrowed:
        if "properties" not in narrowed or narrowed.get("additionalProperties", True) not in (True, False):
            raise _NotStrictError
        if not set(narrowed.get("required", ())) <= narrowed["properties"].keys():
            raise _NotStrictError
        narrowed["required"] = list(narrowed["properties"])
        narrowed["additionalProperties"] = False
    elif kind == "array" and "items" not in narrowed:
        raise _NotStrictError
    return narrowed
