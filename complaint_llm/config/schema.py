"""The JSON Schema of configs as a document: that of the sections, and one of entries for each type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from complaint_llm.backends.options import backend_schema
from complaint_llm.config.entry_types import entry_schema
from complaint_llm.json_schema.files import read_schema

if TYPE_CHECKING:
    from complaint_llm.host import PluginHost


def composed_schema(host: PluginHost) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a config with every backend type that the host can load, for editors and people."""
    config, common = read_schema("config"), backend_schema()
    definitions: dict[str, Any] = {}
    branches: list[dict[str, Any]] = []
    names: list[str] = []
    for type in host.backend_types():
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
    config["properties"]["BACKENDS"]["items"] = {
        "type": "object",
        "required": common["required"],
        "properties": {"id": common["properties"]["id"], "type": kind},
        "allOf": branches,
    }
    config["$defs"] = definitions
    return config
