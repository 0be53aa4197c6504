"""JSON Schemas of configs: the files in ``complaint_llm.schemas`` and the plugins' own parts, composed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.config.environment import is_secret_name
from complaint_llm.config.problems import Path as DocumentPath

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType

Schema = Mapping[str, Any]


def read_schema(name: str) -> dict[str, Any]:
    """A schema that this package ships, by its name without ``.schema.json``."""
    from complaint_llm import schemas

    read: dict[str, Any] = json.loads((Path(schemas.__path__[0]) / f"{name}.schema.json").read_bytes())
    return read


def entry_schema(type: BackendType, common: Schema) -> dict[str, Any]:
    """The schema of a whole BACKENDS entry of this type: the common keys it honours and its own. Raises PluginError."""
    own = type.own_schema()
    if own is None:
        own = parameters_schema(type.factory(), common["properties"])
    keys = {key: part for key, part in common["properties"].items() if key not in type.refuses}
    preset = type.presets.keys()
    required = [*common["required"], *(key for key in own.get("required", ()) if key not in preset)]
    kept = {word: part for word, part in own.items() if word not in ("properties", "required", "$schema", "title")}
    return {
        "type": "object",
        "additionalProperties": False,
        **kept,
        "properties": {**keys, **own.get("properties", {})},
        "required": list(dict.fromkeys(required)),
    }


def parameters_schema(factory: Callable[..., Any], common: Schema) -> dict[str, Any]:
    """The named parameters of a class or factory as a schema; what a common key may hold is said elsewhere."""
    import inspect

    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, parameter in inspect.signature(factory).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            continue
        if name not in common:
            properties[name] = {"writeOnly": True} if is_secret_name(name) else {}
        if parameter.default is parameter.empty and name != "id":
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def composed_schema(types: Iterator[BackendType]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a config with these backend types, for editors and for people."""
    whole, common = read_schema("config"), read_schema("backend")
    definitions: dict[str, Any] = {}
    branches: list[dict[str, Any]] = []
    names: list[str] = []
    for type in types:
        part = entry_schema(type, common)
        # A part with references of its own becomes a resource of its own, so that "#/..." means the part.
        definitions[type.name] = {"$id": f"urn:complaint_llm:type:{type.name}", "description": type.summary, **part}
        spelled = [type.name, *type.aliases]
        names += spelled
        branches.append(
            {
                "if": {"required": ["type"], "properties": {"type": {"enum": spelled}}},
                "then": {"$ref": f"urn:complaint_llm:type:{type.name}"},
            }
        )
    kind = {**common["properties"]["type"], "enum": sorted(names)}
    whole["properties"]["BACKENDS"]["items"] = {
        "type": "object",
        "required": common["required"],
        "properties": {"id": common["properties"]["id"], "type": kind},
        "allOf": branches,
    }
    whole["$defs"] = definitions
    return whole


def part_of(schema: Any, path: DocumentPath) -> Mapping[str, Any]:
    """What a schema says of the value at a path, as far as plain nesting leads; nothing if it does not lead there."""
    for step in path:
        if not isinstance(schema, Mapping):
            return {}
        if isinstance(step, int):
            schema = schema.get("items", {})
        else:
            branches = (schema, *schema.get("anyOf", ()))
            named = next((b["properties"][step] for b in branches if step in b.get("properties", {})), None)
            schema = schema.get("additionalProperties", {}) if named is None else named
    return schema if isinstance(schema, Mapping) else {}


def is_secret(schema: Any, path: DocumentPath) -> bool:
    """Whether the value at a path is marked ``writeOnly``, itself or by what it lies in."""
    return any(part_of(schema, path[:n]).get("writeOnly") for n in range(len(path) + 1))
