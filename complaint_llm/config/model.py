"""A loaded config."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from complaint_llm.config.entries import BackendEntry, EntryReader
from complaint_llm.config.problems import Problem, pointer
from complaint_llm.exceptions import ConfigError

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend
    from complaint_llm.config.environment import Environment
    from complaint_llm.config.source import Source
    from complaint_llm.host import PluginHost


class Config:
    """What a config file says, checked and filled.

    ``backends`` are those that can be made, ``left_out`` the ids of the optional others with the reason, ``order`` all
    ids in the order of the file. ``mediator``, ``evidence`` and ``log`` hold what their sections say (paths are
    absolute, times in seconds, money in US dollars), ``application`` is handed over as it was written. ``host`` knows
    the plugins. Any thread may read; ``add_backend`` and ``save`` are for one thread at a time.
    """

    __slots__ = (
        "_document", "_environment", "_source", "application", "backends", "evidence", "host", "left_out", "log",
        "mediator", "order", "path",
    )  # fmt: skip

    def __init__(
        self,
        *,
        source: Source,
        document: Mapping[str, Any],
        environment: Environment,
        host: PluginHost,
        backends: tuple[BackendEntry, ...],
        left_out: tuple[tuple[str, str], ...],
        order: tuple[str, ...],
        mediator: Mapping[str, Any],
        evidence: Mapping[str, Any],
        log: Mapping[str, Any],
    ) -> None:
        self.path: Path = source.path
        self.backends = backends
        self.left_out = left_out
        self.order = order
        self.mediator: Mapping[str, Any] = MappingProxyType(dict(mediator))
        self.evidence: Mapping[str, Any] = MappingProxyType(dict(evidence))
        self.log: Mapping[str, Any] = MappingProxyType(dict(log))
        self.application: Any = document.get("APPLICATION")
        self.host = host
        self._source = source
        self._document = document
        self._environment = environment

    def __repr__(self) -> str:
        return f"<Config {self.path}: {', '.join(self.order)}>"

    def entry(self, id: str) -> BackendEntry:
        """The backend of this id. Raises ConfigError if it was left out (with the reason) or never declared."""
        for entry in self.backends:
            if entry.id == id:
                return entry
        from complaint_llm.config.references import undeclared

        reason = dict(self.left_out).get(id)
        said = undeclared(id, self.order) if reason is None else f'the backend "{id}" was left out: {reason}'
        raise ConfigError(f"{self.path}: {said}")

    def make_backend(self, id: str, parts: Mapping[str, Any] | None = None) -> Backend:
        """A new backend of this id, which the caller closes; ``parts`` replaces the ids that a composed type names by
        backends. Raises ConfigError, PluginError, or what the type's class raises."""
        from complaint_llm.config.making import make

        return make(self.entry(id), parts or {})

    def add_backend(self, *, id: str, type: str, **keys: Any) -> None:
        """Declare one more backend, with the keys of its type (references such as ``$NAME`` too), at the end.

        Raises ConfigError, and then nothing is changed.
        """
        changed = self._with_entry({"id": id, "type": type, **keys})
        # What was given may hold a key: it must not stand in the frame of the error below.
        del keys
        if not isinstance(changed, Config):
            raise ConfigError("\n".join(changed), changed)
        for name in self.__slots__:
            setattr(self, name, getattr(changed, name))

    def save(self, path: str | Path | None = None) -> None:
        """Write the file, whole or not at all, as YAML or JSON by its extension; without ``path`` where it came from.

        References are written as references. A key that stands as a text in the file or came from code is written as
        its type's usual ``$VARIABLE`` with a warning. Relative paths mean the same as before. Comments of a YAML file
        are lost. Raises ConfigError.
        """
        from complaint_llm.config.saving import render, write

        target = Path(path) if path is not None else self.path
        reader = EntryReader(self.host, self._environment, self.path.parent)
        text, replaced = render(self._document, reader, self.path, target)
        for line in replaced:
            warnings.warn(line, stacklevel=2)
        write(target, text)

    def _with_entry(self, entry: dict[str, Any]) -> Config | list[str]:
        from complaint_llm.config.load import assemble
        from complaint_llm.config.saving import as_document

        def describe(found: list[Problem]) -> list[str]:
            return [f"add_backend: {pointer(problem.path)}: {problem.text}" for problem in found]

        document = {**self._document, "BACKENDS": [*self._document["BACKENDS"], as_document(entry)]}
        return assemble(self._source, document, self._environment, self.host, describe)
