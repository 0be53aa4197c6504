"""Parts that code writes inline, read as a config file's are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from complaint_llm.config.entries import EntryReader, Site
from complaint_llm.config.entry_types import EntryType
from complaint_llm.config.environment import Environment, Filled, fill, process_environment
from complaint_llm.config.making import make_part
from complaint_llm.config.parts import with_parts
from complaint_llm.config.problems import Problem, json_pointer
from complaint_llm.exceptions import ConfigError
from complaint_llm.host import PluginHost
from complaint_llm.json_schema.given_keys import as_json


def make_parts(entry: Mapping[str, Any], host: PluginHost | None = None) -> dict[str, Any]:
    """The backends of a composed entry's parts, by the entry's keys: names of types and mappings made, others kept.

    The entry's own texts are taken as they are; in the mappings ``$NAME`` and the like are filled from the process's
    environment. Raises ConfigError with every fault, a line each with its place.
    """
    made = _read(entry, host)
    if isinstance(made, dict):
        return made
    raise ConfigError("\n".join(made), made)


def _read(entry: Mapping[str, Any], host: PluginHost | None) -> dict[str, Any] | list[str]:
    environment = Environment(process_environment())
    reader = EntryReader(host or PluginHost(), environment, Path.cwd())
    kind = reader.types.find(entry["type"])
    parts = kind.type.parts if isinstance(kind, EntryType) else ()
    members = {key: as_json(value) for key, value in entry.items() if key in parts}
    own = {key: as_json(value) for key, value in entry.items() if key not in parts}
    done = reader.read(fill(members, environment).over(Filled.of(own)), Site(()))
    if done.entry is None:
        return [_line(entry["id"], problem) for problem in done.problems]
    made = with_parts(done.entry.keys, parts, lambda _, part: make_part(part))
    return {key: made[key] for key in parts if key in made}


def _line(id: str, problem: Problem) -> str:
    return f"{id}: {json_pointer(problem.path)}: {problem.text}"
