"""JSON Schemas of configs: the files in ``complaint_llm.schemas`` and the plugins' own parts, composed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.backends.base import Backend
from complaint_llm.backends.options import backend_schema
from complaint_llm.config.environment import is_secret_name
from complaint_llm.json_schema.files import read_schema

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType
    from complaint_llm.host import PluginHost

Schema = Mapping[str, Any]


def entry_schema(type: BackendType, common: Schema) -> dict[str, Any]:
    """The schema of a whole BACKENDS entry of this type: the common keys it honours and its own. Raises PluginError."""
    own = type.own_schema()
    refused = type.refuses
    if type.honours is not None:
        refused |= common["properties"].keys() - type.honours - {"id", "type"}
    if own is None:
        takes = Parameters.of(type.factory())
        own = takes.schema(common["properties"])
        refused |= takes.refuses(common["properties"])
    keys = {key: part for key, part in common["properties"].items() if key not in refused}
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


class Parameters(NamedTuple):
    """What the class or factory of a type without a schema takes by name.

    ``any`` says that it takes every keyword, ``foreign`` that it is a class which does not derive from Backend: it
    stands behind a backend of ours, which honours the common keys in its place.
    """

    names: frozenset[str]
    required: tuple[str, ...]
    any: bool
    foreign: bool

    @classmethod
    def of(cls, factory: Callable[..., Any]) -> Parameters:
        """Read from the signature."""
        import inspect  # cold start: only for types without a schema

        given = inspect.signature(factory).parameters.values()
        named = [one for one in given if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        return cls(
            frozenset(one.name for one in named),
            tuple(one.name for one in named if one.default is one.empty and one.name != "id"),
            any(one.kind is one.VAR_KEYWORD for one in given),
            isinstance(factory, type) and not issubclass(factory, Backend),
        )

    def schema(self, common: Schema) -> dict[str, Any]:
        """The schema of its own keys; what a common key may hold is said elsewhere."""
        own = sorted(self.names - common.keys())
        parts: dict[str, Any] = {name: {"writeOnly": True} if is_secret_name(name) else {} for name in own}
        return {"type": "object", "properties": parts, "required": list(self.required)}

    def refuses(self, common: Schema) -> frozenset[str]:
        """The common keys that nobody would honour: it neither takes them nor passes them on."""
        if self.any or self.foreign:
            return frozenset()
        return frozenset(common.keys() - self.names - {"id", "type", "optional"})


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
