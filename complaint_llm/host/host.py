"""One host per config: finds plugins, loads those that are needed, and keeps their faults apart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from complaint_llm.backends.registered import registered_types
from complaint_llm.backends.type import BackendType
from complaint_llm.exceptions import PluginError
from complaint_llm.hookspecs import BACKEND_TYPES, CONFIG_DEFAULTS
from complaint_llm.host.allow_list import AllowList
from complaint_llm.host.loader import BLOCKED, PluginLoader
from complaint_llm.host.records import PluginRecord
from complaint_llm.json_schema.problems import nearest

log = logging.getLogger("complaint_llm.host")


def _try_all(key: str) -> None:
    """Each may be loaded."""


class PluginHost:
    """The plugins of one config.

    ``paths`` are folders of drop-in plugins, of which only those are imported that offer what is asked for; ``enable``
    names plugins to load although nothing of theirs is named; ``block`` names plugins, or types, that are never loaded;
    ``allow``, if given, names the only ones that may be loaded beside the built-in and the registered ones, as ``name``
    or ``name@sha256:...``, and each of ``allow_lists`` must have them too; ``registered`` gives the types that the
    program registered, by name. Any thread may call any method; one lock guards loading, which happens once for each
    plugin.
    """

    def __init__(
        self,
        *,
        paths: Sequence[Path] = (),
        enable: Collection[str] = (),
        block: Collection[str] = (),
        allow: Collection[str] | None = None,
        allow_lists: Sequence[AllowList] = (),
        registered: Callable[[], Mapping[str, BackendType]] = registered_types,
    ) -> None:
        """Raises PluginError for an entry of ``allow`` that is no name with or without a digest."""
        self.paths = tuple(paths)
        self.enable = tuple(enable)
        self.block = frozenset(block)
        self.allow_lists = (*allow_lists, *(() if allow is None else (AllowList(allow),)))
        self._lock = threading.RLock()
        self._registered = registered
        self._loader = PluginLoader(
            paths=self.paths, enable=self.enable, block=self.block, allow=self.allow_lists, registered=registered
        )

    def load_listed(self) -> None:
        """Find the drop-in plugins and load the enabled ones now rather than later.

        Raises PluginError if a folder cannot be read, an enabled plugin is not there or broken, or a name in ``block``
        or ``allow`` is nobody's.
        """
        with self._lock:
            self._loader.ready_drop_ins()

    def backend_type(self, name: str) -> BackendType:
        """The type of this name or alias; of the installed plugins only the one that offers it is imported.

        Raises PluginError: no such type (with the nearest name), two plugins offer it, or its plugin is broken.
        """
        with self._lock:
            return self._complete_type(name, ())

    def backend_type_names(self) -> list[str]:
        """The names and aliases of all types, without importing a plugin."""
        with self._lock:
            loader = self._loader
            names = {point.name for point in loader.entry_points().all() if loader.point_bar_reason(point) is None}
            for drop_in in loader.allowed_drop_ins():
                names |= drop_in.provided.of(BACKEND_TYPES)
            return sorted({*names, *loader.enabled_types, *loader.registered()} - self.block)

    def backend_types(self) -> Iterator[BackendType]:
        """Every type that can be loaded, each once, by name; broken plugins are passed over (see ``plugins``)."""
        with self._lock:
            for drop_in in self._loader.ready_drop_ins():
                self._loader.load(drop_in)
                if drop_in.error is not None:
                    log.warning("plugin %s is left out: %s", drop_in.name, drop_in.error)
        seen: set[str] = set()
        for name in self.backend_type_names():
            try:
                found = self.backend_type(name)
            except PluginError as error:
                log.warning("%s", error)
                continue
            if found.name not in seen:
                seen.add(found.name)
                yield found

    def plugins(self, trial: Callable[[str], None] = _try_all) -> list[PluginRecord]:
        """Every plugin that was found, loaded to see whether it works and whether what it offers is its alone.

        ``trial`` is told of each before it is loaded, and raises PluginError where it must not be.
        """
        from complaint_llm.host.listing import list_plugins  # cold start: for those who look at plugins

        with self._lock:
            return sorted(list_plugins(self._loader, trial), key=lambda record: record[:3])

    def unknown_plugins(self, names: Iterable[str]) -> list[tuple[str, str | None]]:
        """Those of the names that no plugin has, and offers nothing of, each with the nearest that one has."""
        with self._lock:
            return self._loader.unknown_plugins(names)

    def enabled_defaults(self) -> list[tuple[str, Mapping[str, Any]]]:
        """What the plugins of PLUGINS.enable say of a config beforehand, with the name that enables each.

        Raises PluginError for one whose hook fails.
        """
        with self._lock:
            self._loader.ready_drop_ins()
            found: list[tuple[str, Mapping[str, Any]]] = []
            for owner, given in self._loader.registry.hook_results(CONFIG_DEFAULTS):
                if owner in self._loader.enabled:
                    if isinstance(given, PluginError):
                        raise given
                    found += [(self._loader.enabled[owner], given)] if given else []
            return found

    def offer(self, hook: str, name: str) -> Any | None:
        """What a drop-in or an enabled plugin offers under this name by a hook that returns a mapping; None if nobody.

        Only what says that it offers the name is imported; if none says so, those whose source does not tell. Raises
        PluginError if two offer it, or if the plugin that does is broken.
        """
        with self._lock:
            broken = self._loader.load_for(hook, name)
            provided = list(self._loader.registry.hook_results(hook))
            found = {
                owner: each[name] for owner, each in provided if not isinstance(each, PluginError) and name in each
            }
            if len(found) > 1:
                raise PluginError(f"{name!r} is offered by {' and by '.join(sorted(found))}: block one of them")
            if not found:
                broken += [str(each) for _, each in provided if isinstance(each, PluginError)]
                if broken:
                    raise PluginError(broken[0])
            return next(iter(found.values()), None)

    def offer_names(self, hook: str) -> list[str]:
        """The names that drop-in plugins say that they offer by a hook, and those that loaded plugins do."""
        with self._lock:
            names = {name for each in self._loader.allowed_drop_ins() for name in each.provided.of(hook)}
            for _, provided in self._loader.registry.hook_results(hook):
                names |= set() if isinstance(provided, PluginError) else provided.keys()
            return sorted(names)

    def is_offered(self, hook: str, name: str) -> bool:
        """Whether a drop-in plugin says that it offers this name by a hook, or a loaded one does. Imports nothing."""
        with self._lock:
            if any(self._loader.bar_reason(each) is None for each in self._loader.saying(hook, name)):
                return True
            results = self._loader.registry.hook_results(hook)
            return any(not isinstance(each, PluginError) and name in each for _, each in results)

    def load_faults(self) -> list[str]:
        """Why drop-in plugins that something was looked for in could not be loaded."""
        with self._lock:
            return [each.error for each in self._loader.ready_drop_ins() if each.error is not None]

    def all_offers(self, hook: str) -> dict[str, Any]:
        """What all drop-in and enabled plugins offer by a hook that returns a mapping, each by its name.

        Raises PluginError if two offer one name, or if a plugin's hook fails or returns something else.
        """
        with self._lock:
            for drop_in in self._loader.ready_drop_ins():
                self._loader.load(drop_in)
            found: dict[str, Any] = {}
            owners: dict[str, str] = {}
            for name, provided in self._loader.registry.hook_results(hook):
                if isinstance(provided, PluginError):
                    raise provided
                for key, value in provided.items():
                    if key in found:
                        raise PluginError(f"{key!r} is offered by {owners[key]} and by {name}: block one of them")
                    found[key], owners[key] = value, name
            return found

    def with_plugins(
        self,
        *,
        paths: Sequence[Path] = (),
        enable: Collection[str] = (),
        block: Collection[str] = (),
        allow: Collection[str] | None = None,
    ) -> PluginHost:
        """A host that looks where this one does, and further; what either blocks is blocked."""
        narrower = () if allow is None else (AllowList(allow),)
        if (
            {*paths} <= {*self.paths}
            and {*enable} <= {*self.enable}
            and self.block.issuperset(block)
            and set(narrower) <= {*self.allow_lists}
        ):
            return self
        return PluginHost(
            paths=tuple(dict.fromkeys((*self.paths, *paths))),
            enable=tuple(dict.fromkeys((*self.enable, *enable))),
            block=(*self.block, *block),
            allow_lists=(*self.allow_lists, *narrower),
            registered=self._registered,
        )

    # -- inside, under the lock ----------------------------------------------------------------------------------

    def _complete_type(self, name: str, chain: tuple[str, ...]) -> BackendType:
        if name in chain:
            raise PluginError(f"type {chain[0]!r} is like itself: {' -> '.join((*chain, name))}")
        found = self._only(name)
        if found.like is None:
            return found
        from complaint_llm.backends.declared import derive_type  # cold start: types that are only data

        try:
            return derive_type(found, self._complete_type(found.like, (*chain, name)))
        except PluginError as cause:
            raise PluginError(f"type {name!r} is like {found.like!r}: {cause}") from cause

    def _only(self, name: str) -> BackendType:
        broken = self._loader.load_for(BACKEND_TYPES, name)
        provided = [(owner, found) for owner, found in self._provided_types() if name in (found.name, *found.aliases)]
        point = self._loader.entry_points().get(name)
        barred = None
        if point is not None:
            barred = self._loader.point_bar_reason(point)
            if barred is None:
                provided.append((point.owner, self._loader.type_of(point)))
        registered = self._loader.registered().get(name)
        if registered is not None:
            provided.append(("register_backend", registered))
        allowed = [(owner, found) for owner, found in provided if self.block.isdisjoint((found.name, *found.aliases))]
        if not allowed:
            if provided or barred is not None:
                raise PluginError(f"type {name!r}: its plugin {barred or BLOCKED}")
            if broken:
                raise PluginError(f"type {name!r}: {broken[0]}")
            raise PluginError(self._unknown(name))
        distinct = {id(found): owner for owner, found in allowed}  # an enabled plugin is met twice
        if len(distinct) > 1:
            owners = " and ".join(sorted(distinct.values()))
            raise PluginError(
                f"type {name!r} is offered twice, by {owners}: name one of them in PLUGINS.block, or rename it"
            )
        return allowed[0][1]

    def _unknown(self, name: str) -> str:
        near = nearest(name.lower(), self.backend_type_names())
        hint = f'did you mean "{near}"?' if near else "`complaint-llm plugins` lists the types there are"
        broken = self.load_faults()
        failed = f" (not loaded: {broken[0]})" if broken else self._without_hooks(name)
        return f'unknown type "{name}"; {hint}{failed}'

    def _without_hooks(self, name: str) -> str:
        found = (each for each in self._loader.ready_drop_ins() if each.name == name and each.note is not None)
        return next((f" ({each.plugin.path} {each.note})" for each in found), "")

    def _provided_types(self) -> Iterator[tuple[str, BackendType]]:
        """The types of the drop-in plugins that are loaded and of the enabled ones, with their owners."""
        for drop_in in self._loader.allowed_drop_ins():
            yield from ((str(drop_in.plugin.path), found) for found in drop_in.types)
        yield from self._loader.enabled_types.values()

