"""Installed plugins: entry points of the group ``complaint_llm``, found without importing any of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from complaint_llm.exceptions import PluginError
from complaint_llm.hookspecs import PROJECT
from complaint_llm.named_tuples import NamedTuple

_HEADER = f"[{PROJECT}]"


class EntryPoint(NamedTuple):
    """One line of a distribution's entry_points.txt."""

    name: str
    module: str
    attribute: str
    distribution: str
    version: str

    @property
    def value(self) -> str:
        """As it was written."""
        return f"{self.module}:{self.attribute}" if self.attribute else self.module

    @property
    def owner(self) -> str:
        """The distribution with its version, for messages."""
        return f"{self.distribution} {self.version}"


class Installed:
    """The entry points at one moment. For one thread at a time.

    Folders on ``sys.path`` are read directly, for importing ``importlib.metadata`` costs more than all of this; it is
    asked for what is not found so (packages in zip files, other finders), and where all plugins are wanted.
    """

    __slots__ = ("_complete", "_in_folders")

    def __init__(self) -> None:
        self._in_folders = _by_name(_in_folders())
        self._complete: dict[str, list[EntryPoint]] | None = None

    def names(self) -> list[str]:
        """Every name."""
        return list(self._all())

    def all(self) -> list[EntryPoint]:
        """Every entry point, clashing ones too."""
        return [point for points in self._all().values() for point in points]

    def has(self, name: str) -> bool:
        """Whether there is an entry point of this name."""
        return name in self._in_folders or name in self._all()

    def get(self, name: str) -> EntryPoint | None:
        """The entry point of this name. Raises PluginError if two distributions offer it."""
        points = self._in_folders.get(name) or self._all().get(name)
        if points is None:
            return None
        if len({point.owner for point in points}) > 1:
            owners = " and ".join(sorted({f"{point.owner} ({point.value})" for point in points}))
            raise PluginError(f"type {name!r} is offered by two distributions, {owners}: uninstall one of them")
        return points[0]

    def _all(self) -> dict[str, list[EntryPoint]]:
        if self._complete is None:
            self._complete = _by_name(_everywhere())
        return self._complete


def _in_folders() -> Iterator[EntryPoint]:
    seen: set[str] = set()
    for folder in sys.path:
        try:
            names = [each for each in os.listdir(folder or ".") if each.endswith((".dist-info", ".egg-info"))]  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            distribution, _, version = name.rpartition(".")[0].partition("-")
            # The first on the path shadows others of its name, as it does for imports.
            if distribution.lower() in seen:
                continue
            seen.add(distribution.lower())
            try:
                # cold start: as bytes, for nearly all of them are not for us
                with open(f"{folder or '.'}/{name}/entry_points.txt", "rb", buffering=0) as file:  # noqa: PTH123
                    data = file.read()
            except OSError:
                continue
            if _HEADER.encode() in data:
                yield from _parse(data.decode("utf-8", "replace"), distribution.replace("_", "-"), version)


def _parse(text: str, distribution: str, version: str) -> Iterator[EntryPoint]:
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            group = line
        elif group == _HEADER and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            module, _, attribute = value.partition("[")[0].strip().partition(":")
            yield EntryPoint(
                name=name.strip(),
                module=module.strip(),
                attribute=attribute.strip(),
                distribution=distribution,
                version=version,
            )


def _everywhere() -> Iterator[EntryPoint]:
    from importlib.metadata import entry_points  # cold start

    for point in entry_points(group=PROJECT):
        if point.dist is not None:
            name = point.dist.name.replace("_", "-")
            yield EntryPoint(
                name=point.name,
                module=point.module,
                attribute=point.attr or "",
                distribution=name,
                version=point.dist.version,
            )


def _by_name(points: Iterable[EntryPoint]) -> dict[str, list[EntryPoint]]:
    named: dict[str, list[EntryPoint]] = {}
    for point in points:
        named.setdefault(point.name, []).append(point)
    return named
