"""Backend types as the reading of a config needs them, each prepared once for all its entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.backends.options import ALIASES, backend_schema
from complaint_llm.config.environment import Environment, Filled, fill
from complaint_llm.config.problems import Place, Problem
from complaint_llm.config.schema import entry_schema
from complaint_llm.config.validation import Validator
from complaint_llm.exceptions import PluginError

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType
    from complaint_llm.host import PluginHost

_FREE = {"input": 0, "output": 0}


class Renamed(NamedTuple):
    """An entry by the names that its keys have here."""

    entry: Filled
    origins: Mapping[str, Place]
    """Where a key stands in the entry as it was written, if that is elsewhere than under its name."""
    problems: tuple[Problem, ...] = ()
    """Keys that are given twice, at their places as they were written."""


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
            return self.place_here(place[1:])
        return place if new is None else (new, *place[1:])

    def rename(self, entry: Filled) -> Renamed:
        """The entry by the names that its keys have here; of a key that is given twice the first stays."""
        if self.renames.keys().isdisjoint(entry.value):
            return Renamed(entry, {})
        keys: dict[str, Any] = {}
        origins: dict[str, Place] = {}
        doubles: list[Place] = []
        for place, value in self._written_keys(entry.value):
            (name,) = self.place_here(place)
            if name in keys:
                doubles.append(place)
                continue
            keys[str(name)] = value
            if place != (name,):
                origins[str(name)] = place
        kept = entry.without(doubles)
        found = [
            Problem(place, f'means the same as "{name}", which is given too: keep one of them', at_key=True)
            for place in doubles
            for (name,) in [self.place_here(place)]
        ]
        return Renamed(kept.move(self.place_here)._replace(value=keys), origins, tuple(found))

    def _written_keys(self, entry: Mapping[str, Any]) -> list[tuple[Place, Any]]:
        """The keys of an entry with their places, those that stand in a mapping of their own last."""
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
        renames = {old: new for old, new in ALIASES.items() if old not in own}
        if "path" not in own:
            renames["path"] = "model_path" if "model_path" in own else "model"
        if "parameters" not in own:
            renames["parameters"] = ""
        paths = (key for key, rule in own.items() if isinstance(rule, dict) and rule.get("format") == "path")
        presets = type.presets
        if type.demo and "pricing" in own:
            presets = {"pricing": _FREE, **presets}  # no model, no price: that is known
        return EntryType(
            type,
            validator=Validator(schema),
            paths=frozenset(paths),
            renames=renames,
            presets=fill(dict(presets), self._environment),
        )
