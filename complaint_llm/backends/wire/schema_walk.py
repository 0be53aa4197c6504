"""Where schemas stand inside a JSON Schema: what is a keyword, and what is only a value or a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

BY_NAME = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))
"""Keywords whose value is an object of schemas by name."""
IN_A_LIST = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
"""Keywords whose value is a list of schemas."""
ALONE = frozenset(
    (
        *("items", "additionalItems", "unevaluatedItems", "contains"),
        *("additionalProperties", "unevaluatedProperties", "propertyNames"),
        *("not", "if", "then", "else", "contentSchema"),
    )
)
"""Keywords whose value is one schema; before 2020 that of ``items`` may be a list."""


def map_schemas(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """The schema with each schema directly inside it replaced by what ``change`` makes of it."""
    return {word: _map_keyword(word, value, change) for word, value in schema.items()}


def schemas_in(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema and every schema inside it, at any depth, that is an object."""
    found = [schema]
    while found:
        each = found.pop()
        if isinstance(each, Mapping):
            yield each
            map_schemas(each, found.append)


def without_extensions(schema: Any) -> Any:
    """The schema without the keywords that begin with ``x-``: they are ours or the caller's, and no provider's."""
    if not isinstance(schema, Mapping):
        return schema
    return map_schemas({word: value for word, value in schema.items() if not word.startswith("x-")}, without_extensions)


def _map_keyword(word: str, value: Any, change: Callable[[Any], Any]) -> Any:
    if word in BY_NAME and isinstance(value, Mapping):
        return {name: change(part) for name, part in value.items()}
    if word in IN_A_LIST or (word in ALONE and isinstance(value, list)):
        return [change(part) for part in value] if isinstance(value, list) else value
    return change(value) if word in ALONE else value
