"""The JSON Schema of configs as one document for editors, made of the parts that the loader validates with.

What a schema marks ``"x-names": "backends"`` (or tasks, checks, strategies, plugins) is completed with the names that
there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.options import backend_schema
from complaint_llm.config.entry_types import entry_schema, other_names
from complaint_llm.config.known_names import KnownNames, known_names
from complaint_llm.config.listed import GUARDS, OBSERVERS, listed_types
from complaint_llm.config.parts import takes_entries
from complaint_llm.config.validation import part_of
from complaint_llm.json_schema.files import read_schema
from complaint_llm.json_schema.flat import WHOLE_REFERENCE, allowing_references, flat_part, with_parts
from complaint_llm.json_schema.places import Place, json_pointer

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType
    from complaint_llm.host import PluginHost

SCHEMA_ID = "urn:complaint-llm:config"
"""The ``$id`` of composed schemas, the same for every version and every set of plugins."""

_ENTRY = "entry"
_OPEN = ("backends", "members", "tasks", "plugins")
"""Names that a file may add to after its schema was written: others are no fault."""


def compose_schema(host: PluginHost, document: Any) -> dict[str, Any]:
    """What ``config.composed_schema`` returns."""
    types = list(host.backend_types())
    return _Composition(types, known_names(host, types, document)).schema(host)


class _Composition:
    """One schema in the making."""

    def __init__(self, types: Iterable[BackendType], names: KnownNames) -> None:
        self._types = list(types)
        self._names = names
        self._common = backend_schema()
        self._keys = {key: f"key:{key}" for key in self._common["properties"] if key not in ("id", "type")}

    def schema(self, host: PluginHost) -> dict[str, Any]:
        """The whole of it."""
        config = read_schema("config")
        sections = config["properties"]
        sections["BACKENDS"]["items"] = {
            "allOf": [_pointer(_ENTRY), *self._required_rules()],
            "required": self._common["required"],
            "examples": [{"id": type.name, **example} for type in self._types if (example := type.own_example())],
        }
        sections["GUARDS"]["items"] = _by_listed_type(sections["GUARDS"]["items"], listed_types(GUARDS, host))
        sections["OBSERVERS"]["items"] = _by_listed_type(sections["OBSERVERS"]["items"], listed_types(OBSERVERS, host))
        kept = {key: sections.pop(key) for key in ("$schema", "APPLICATION")}
        config = self._for_editors(config)
        config["properties"] = {"$schema": kept["$schema"], **config["properties"], "APPLICATION": kept["APPLICATION"]}
        common = self._common["properties"]
        config["$defs"] = {
            _ENTRY: self._entry(),
            **{name: self._for_editors(common[key]) for key, name in self._keys.items()},
            **{type.name: self._definition(type) for type in self._types},
        }
        return {"$schema": config.pop("$schema"), "$id": SCHEMA_ID, **config}

    def _for_editors(self, part: Mapping[str, Any]) -> dict[str, Any]:
        return self._with_names(allowing_references(part))

    def _with_names(self, part: dict[str, Any]) -> dict[str, Any]:
        part = with_parts(part, self._with_names)
        kind = part.pop("x-names", None)
        names = self._names.of(kind) if isinstance(kind, str) else {}
        if not names:
            return part
        choice = {"enum": list(names), "enumDescriptions": list(names.values())}
        notes: dict[str, Any] = {word: part[word] for word in ("description", "default") if word in part}
        rest = {word: rule for word, rule in part.items() if word not in notes}
        return {**notes, "anyOf": [choice, rest if kind in _OPEN else WHOLE_REFERENCE]}

    def _entry(self) -> dict[str, Any]:
        """An entry of any type, declared or inline."""
        common = self._common["properties"]
        spelled = {name: text for type in self._types for name, text in _spellings(type).items()}
        names = sorted(spelled)
        values = {"enum": names, "enumDescriptions": [spelled[name] for name in names]}
        return {
            "type": "object",
            "required": ["type"],
            "properties": {
                "id": allowing_references(common["id"]),
                "type": {
                    "description": common["type"]["description"],
                    "anyOf": [values, WHOLE_REFERENCE],
                },
            },
            "allOf": [
                {"if": _is_type(name), "then": _pointer(type.name)} for type in self._types for name in _spellings(type)
            ],
        }

    def _definition(self, type: BackendType) -> dict[str, Any]:
        """The keys of a type. Which must be there is said where an entry is declared: inline some may be lent."""
        common = self._common["properties"]
        part = entry_schema(type, self._common)
        moved = flat_part(part, ("$defs", type.name))
        members = {key: self._members(key, part) for key in type.parts if key in part["properties"]}
        kept = {word: rule for word, rule in moved.items() if word not in ("properties", "required")}
        finished = self._for_editors({**kept, "properties": {**moved["properties"], **members}})
        keys: dict[str, Any] = {}
        for key, rules in finished["properties"].items():
            shared = key in self._keys and part["properties"][key] == common[key]
            keys[key] = _pointer(self._keys[key]) if shared else rules
            default = _default_of(type, key, part["properties"][key])
            if default is not None:
                keys[key] = {**rules, "default": default}
        for other, name in other_names(part["properties"]).items():
            if name == "" or name in keys:
                said = f"Another name of {name}." if name else "Further keys of the entry."
                target = (type.name, "properties", name) if name else (type.name,)
                keys[other] = {"allOf": [_pointer(*target)], "description": said, "doNotSuggest": True}
        keys["id"] = allowing_references(common["id"])
        keys["type"] = {}
        return {**finished, "description": type.summary, "properties": keys}

    def _members(self, key: str, part: Mapping[str, Any]) -> dict[str, Any]:
        """A key that holds members, completed with what may stand there."""
        said = {word: rule for word, rule in part_of(part, (key,)).items() if word not in ("anyOf", "oneOf", "items")}
        if said.get("type") == "array":
            return {**said, "items": self._member(inline=takes_entries(part, (key, 0)))}
        notes = {"description": said.get("description", "")}
        return {**notes, **self._member(inline=takes_entries(part, (key,)))}

    def _member(self, *, inline: bool) -> dict[str, Any]:
        """What stands for one member: an id, or where entries may be written inline also a type or an entry."""
        name = {"type": "string", "minLength": 1, "x-names": "members" if inline else "backends"}
        return {"anyOf": [name, _pointer(_ENTRY)]} if inline else name

    def _required_rules(self) -> list[dict[str, Any]]:
        """For each type the keys that an entry in BACKENDS must have, by one of their names."""
        found = []
        for type in self._types:
            part = entry_schema(type, self._common)
            others = other_names(part["properties"])
            for key in part["required"]:
                if key in self._common["required"]:
                    continue
                spelled = [other for other, name in others.items() if name in (key, "")]
                said = {"anyOf": [{"required": [name]} for name in spelled]}
                found += [
                    {"if": {**_is_type(name), "not": said}, "then": {"required": [key]}} for name in _spellings(type)
                ]
        return found


def _pointer(*steps: str) -> dict[str, Any]:
    place: Place = ("$defs", *steps)
    return {"$ref": "#" + json_pointer(place)}


def _is_type(name: str) -> dict[str, Any]:
    return {"type": "object", "required": ["type"], "properties": {"type": {"const": name}}}


def _spellings(type: BackendType) -> dict[str, str]:
    return {type.name: type.summary, **dict.fromkeys(type.aliases, f"{type.name}: {type.summary}")}


def _default_of(type: BackendType, key: str, rules: Any) -> Any:
    """What holds for a key of this type where the entry says nothing, where that is the type's own."""
    if key in type.presets:
        return type.presets[key]
    if key == "api_key" and type.key_variables:
        return f"${type.key_variables[0]}"
    return None


def _by_listed_type(entry: Mapping[str, Any], types: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The schema of an entry of GUARDS or OBSERVERS, with the keys of each type."""
    common = entry["properties"]
    kind = {
        **{word: rule for word, rule in common["type"].items() if word != "minLength"},
        "enum": list(types),
        "enumDescriptions": [rules.get("description", "") for rules in types.values()],
    }
    branches = []
    for name, rules in types.items():
        own = {**rules, "properties": {**common, "type": {}, **rules["properties"]}}
        branches.append({"if": _is_type(name), "then": own})
    return {**entry, "properties": {**common, "type": kind}, "allOf": branches}
