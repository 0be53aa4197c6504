"""A plugin's reader, as it is named to the process that reads: a module and what in it reads, never an object."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from complaint_llm.documents.page_choice import Pages
from complaint_llm.documents.pages import Limits, ReadDocument
from complaint_llm.drop_in_import import MODULE_PREFIX, DropInFile, import_drop_in
from complaint_llm.exceptions import PluginError

HOOK = "complaint_llm_document_readers"

Reader = Callable[[BinaryIO, Limits, Pages | None], ReadDocument]
"""What reads one kind of file: ``read(file, limits, pages)``, in a process of its own.

``pages`` are those that were asked for, None for all. It raises ``UnreadableError`` for a file that it cannot read.
"""


class PluginReader(NamedTuple):
    """Where a plugin's reader is: ``attribute`` of ``module``; for a drop-in, ``path`` is its file or folder."""

    module: str
    attribute: str
    path: str | None = None

    @classmethod
    def of(cls, media_type: str, reader: Any) -> PluginReader:
        """Where a function or class of a plugin's module is. Raises PluginError for what no other process can find."""
        module = getattr(reader, "__module__", None)
        attribute = getattr(reader, "__qualname__", None)
        if not isinstance(module, str) or not isinstance(attribute, str) or not callable(reader):
            raise PluginError(f"the reader of {media_type} is no function: offer a function of the plugin's module")
        if "<" in attribute or module == "__main__" or module not in sys.modules:
            raise PluginError(
                f"the reader {attribute} of {media_type} can be found in no module: it reads in a process of its own, "
                "so offer a function that its module has by name"
            )
        return cls(module, attribute, _path_of(module))

    def load(self) -> Reader:
        """The reader itself, imported as the host imports plugins. Raises PluginError or what the import raises."""
        if self.path is not None:
            path = Path(self.path)
            is_folder = path.is_dir()
            name = path.name if is_folder else path.stem
            import_drop_in(DropInFile(name, "folder" if is_folder else "file", path))
        found: Any = import_module(self.module)
        for part in self.attribute.split("."):
            found = getattr(found, part)
        reader: Reader = found
        return reader


def _path_of(module: str) -> str | None:
    """The file or folder of the drop-in plugin that a module belongs to; None for an installed one."""
    if not module.startswith(MODULE_PREFIX):
        return None
    root = sys.modules[module.partition(".")[0]]
    folders = getattr(root, "__path__", None)
    return str(Path(folders[0] if folders else str(root.__file__)).resolve())


class Host(Protocol):
    """What is asked of the plugins' host."""

    def offer(self, hook: str, name: str) -> Any | None: ...

    def offer_names(self, hook: str) -> list[str]: ...


class OfferedReaders(Mapping[str, PluginReader]):
    """The plugins' readers of a host by media type; a plugin is imported when its reader is first wanted."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def __getitem__(self, media_type: str) -> PluginReader:
        if media_type not in self._host.offer_names(HOOK):
            raise KeyError(media_type)
        found = self._host.offer(HOOK, media_type)
        if found is None:
            raise KeyError(media_type)
        return PluginReader.of(media_type, found)

    def __contains__(self, media_type: object) -> bool:
        return media_type in self._host.offer_names(HOOK)

    def __iter__(self) -> Iterator[str]:
        return iter(self._host.offer_names(HOOK))

    def __len__(self) -> int:
        return len(self._host.offer_names(HOOK))
