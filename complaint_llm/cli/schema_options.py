"""The shape of an answer, as it is given on the command line: ``--schema`` and ``--schema-multi``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

_KINDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_DEFINITIONS = ("$defs", "definitions")


def response_schema(schema: str | None, schema_multi: str | None) -> dict[str, Any] | None:
    """The JSON Schema that one of the options gives, None without them. Raises UsageError."""
    if schema is not None and schema_multi is not None:
        raise click.UsageError("--schema is of one answer, --schema-multi of a list: give one of them")
    if schema_multi is not None:
        return list_schema(read_schema(schema_multi, "--schema-multi"))
    return None if schema is None else read_schema(schema)


def read_schema(given: str, option: str = "--schema") -> dict[str, Any]:
    """A JSON Schema from a file's name, from JSON, or from fields: ``name, age int, why: the reason``.

    A field is a name, then its type (str, int, float or bool; str where there is none), then what it means behind a
    colon. Raises UsageError.
    """
    text = given
    if not given.lstrip().startswith("{"):
        path = Path(given)
        if "\n" not in given and (path.suffix == ".json" or path.is_file()):
            try:
                text = path.read_text(encoding="utf-8-sig")
            except (OSError, ValueError) as error:
                raise click.UsageError(f"{option} {given}: cannot be read: {error}") from error
        else:
            return _from_fields(given, option)
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{option}: no JSON: {error}") from error
    if not isinstance(schema, dict):
        raise click.UsageError(f"{option}: a schema is a JSON object")
    return schema


def list_schema(item: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object whose ``items`` is a list of what ``item`` describes.

    Its definitions stand at the top; what else it refers to inside itself is found where it stands now.
    """
    moved = _with_moved_references(item)
    above = {word: value for word, value in moved.items() if word in ("$schema", *_DEFINITIONS)}
    inside = {word: value for word, value in moved.items() if word not in above and word != "$id"}
    listed = {"items": {"type": "array", "items": inside}}
    return {**above, "type": "object", "additionalProperties": False, "required": ["items"], "properties": listed}


def _with_moved_references(schema: Any) -> Any:
    from complaint_llm.backends.wire.schema_walk import map_schemas  # cold start: backends

    if not isinstance(schema, Mapping):
        return schema
    moved = map_schemas(schema, _with_moved_references)
    place = moved.get("$ref")
    if isinstance(place, str) and re.match(r"#(?!/(\$defs|definitions)/)(/|$)", place):
        moved["$ref"] = f"#/properties/items/items{place[1:]}"
    return moved


def _from_fields(given: str, option: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for each in re.split(r"\n" if "\n" in given.strip() else ",", given.strip()):
        field, _, meaning = (part.strip() for part in each.partition(":"))
        name, _, kind = field.partition(" ")
        if not name.isidentifier() or (kind.strip() or "str") not in _KINDS:
            raise click.UsageError(
                f"{option}: {each.strip()!r} is no field: give a name and perhaps one of {', '.join(_KINDS)}; "
                "or a file, or JSON"
            )
        properties[name] = {"type": _KINDS[kind.strip() or "str"], **({"description": meaning} if meaning else {})}
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}
