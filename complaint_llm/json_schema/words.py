"""What a schema asks for, in the words of a help text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from complaint_llm.json_schema.problems import kinds_of

_KINDS = {
    "string": "text",
    "number": "number",
    "integer": "integer",
    "boolean": "true or false",
    "object": "mapping",
    "array": "list",
    "null": "null",
}


def value_in_words(schema: Mapping[str, Any]) -> str:
    """The kind of a value, its bounds, its default and its meaning, in a line."""
    kind = " ".join(_kind(schema))
    default = f", {json.dumps(schema['default'], ensure_ascii=False)} by default" if "default" in schema else ""
    meaning = str(schema.get("description", ""))
    return f"{kind}{default}" + (f". {meaning}" if meaning else "") if kind else meaning


def _kind(schema: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in schema:
        yield " | ".join(each if isinstance(each, str) else json.dumps(each) for each in schema["enum"])
        return
    yield from [" or ".join(dict.fromkeys(_KINDS.get(kind, kind) for kind in kinds_of(schema)))]
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    above = "above" if "exclusiveMinimum" in schema else "from"
    if low is not None and high is not None:
        yield f"{above} {low} to {high}"
    elif low is not None:
        yield f"{above} {low}"
