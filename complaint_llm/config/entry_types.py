"""Backend types as the reading of a config needs them, each prepared once for all its entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.base import Backend
from complaint_llm.backends.options import ALIASES, backend_schema
from complaint_llm.config.environment import Environment, Filled, fill, is_secret_name
from complaint_llm.config.parts import is_backend, takes_entries, with_parts
from complaint_llm.config.problems import Place, Problem, json_pointer
from complaint_llm.config.validation import Validator
from complaint_llm.exceptions import PluginError
from complaint_llm.named_tuples import NamedTuple

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType
    from complaint_llm.host import PluginHost

_FREE = {"input": 0, "output": 0}


class EntryDraft(NamedTuple):
    """An entry by the names that its keys have here, over the presets of its type, not checked yet."""

    entry: Filled
    """With a text in the place of each member that is written in it."""
    given: Mapping[str, Place]
    """Where each key that was given stands in the entry as it was written."""
    inline: Mapping[Place, Any]
    """The members that are written in it, by their places: Filled for entries, backends that code made as they are."""
    problems: tuple[Problem, ...] = ()
    """Keys that are given twice."""


class EntryType(NamedTuple):
    """A backend type with what is prepared once for all its entries."""

    type: BackendType
    validator: Validator
    paths: frozenset[str]
    """The keys that hold paths."""
    renames: Mapping[str, str]
    """Other names of keys; "" for a mapping whose own keys are the entry's."""
    presets: Filled

    def takes(self, key: str) -> bool:
        """Whether an entry of this type may have this key."""
        return key in self.validator.schema["properties"]

    def place_here(self, place: Place) -> Place:
        """A place in an entry as it was written, by the names that keys have here."""
        new = self.renames.get(str(place[0])) if place else None
        if new == "":
            # What stands in the place of such a mapping and is none is named by its own key.
            return self.place_here(place[1:]) if len(place) > 1 else place
        return place if new is None else (new, *place[1:])

    def draft(self, written: Filled) -> EntryDraft:
        """The entry as this type has it; of a key that is given twice the first stays."""
        keys: dict[str, Any] = {}
        given: dict[str, Place] = {}
        doubles: dict[Place, str] = {}
        for place, value in self._written_keys(written.value):
            name = str(self.place_here(place)[0])
            if name in given:
                doubles[place] = name
            else:
                keys[name], given[name] = value, place
        if given.keys() != written.value.keys():
            written = written.without(doubles).move(self.place_here)
        entry, inline = self._cut_members(written._replace(value=keys))
        found = (
            Problem(place, f'means the same as "{name}", which is given too: keep one of them', at_key=True)
            for place, name in doubles.items()
        )
        return EntryDraft(entry.over(self.presets), given=given, inline=inline, problems=tuple(found))

    def _cut_members(self, entry: Filled) -> tuple[Filled, Mapping[Place, Any]]:
        if not self.type.parts:
            return entry, {}
        inline: dict[Place, Any] = {}

        def cut(place: Place, member: Any) -> Any:
            if isinstance(member, dict) and takes_entries(self.validator.schema, place):
                inline[place] = entry.below(place)
            elif is_backend(member):
                inline[place] = member
            else:
                return member
            return json_pointer(place)

        keys = with_parts(entry.value, self.type.parts, cut)
        return entry.without(inline)._replace(value=keys), inline

    def _written_keys(self, entry: Mapping[str, Any]) -> list[tuple[Place, Any]]:
        """The keys of an entry with their places, those that stand in a mapping of their own last."""
        if self.renames.keys().isdisjoint(entry):
            return [((key,), value) for key, value in entry.items()]
        outer: list[tuple[Place, Any]] = []
        inner: list[tuple[Place, Any]] = []
        for key, value in entry.items():
            if self.renames.get(key) == "" and isinstance(value, dict):
                inner += [((key, name), item) for name, item in value.items()]
            else:
                outer.append(((key,), value))
        return outer + inner


class EntryTypes:
    """The types that the entries of one config have. Used by one thread."""

    def __init__(self, host: PluginHost, environment: Environment) -> None:
        self._host = host
        self._environment = environment
        self._known: dict[str, EntryType | PluginError] = {}
        self.common = backend_schema()
        """The schema of the keys that every backend takes."""

    def find(self, name: str) -> EntryType | PluginError:
        """The type of this name or alias, or why there is none."""
        known = self._known.get(name)
        if known is None:
            try:
                known = self._prepare(self._host.backend_type(name))
            except PluginError as error:
                known = error
            self._known[name] = known
        return known

    def of_entry(self, entry: Mapping[str, Any]) -> EntryType:
        """The type of an entry as the document has it, which was read before. Raises PluginError."""
        found = self.find(fill(entry["type"], self._environment).value)
        if isinstance(found, PluginError):
            raise found
        return found

    def _prepare(self, type: BackendType) -> EntryType:
        schema = entry_schema(type, self.common)
        own = schema["properties"]
        paths = (key for key, rule in own.items() if isinstance(rule, dict) and rule.get("format") == "path")
        presets = type.presets
        if type.demo and "pricing" in own:
            presets = {"pricing": _FREE, **presets}  # no model, no price: that is known
        return EntryType(
            type,
            validator=Validator(schema, blame=("type",)),
            paths=frozenset(paths),
            renames=other_names(own),
            presets=fill(dict(presets), self._environment),
        )


def other_names(keys: Mapping[str, Any]) -> dict[str, str]:
    """Other names of the keys that a type has; "" for a mapping whose own keys are the entry's."""
    renames = {old: new for old, new in ALIASES.items() if old not in keys}
    if "path" not in keys:
        renames["path"] = "model_path" if "model_path" in keys else "model"
    if "parameters" not in keys:
        renames["parameters"] = ""
    return renames


def entry_schema(type: BackendType, common: Mapping[str, Any]) -> dict[str, Any]:
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

    def schema(self, common: Mapping[str, Any]) -> dict[str, Any]:
        """The schema of its own keys; what a common key may hold is said elsewhere."""
        own = sorted(self.names - common.keys())
        parts: dict[str, Any] = {name: {"writeOnly": True} if is_secret_name(name) else {} for name in own}
        return {"type": "object", "properties": parts, "required": list(self.required)}

    def refuses(self, common: Mapping[str, Any]) -> frozenset[str]:
        """The common keys that nobody would honour: it neither takes them nor passes them on."""
        if self.any or self.foreign:
            return frozenset()
        return frozenset(common.keys() - self.names - {"id", "type", "optional"})
