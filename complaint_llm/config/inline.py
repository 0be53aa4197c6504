"""Parts that code writes inline, read as a config file's are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.config.entries import EntryReader, Site
from complaint_llm.config.environment import Environment, process_environment
from complaint_llm.config.making import make_part
from complaint_llm.config.parts import with_parts
from complaint_llm.config.problems import Problem, pointer
from complaint_llm.exceptions import ConfigError
from complaint_llm.json_schema.given_keys import as_json

if TYPE_CHECKING:
    from complaint_llm.host import PluginHost


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
    from complaint_llm.host import PluginHost

    reader = EntryReader(host or PluginHost(), Environment(process_environment()), Path.cwd())
    parts = reader.part_keys(entry["type"])
    raw = {key: as_json(value) if key in parts else as_written(value) for key, value in entry.items()}
    done = reader.read(raw, Site(()))
    if done.entry is None:
        return [_line(entry["id"], problem) for problem in done.problems]
    made = with_parts(done.entry.keys, parts, lambda _, part: make_part(part))
    return {key: made[key] for key in parts if key in made}


def as_written(value: Any) -> Any:
    """A value of code as a document holds it, where a dollar sign is no reference."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: as_written(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_written(item) for item in value]
    return as_json(value)


def _line(id: str, problem: Problem) -> str:
    return f"{id}: {pointer(problem.path)}: {problem.text}"
