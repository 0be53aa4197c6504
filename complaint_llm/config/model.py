"""A loaded config."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from complaint_llm.config.edits import REMOVED, Edit, edit_document
from complaint_llm.config.entry_types import EntryTypes
from complaint_llm.config.making import make
from complaint_llm.config.parts import BackendEntry, entries_within, undeclared_text
from complaint_llm.config.problems import Place, Problem, json_pointer
from complaint_llm.config.source import digest_on_disk, text_digest
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EMPTY
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from complaint_llm.backends.base import Backend
    from complaint_llm.checks.check import Check
    from complaint_llm.config.embedding import DeclaredSpace
    from complaint_llm.config.environment import Environment
    from complaint_llm.config.located import Locator
    from complaint_llm.config.plugin_tasks import TaskCatalog
    from complaint_llm.config.source import Source
    from complaint_llm.host import PluginHost
    from complaint_llm.tasks.task import Task


class Config:
    """What a config file says, checked and filled.

    ``backends`` are those that can be made, ``left_out`` the ids of the optional others with the reason, ``order`` all
    ids in the order of the file. ``mediator``, ``evidence``, ``guards``, ``observers`` and ``log`` hold what their
    sections say (paths are absolute, times in seconds, money in US dollars), ``application`` is handed over as it was
    written. ``host`` knows the plugins. ``tasks`` are those of TASKS by id, ``checks`` all that tasks may name;
    ``defaults`` is what of all this is no value of the file but a plugin's, by the name that enables it. Any thread may
    read; ``add_backend`` and ``save`` are for one thread at a time. ``assemble`` makes a Config of a changed
    document.
    """

    __slots__ = (
        "_assemble",
        "_catalog",
        "_document",
        "_edits",
        "_entries",
        "_environment",
        "_on_disk",
        "_source",
        "application",
        "backends",
        "defaults",
        "evidence",
        "guards",
        "host",
        "left_out",
        "log",
        "mediator",
        "observers",
        "order",
        "path",
        "tasks",
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
        guards: Sequence[Mapping[str, Any]] = (),
        observers: Sequence[Mapping[str, Any]] = (),
        tasks: Mapping[str, Task] = EMPTY,
        defaults: Mapping[str, Mapping[str, Any]] = EMPTY,
        application: Any = None,
        assemble: Callable[..., Config | list[str]],
    ) -> None:
        self.path = source.path
        self.backends = backends
        self._entries = {entry.id: entry for entry in (*backends, *entries_within(backends))}
        self.left_out = left_out
        self.order = order
        self.mediator: Mapping[str, Any] = MappingProxyType(dict(mediator))
        self.evidence: Mapping[str, Any] = MappingProxyType(dict(evidence))
        self.log: Mapping[str, Any] = MappingProxyType(dict(log))
        self.observers = tuple(MappingProxyType(dict(each)) for each in observers)
        self.guards = tuple(MappingProxyType(dict(each)) for each in guards)
        self.tasks = MappingProxyType(dict(tasks))
        self.defaults = defaults
        self._catalog: TaskCatalog | None = None
        self.application: Any = application
        self.host = host
        self._source = source
        self._document = document
        self._environment = environment
        self._assemble = assemble
        self._edits: tuple[Edit, ...] = ()
        self._on_disk = text_digest(source.text)

    def __repr__(self) -> str:
        return f"<Config {self.path}: {', '.join(self.order)}>"

    @property
    def checks(self) -> Mapping[str, Check]:
        """The checks that tasks may name, those of plugins too: a plugin is imported when its check is looked up."""
        return self._task_catalog().checks

    def find_task(self, id: str) -> Task:
        """The task of this id: of TASKS, else the package's own, else a plugin's. Raises ConfigError, PluginError."""
        return self.tasks.get(id) or self._task_catalog().find(id)

    def entry(self, id: str) -> BackendEntry:
        """The backend of this id, declared or inline. Raises ConfigError if it was left out (with the reason) or is not
        there."""
        entry = self._entries.get(id)
        if entry is not None:
            return entry
        reason = dict(self.left_out).get(id)
        text = undeclared_text(id, self.order) if reason is None else f'the backend "{id}" was left out: {reason}'
        raise ConfigError(f"{self.path}: {text}")

    def at(self, *place: str | int) -> AbstractContextManager[None]:
        """Within it ConfigError and PluginError name the file and the line, as those of the file's reading do.

        ``place`` is where in the document the fault is, if it does not say so itself.
        """
        return _Located(self._locator, place)

    def lines(self, *found: tuple[Place, str]) -> list[str]:
        """``file:line:column: /pointer: what`` for what is found at places of the document, in the file's order."""
        return self._locator().lines(found)

    def _locator(self) -> Locator:
        from complaint_llm.config.located import Locator  # cold start: faults

        return Locator(self._source, self.defaults, changed=bool(self._edits))

    def embedding_space(self) -> DeclaredSpace | None:
        """The embedding model that the Mediator's backends declare first, left out or not; see ``config.embedding``."""
        from complaint_llm.config.embedding import declared_space  # cold start: vectors

        named = self.mediator.get("backends") or self.order
        return declared_space(self._document["BACKENDS"], named, self._environment, self.host)

    def make_backend(self, id: str, parts: Mapping[str, Any] | None = None) -> Backend:
        """A new backend of this id, which the caller closes; ``parts`` replaces the ids that a composed type names by
        backends. Raises ConfigError and PluginError with the place, or what else the type's class raises."""
        entry = self.entry(id)
        try:
            return make(entry, parts or {})
        except (ConfigError, PluginError) as fault:
            if fault.located:
                raise
            raise self._locator().locate(fault, entry.place) from fault

    def add_backend(self, *, id: str, type: str, **keys: Any) -> None:
        """Declare one more backend, with the keys of its type (references such as ``$NAME`` too), at the end.

        Raises ConfigError, and then nothing is changed.
        """
        from complaint_llm.config.saving import as_document  # cold start: a config is seldom changed

        place = ("BACKENDS", len(self._document["BACKENDS"]))
        edit = Edit(place, as_document({"id": id, "type": type, **keys}))
        # What was given may hold a key: it must not stand in the frame of an error.
        del keys
        self.change(edit, called="add_backend")

    def remove_backend(self, id: str) -> None:
        """Take a backend out, of MEDIATOR.backends too. Raises ConfigError, and then nothing is changed."""
        named = self._document.get("MEDIATOR", {}).get("backends", [])
        chosen = [Edit(("MEDIATOR", "backends", named.index(id)), REMOVED)] if id in named else []
        self.change(*chosen, Edit(("BACKENDS", self._place_of(id)), REMOVED), called="remove_backend")

    def set_key(self, where: str, key: str, value: Any) -> None:
        """Set a key of a backend (``where`` is its id) or of a section (MEDIATOR, EVIDENCE, ...); dots lead inside.

        ``None`` takes the key out. Raises ConfigError, and then nothing is changed.
        """
        from complaint_llm.config.saving import as_document  # cold start: a config is seldom changed

        section = where.isupper() and where not in self.order
        base: Place = (where,) if section else ("BACKENDS", self._place_of(where))
        path = (*base, *key.split("."))
        self.change(Edit(path, REMOVED if value is None else as_document(value)), called="set_key")

    def change(self, *edits: Edit, called: str = "change") -> None:
        """Apply edits of the document. Raises ConfigError with every fault they make; then nothing is changed."""
        changed = self._apply(edits, called)
        if not isinstance(changed, Config):
            raise ConfigError("\n".join(changed), changed)
        made, on_disk = (*self._edits, *edits), self._on_disk
        for name in self.__slots__:
            setattr(self, name, getattr(changed, name))
        self._edits, self._on_disk = made, on_disk

    def as_written(self) -> dict[str, Any]:
        """What the file says now: references as references, ``***`` where a secret is written out."""
        from complaint_llm.config.saving import without_secrets  # cold start: a config is seldom shown

        return without_secrets(self._document, EntryTypes(self.host, self._environment), self.path)

    def secret_places(self) -> Iterator[tuple[Place, Secret, bool]]:
        """Each secret that is in use: its place, its value, and whether the file has a reference there."""
        from complaint_llm.config.saving import written_out  # cold start: a config is seldom shown

        types = EntryTypes(self.host, self._environment)
        literal = set(written_out(self._document, types, self.path))
        for entry in self._entries.values():
            for path, value in _secrets(entry.keys, entry.place):
                yield path, value, path not in literal
        for path, value in _secrets(self.mediator, ("MEDIATOR",)):
            yield path, value, path not in literal

    def save(self, path: str | os.PathLike[str] | None = None) -> None:
        """Write the file, whole or not at all; without ``path`` where it came from.

        Only what was changed in code changes: comments, order, formatting and what the user wrote stay. Another file
        gets references for the keys that are written out, and no comments where it is of the other format. A key that
        was given in code is written as its type's usual ``$VARIABLE`` with a warning. Relative paths mean the same as
        before. Raises ConfigError, also where the file was changed by somebody else since it was read.
        """
        from complaint_llm.config.saving import SavedConfig, render, write  # cold start: a config is seldom saved

        target = type(self.path)(path) if path is not None else self.path
        types = EntryTypes(self.host, self._environment)
        text, replaced = render(SavedConfig(self._source, self._edits, types), target)
        if target == self.path:
            self._check_unchanged()
        for line in replaced:
            warnings.warn(line, stacklevel=2)
        write(target, text)
        if target == self.path:
            self._on_disk = text_digest(text)

    def _task_catalog(self) -> TaskCatalog:
        if self._catalog is None:
            from complaint_llm.config.plugin_tasks import TaskCatalog  # cold start: tasks

            self._catalog = TaskCatalog(self.host, self.tasks)
        return self._catalog

    def _check_unchanged(self) -> None:
        if digest_on_disk(self.path) not in (None, self._on_disk):
            raise ConfigError(f"{self._source.name}: it was changed since it was read: load it again, then change it")

    def _place_of(self, id: str) -> int:
        for place, entry in enumerate(self._document["BACKENDS"]):
            if entry.get("id") == id:
                return place
        raise ConfigError(f"{self.path}: {undeclared_text(id, self.order)}")

    def _apply(self, edits: Sequence[Edit], called: str) -> Config | list[str]:
        def describe(found: list[Problem]) -> list[str]:
            return [f"{called}: {json_pointer(problem.path)}: {problem.text}" for problem in found]

        try:
            document = edit_document(self._document, edits)
        except (KeyError, IndexError, TypeError):
            return [f"{called}: there is no such key"]
        return self._assemble(
            self._source, document=document, environment=self._environment, host=self.host, describe=describe
        )


class _Located(NamedTuple):
    """See ``Config.at``."""

    locator: Callable[[], Locator]
    place: Place

    def __enter__(self) -> None:
        """Nothing is done until something is raised."""

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, (ConfigError, PluginError)) and not fault.located:
            raise self.locator().locate(fault, self.place) from fault


def _secrets(value: Any, path: Place) -> Iterator[tuple[Place, Secret]]:
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets(item, (*path, key))
