"""What plugins say of a config beforehand: values under those of the file, each with whose it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from complaint_llm.config.environment import Filled, is_secret_name
from complaint_llm.config.problems import Place, Problem, json_pointer
from complaint_llm.config.validation import Validator, is_secret
from complaint_llm.exceptions import PluginError
from complaint_llm.host import PluginHost
from complaint_llm.json_schema.files import read_schema
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EMPTY

SECTIONS = ("MEDIATOR", "EVIDENCE", "LOG", "GUARDS", "OBSERVERS", "APPLICATION")
"""Those that a plugin may say something of. Backends, plugins and tasks are chosen in the file."""


class Defaults(NamedTuple):
    """``document`` is the file's with what it does not say itself; ``by_plugin`` what of that is whose."""

    document: Mapping[str, Any]
    by_plugin: Mapping[str, Mapping[str, Any]] = EMPTY


def with_defaults(document: Mapping[str, Any], host: PluginHost, found: list[Problem]) -> Defaults:
    """The document over what the plugins that PLUGINS.enable names say beforehand; faults go to ``found``."""
    if not host.enable:
        return Defaults(document)
    try:
        given = host.enabled_defaults()
    except PluginError as error:
        found.append(Problem(("PLUGINS", "enable"), str(error)))
        return Defaults(document)
    merged: Mapping[str, Any] = document
    by_plugin: dict[str, Mapping[str, Any]] = {}
    owners: dict[Place, tuple[str, Any]] = {}
    for name, values in given:
        texts = list(_faults(values))
        for place, value in _leaves(values):
            other, same = owners.setdefault(place, (name, value))
            if same != value:
                texts.append(f"{json_pointer(place)}: {other!r} says something else")
        if texts:
            found += [Problem(("PLUGINS", "enable"), f"the defaults of {name!r} are wrong: {text}") for text in texts]
            continue
        in_force = _missing(document, values)
        if in_force:
            by_plugin[name] = in_force
            merged = _over(merged, in_force)
    return Defaults(merged, by_plugin)


def default_places(by_plugin: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Place, Any, str]]:
    """Each value that a plugin gives: where it stands, what it is, and whose."""
    for name, values in by_plugin.items():
        yield from ((place, value, name) for place, value in _leaves(values))


def _faults(values: Mapping[str, Any]) -> Iterator[str]:
    strange = [key for key in values if key not in SECTIONS]
    if strange:
        yield from (f"/{key}: a plugin says nothing of it: there are {', '.join(SECTIONS)}" for key in strange)
        return
    schema = read_schema("config")
    for place, value in _single_values(values):
        names = [step for step in place if isinstance(step, str)]
        if is_secret(schema, place) or any(map(is_secret_name, names[1:])):
            yield f"{json_pointer(place)}: this is a secret's place: it is the file's alone"
        elif isinstance(value, str) and "$" in value:
            yield f"{json_pointer(place)}: no variables here: write the value"
    schema.pop("required", None)
    for problem in Validator(schema).read(Filled.of(_plain(values))).problems:
        yield f"{json_pointer(problem.path)}: {problem.text}"


def _leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Each value that is no mapping, at its place; a list is one value."""
    if isinstance(value, Mapping) and (value or not place):
        for key, item in value.items():
            yield from _leaves(item, (*place, key))
    else:
        yield place, value


def _single_values(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The same, and what is in lists."""
    for below, item in _leaves(value, place):
        if isinstance(item, (list, tuple)):
            for index, each in enumerate(item):
                yield from _single_values(each, (*below, index))
        else:
            yield below, item


def _missing(document: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What of the values the document does not say itself."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if not isinstance(document, Mapping) or key not in document:
            found[key] = _plain(value)
        elif isinstance(value, Mapping) and isinstance(document[key], Mapping):
            below = _missing(document[key], value)
            if below:
                found[key] = below
    return found


def _over(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(document)
    for key, value in values.items():
        merged[key] = _over(merged[key], value) if key in merged and isinstance(value, Mapping) else value
    return merged


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
