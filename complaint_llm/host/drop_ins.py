"""The drop-in plugins of one host: what each offers is known before it is imported, and whether it could be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm.exceptions import PluginError
from complaint_llm.host.dropped import Dropped, find_dropped
from complaint_llm.host.record import PluginRecord
from complaint_llm.host.source_offers import BACKEND_TYPES, Offers, read_offers

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType


class DropIn:
    """One drop-in plugin. Changed under its host's lock alone.

    ``types`` are its backend types once it was loaded; of a provider that is only data they are known at once.
    """

    __slots__ = ("_offers", "error", "is_loaded", "plugin", "types")

    def __init__(self, plugin: Dropped) -> None:
        self.plugin = plugin
        self.types: tuple[BackendType, ...] = ()
        self.error: str | None = None
        self.is_loaded = False
        self._offers: Offers | None = None
        if plugin.kind == "declared":
            self._read()

    @property
    def name(self) -> str:
        """The name of the folder or file: by it PLUGINS enables, blocks and allows."""
        return self.plugin.name

    @property
    def offers(self) -> Offers:
        """What it offers: what was loaded, else what its source says."""
        if self._offers is None:
            path = self.plugin.path
            self._offers = read_offers(path / "plugin.py" if self.plugin.kind == "folder" else path)
        return self._offers

    def loaded(self, types: Sequence[BackendType]) -> None:
        """It was loaded and offers these types; by its other hooks it offers what its source says."""
        self.is_loaded = True
        self.types = tuple(types)
        names = frozenset(name for found in types for name in (found.name, *found.aliases))
        self._offers = self.offers._replace(names={**self.offers.names, BACKEND_TYPES: names})

    def failed(self, error: PluginError) -> None:
        """It cannot be loaded: it offers nothing."""
        self.is_loaded = True
        self.error = str(error)
        self._offers = Offers()

    def record(self, barred: str | None) -> PluginRecord:
        """What is to be told of it."""
        record = PluginRecord(self.name, self.plugin.kind, str(self.plugin.path))
        if barred is not None:
            return record._replace(state="blocked", error=barred)
        if self.error is not None:
            return record._replace(state="error", error=self.error)
        return record._replace(types=tuple(found.name for found in self.types))

    def _read(self) -> None:
        from complaint_llm.backends.declared import read_declared

        try:
            self.loaded((read_declared(self.plugin.path),))
        except PluginError as error:
            self.failed(error)


def find_drop_ins(folders: Sequence[Path]) -> Iterator[DropIn]:
    """The plugins in these folders. Raises PluginError for a folder that cannot be read."""
    # By their real paths: a folder that is named twice, or once by a link, is one.
    found: dict[Path, Dropped] = {}
    for folder in folders:
        for plugin in find_dropped(folder):
            found.setdefault(plugin.path.resolve(), plugin)
    yield from map(DropIn, found.values())
