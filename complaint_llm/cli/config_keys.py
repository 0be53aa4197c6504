"""What the keys of a backend or a section are, for those who do not know them by heart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.options import BASIC_KEYS, backend_schema
from complaint_llm.config.entry_types import entry_schema
from complaint_llm.config.validation import part_of
from complaint_llm.json_schema.files import read_schema
from complaint_llm.json_schema.problems import nearest
from complaint_llm.json_schema.words import value_in_words

if TYPE_CHECKING:
    from complaint_llm.config import Config
    from complaint_llm.host import PluginHost


def keys_of(config: Config, where: str) -> Mapping[str, Any]:
    """The schema of a backend (by its id) or of a section. Raises KeyError where there is neither."""
    sections: Mapping[str, Any] = read_schema("config")["properties"]
    if where in config.order:
        entry = next(each for each in config.as_written()["BACKENDS"] if each.get("id") == where)
        return entry_schema(config.host.backend_type(entry["type"]), backend_schema())
    if where in sections and "properties" in sections[where]:
        part: Mapping[str, Any] = sections[where]
        return part
    raise KeyError(where)


def places_to_set(config: Config) -> list[str]:
    """Backends and sections that have keys."""
    sections = read_schema("config")["properties"]
    return [*config.order, *(name for name, part in sections.items() if "properties" in part)]


def unknown_place(config: Config, where: str) -> str:
    """What to say of a name that is neither a backend nor a section."""
    known = places_to_set(config)
    meant = nearest(where, known)
    return f"no backend and no section {where!r}" + (
        f"; did you mean {meant!r}?" if meant else f"; there are: {', '.join(known)}"
    )


def listed_keys(schema: Mapping[str, Any]) -> list[str]:
    """A line for each key that most users want or that is this type's own, and one that names the others."""
    keys, common = schema["properties"], backend_schema()["properties"]
    is_entry = "id" in keys
    shown = [key for key in keys if not is_entry or key in BASIC_KEYS or key not in common]
    lines = [f"  {key}: {value_in_words(keys[key])}" for key in shown if not is_entry or key not in ("id", "type")]
    others = [key for key in keys if key not in shown]
    return [*lines, f"  further: {', '.join(others)}"] if others else lines


def key_in_words(schema: Mapping[str, Any], key: str) -> str | None:
    """What a key takes and means; dots lead inside. None where there is no such key."""
    part = part_of(schema, tuple(key.split(".")))
    return f"{key}: {value_in_words(part)}" if part else None


def type_in_words(host: PluginHost, name: str) -> list[str]:
    """What an entry of this type must have, with the meaning, and what it may have. Raises PluginError."""
    type = host.backend_type(name)
    schema = entry_schema(type, backend_schema())
    keys, common = schema["properties"], backend_schema()["properties"]
    needed = [key for key in schema["required"] if key not in ("id", "type")]
    own = [key for key in keys if key not in (*common, *needed)]
    basic = [key for key in BASIC_KEYS if key in keys and key not in ("id", "type", *needed)]
    lines = [f"{type.name} needs {key}: {value_in_words(keys.get(key, {}))}" for key in needed]
    return [*lines, f"{type.name} also takes {', '.join((*own, *basic))}"]
