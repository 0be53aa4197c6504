"""Installed plugins: entry points of the group ``complaint_llm``, found without importing any of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from complaint_llm.exceptions import PluginError
from complaint_llm.hookspecs import PROJECT


class Installed:
    """The entry points at one moment. Immutable; any thread may use it."""

    __slots__ = ("_by_name",)

    def __init__(self) -> None:
        by_name: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=PROJECT):
            by_name.setdefault(point.name, []).append(point)
        self._by_name: Mapping[str, list[EntryPoint]] = by_name

    def names(self) -> list[str]:
        """Every name, in no order that means anything."""
        return list(self._by_name)

    def all(self) -> list[EntryPoint]:
        """Every entry point, clashing ones too."""
        return [point for points in self._by_name.values() for point in points]

    def get(self, name: str) -> EntryPoint | None:
        """The entry point of this name. Raises PluginError if two distributions offer it."""
        points = self._by_name.get(name)
        if points is None:
            return None
        if len({distribution(point) for point in points}) > 1:
            owners = " and ".join(sorted({f"{distribution(point)} ({point.value})" for point in points}))
            raise PluginError(f"type {name!r} is offered by two distributions, {owners}: uninstall one of them")
        return points[0]


def distribution(point: EntryPoint) -> str:
    """The name and version of the distribution that an entry point comes from."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unnamed distribution"
