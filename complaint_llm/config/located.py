"""Faults of what a config describes, with the file and the line: of what is made of it as of what is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from complaint_llm.config.defaults import default_places
from complaint_llm.config.problems import Place, Problem, json_pointer
from complaint_llm.config.source import Source
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.named_tuples import NamedTuple

Given = Mapping[str, Mapping[str, Any]]


class Locator(NamedTuple):
    """Where the values of a config come from: its file, and by name what its plugins say beforehand; ``changed`` where
    its document is no longer that of the file."""

    source: Source
    defaults: Given
    changed: bool = False

    def lines(self, found: Sequence[tuple[Place, str]]) -> list[str]:
        """``file:line:column: /pointer: what`` for each, in the order of the file."""
        problems = [self._problem(place, text) for place, text in found]
        if self.changed:
            return [f"{self.source.name}: {json_pointer(place)}: {text}" for place, text, _ in problems]
        return self.source.lines(problems)

    def locate(self, fault: ConfigError | PluginError, place: Place) -> ConfigError | PluginError:
        """The fault with the file and the line; ``place`` is where it is, if it does not say so itself."""
        said = fault.problems if isinstance(fault, ConfigError) else (str(fault),)
        lines = self.lines(fault.places or [(place, line) for line in said])
        # Of the same class, whatever its constructor wants.
        with_place = type(fault).__new__(type(fault), "\n".join(lines))
        vars(with_place).update(vars(fault))
        if isinstance(with_place, ConfigError):
            with_place.problems = tuple(lines)
        with_place.places = ()
        with_place.located = True
        return with_place

    def _problem(self, place: Place, text: str) -> Problem:
        """What a plugin says of a section is a fault where the file enables it."""
        for at, _, name in default_places(self.defaults):
            if at == place[: len(at)]:
                text = f"the defaults of {name!r} are wrong: {json_pointer(place)}: {text}"
                return Problem(("PLUGINS", "enable"), text)
        return Problem(place, text)
