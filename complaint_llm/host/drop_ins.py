"""The drop-in plugins of one host: what each offers is known before it is imported, and whether it could be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from complaint_llm.backends.declared import read_declared
from complaint_llm.drop_in_import import DropInFile
from complaint_llm.exceptions import PluginError
from complaint_llm.hookspecs import BACKEND_TYPES
from complaint_llm.host.drop_in_files import find_drop_in_files
from complaint_llm.host.source_names import ProvidedNames, may_hold_name, read_provided_names, read_source
from complaint_llm.host.writers import tree_risk

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType


class DropIn:
    """One drop-in plugin. Changed under its host's lock alone.

    ``types`` are its backend types once it was loaded; of a provider that is only data they are known at once. ``note``
    is a word about one that was loaded.
    """

    __slots__ = ("_lost_names", "_provided_names", "_source_bytes", "error", "is_loaded", "note", "plugin", "types")

    def __init__(self, plugin: DropInFile) -> None:
        self.plugin = plugin
        self.types: tuple[BackendType, ...] = ()
        self.error: str | None = None
        self.note: str | None = None
        self.is_loaded = False
        self._provided_names: ProvidedNames | None = None
        self._lost_names = ProvidedNames()
        self._source_bytes: bytes | Literal[False] | None = False
        if plugin.kind == "declared":
            self._read()

    @property
    def name(self) -> str:
        """The name of the folder or file: by it PLUGINS enables, blocks and allows."""
        return self.plugin.name

    @property
    def provided(self) -> ProvidedNames:
        """What it offers: what was loaded, else what its source says."""
        if self._provided_names is None:
            self._provided_names = read_provided_names(self._source())
        return self._provided_names

    def says_it_offers(self, hook: str, name: str) -> bool:
        """Whether the name is among what it offers by a hook, or would if it could be loaded. A source in which it does
        not stand is not parsed."""
        if self._provided_names is None and not may_hold_name(self._source(), name):
            return False
        return name in self.provided.of(hook) or name in self._lost_names.of(hook)

    def set_types(self, types: Sequence[BackendType]) -> None:
        """It was loaded and offers these types; by its other hooks it offers what its source says."""
        self.is_loaded = True
        self.types = tuple(types)
        names = frozenset(name for found in types for name in (found.name, *found.aliases))
        self._provided_names = self.provided._replace(names={**self.provided.names, BACKEND_TYPES: names})

    def set_error(self, error: PluginError) -> None:
        """It cannot be loaded: it offers nothing. Who asks for what its source says is told why, each time."""
        if self.plugin.kind != "declared":
            self._lost_names = self.provided
        self.is_loaded = True
        self.error = str(error)
        self._provided_names = ProvidedNames()

    def check_writers(self) -> None:
        """Raise PluginError if others may change what is run."""
        risk = tree_risk(self.plugin.path)
        if risk is not None:
            raise PluginError(risk)

    def _source(self) -> bytes | None:
        if self._source_bytes is False:
            path = self.plugin.path
            self._source_bytes = read_source(path / "plugin.py" if self.plugin.kind == "folder" else path)
        return self._source_bytes

    def _read(self) -> None:
        try:
            self.check_writers()
            self.set_types((read_declared(self.plugin.path),))
        except PluginError as error:
            self.set_error(error)


def find_drop_ins(folders: Sequence[Path]) -> Iterator[DropIn]:
    """The plugins in these folders. Raises PluginError for a folder that cannot be read."""
    # By their real paths: a folder that is named twice, or once by a link, is one.
    found: dict[Path, DropInFile] = {}
    for folder in folders:
        for plugin in find_drop_in_files(folder):
            found.setdefault(plugin.path.resolve(), plugin)
    yield from map(DropIn, found.values())
