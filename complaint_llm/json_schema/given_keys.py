"""Keys that code gives to a constructor, held to the JSON Schema by which a config file is read: one set of rules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.json_schema.check import Check, compile_check
from complaint_llm.json_schema.files import read_schema
from complaint_llm.json_schema.places import Place, json_pointer
from complaint_llm.json_schema.problems import not_finite, problems_of

E = TypeVar("E", ConfigError, PluginError)


class KeyRules:
    """The rules for the keys that one kind of constructor takes. Immutable after it was made; any thread may use it."""

    __slots__ = ("_check", "_schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """``schema`` is an object schema. Which keys must be there, or go together, is for the constructor to say."""
        self._schema = {word: schema[word] for word in ("$defs", "properties") if word in schema}
        self._check: Check = compile_check(self._schema)

    def check(self, keys: Mapping[str, Any], owner: str) -> None:
        """Raise ConfigError, a line for each, if a config would refuse one of these values. None is not given."""
        known = self._schema["properties"]
        given = {key: as_json(value) for key, value in keys.items() if value is not None and key in known}
        found = list(not_finite(given))
        if not self._check(given):
            found += problems_of(self._schema, given)
        lines = [f"{owner}: {'/'.join(map(str, problem.path))}: {problem.text}" for problem in found]
        if lines:
            raise ConfigError("\n".join(dict.fromkeys(lines)), list(dict.fromkeys(lines)))


@cache
def mediator_rules() -> KeyRules:
    """The rules for a Mediator's arguments: the keys of MEDIATOR, and ``evidence`` as section EVIDENCE."""
    sections = read_schema("config")["properties"]
    return KeyRules({"properties": {**sections["MEDIATOR"]["properties"], "evidence": sections["EVIDENCE"]}})


def placed_error(kind: type[E], *found: tuple[Place, str]) -> E:
    """The error of what is wrong at places of a config, by whoever does not know its file: a line each, by pointer."""
    lines = [f"{json_pointer(place)}: {text}" for place, text in found]
    error = kind("\n".join(lines))
    if isinstance(error, ConfigError):
        error.problems = tuple(lines)
    error.places = found
    return error


def as_json(value: Any) -> Any:
    """A value given in code as a config file would hold it; what no file holds stays as it is."""
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


__all__ = ["KeyRules", "as_json", "mediator_rules", "placed_error"]
