"""One host per config: finds plugins, loads those that are needed, and keeps their faults apart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from complaint_llm import hookspecs
from complaint_llm.backends.registered import registered_types
from complaint_llm.backends.type import BackendType
from complaint_llm.exceptions import PluginError
from complaint_llm.host.installed import EntryPoint, Installed
from complaint_llm.host.record import PluginRecord

if TYPE_CHECKING:
    from complaint_llm.host.dropped import Dropped

log = logging.getLogger("complaint_llm.host")

OWN_DISTRIBUTION = "complaint-llm"


class PluginHost:
    """The plugins of one config.

    ``paths`` are folders of dropped-in plugins; ``enable`` names installed plugins to load although no type names
    them; ``block`` names plugins that are never loaded; ``allow``, if given, names the only ones that may be loaded
    beside the built-in and the registered ones. Any thread may call any method; one lock guards loading, which
    happens once for each plugin.
    """

    def __init__(
        self,
        *,
        paths: Sequence[Path] = (),
        enable: Collection[str] = (),
        block: Collection[str] = (),
        allow: Collection[str] | None = None,
    ) -> None:
        self.paths = tuple(paths)
        self.enable = tuple(enable)
        self.block = frozenset(block)
        self.allow = None if allow is None else frozenset(allow)
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._lock = threading.RLock()
        self._installed: Installed | None = None
        self._offered: dict[str, list[tuple[str, BackendType]]] = {}
        self._loaded: dict[str, tuple[BackendType, ...]] = {}
        self._records: list[PluginRecord] | None = None

    def load_listed(self) -> None:
        """Load the dropped-in plugins and the enabled ones now rather than later.

        Raises PluginError if a folder cannot be read or an enabled plugin is not installed; a plugin that is broken is
        logged and left out.
        """
        with self._lock:
            self._load_listed()

    def backend_type(self, name: str) -> BackendType:
        """The type of this name or alias; of the installed plugins only the one that offers it is imported.

        Raises PluginError: no such type (with the nearest name), two plugins offer it, or its plugin is broken.
        """
        with self._lock:
            return self._resolved(name, ())

    def backend_type_names(self) -> list[str]:
        """The names and aliases of all types, without importing installed plugins; those of dropped-in ones are."""
        with self._lock:
            self._load_listed()
            names = {point.name for point in self._entry_points().all() if self._barred(point.name, point) is None}
            return sorted({*names, *self._offered, *registered_types()})

    def backend_types(self) -> Iterator[BackendType]:
        """Every type that can be loaded, each once, by name; broken plugins are passed over (see ``plugins``)."""
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

    def plugins(self) -> list[PluginRecord]:
        """Every plugin that was found, loaded to see whether it works."""
        with self._lock:
            records = [*self._load_listed(), *(self._installed_record(point) for point in self._entry_points().all())]
            records += [
                PluginRecord(name, "registered", str(getattr(found.make, "__module__", "")), types=(name,))
                for name, found in registered_types().items()
            ]
            return sorted(records, key=lambda record: record[:3])

    def offered(self, hook: str) -> dict[str, Any]:
        """What the dropped-in and the enabled plugins offer by a hook that returns a mapping, each by its name.

        Raises PluginError if two offer one name, or if a plugin's hook fails or returns something else.
        """
        with self._lock:
            self._load_listed()
            found: dict[str, Any] = {}
            owners: dict[str, str] = {}
            for name, plugin in self._manager.list_name_plugin():
                for key, value in self._offer_of(hook, name, plugin).items():
                    if key in found:
                        raise PluginError(f"{key!r} is offered by {owners[key]} and by {name}: block one of them")
                    found[key], owners[key] = value, name
            return found

    def extended(
        self,
        *,
        paths: Sequence[Path] = (),
        enable: Collection[str] = (),
        block: Collection[str] = (),
        allow: Collection[str] | None = None,
    ) -> PluginHost:
        """A host that looks where this one does, and further; what either blocks is blocked."""
        if (
            {*paths} <= {*self.paths}
            and {*enable} <= {*self.enable}
            and self.block.issuperset(block)
            and (allow is None or self.allow == frozenset(allow))
        ):
            return self
        both = [given for given in (self.allow, allow) if given is not None]
        return PluginHost(
            paths=tuple(dict.fromkeys((*self.paths, *paths))),
            enable=tuple(dict.fromkeys((*self.enable, *enable))),
            block=(*self.block, *block),
            allow=frozenset.intersection(*map(frozenset, both)) if both else None,
        )

    # -- inside, under the lock ----------------------------------------------------------------------------------

    def _resolved(self, name: str, chain: tuple[str, ...]) -> BackendType:
        if name in chain:
            raise PluginError(f"type {chain[0]!r} is like itself: {' -> '.join((*chain, name))}")
        found = self._only(name)
        if found.like is None:
            return found
        from complaint_llm.backends.declared import derived

        try:
            return derived(found, self._resolved(found.like, (*chain, name)))
        except PluginError as cause:
            raise PluginError(f"type {name!r} is like {found.like!r}: {cause}") from cause

    def _only(self, name: str) -> BackendType:
        self._load_listed()
        offers = list(self._offered.get(name, ()))
        point = self._entry_points().get(name)
        if point is not None:
            barred = self._barred(name, point)
            if barred is None:
                offers += [(point.owner, self._from_entry_point(point))]
            elif not offers:
                raise PluginError(f"type {name!r}: its plugin {barred}")
        registered = registered_types().get(name)
        if registered is not None and name not in self.block:
            offers.append(("register_backend", registered))
        distinct = {id(found): owner for owner, found in offers}  # an enabled plugin is met twice
        if not offers:
            raise PluginError(self._unknown(name))
        if len(distinct) > 1:
            owners = " and ".join(sorted(distinct.values()))
            raise PluginError(
                f"type {name!r} is offered twice, by {owners}: name one of them in PLUGINS.block, or rename it"
            )
        return offers[0][1]

    def _unknown(self, name: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(name.lower(), self.backend_type_names(), 1, 0.6)
        hint = f'did you mean "{near[0]}"?' if near else "`complaint-llm plugins` lists the types there are"
        broken = [record.error for record in self._load_listed() if record.state == "error"]
        failed = f" (not loaded: {broken[0]})" if broken else ""
        return f'unknown type "{name}"; {hint}{failed}'

    def _entry_points(self) -> Installed:
        if self._installed is None:
            self._installed = Installed()
        return self._installed

    def _barred(self, name: str, point: EntryPoint | None = None) -> str | None:
        if name in self.block:
            return "is named in PLUGINS.block"
        if self.allow is None or name in self.allow:
            return None
        if point is not None and point.distribution == OWN_DISTRIBUTION:
            return None
        return "is not named in PLUGINS.allow"

    def _from_entry_point(self, point: EntryPoint) -> BackendType:
        for found in self._types_of_entry_point(point):
            if point.name in (found.name, *found.aliases):
                return found
        raise PluginError(
            f"the plugin {point.value} of {point.owner} offers no type {point.name!r}: correct its entry point"
        )

    def _types_of_entry_point(self, point: EntryPoint) -> tuple[BackendType, ...]:
        if point.value not in self._loaded:
            owner = f"{point.value} of {point.owner}"
            try:
                module = import_module(point.module)
                plugin = getattr(module, point.attribute) if point.attribute else module
            except (Exception, SystemExit) as cause:  # whatever a foreign module raises is its own fault
                first = next(iter(str(cause).splitlines()), "")
                raise PluginError(f"the plugin {owner} cannot be imported: {type(cause).__name__}: {first}") from cause
            own = point.distribution == OWN_DISTRIBUTION
            self._loaded[point.value] = self._register(plugin, owner, point.value, own=own)
        return self._loaded[point.value]

    def _register(self, plugin: Any, owner: str, name: str, *, own: bool = False) -> tuple[BackendType, ...]:
        """The types that a plugin offers, by its hooks and no other plugin's. Raises PluginError; a plugin that is
        refused offers nothing by its other hooks either. ``own`` are the built-in ones, which tests keep in order."""
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
            others = [other for other in self._manager.get_plugins() if other is not plugin]
            caller = self._manager.subset_hook_caller("complaint_llm_backend_types", others)
            types = tuple(found for offered in caller() if offered is not None for found in offered)
            self._check_marks(plugin, owner)
            if not own:
                from complaint_llm.backends.offers import fault_of

                fault = next(filter(None, map(fault_of, types)), None)
                if fault is not None:
                    raise PluginError(f"the plugin {owner} offers {fault}")
        except (Exception, SystemExit) as cause:  # hooks are foreign code
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            # pluggy keeps the name of a plugin that it refused.
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            if isinstance(cause, PluginError):
                raise
            first = next(iter(str(cause).splitlines()), "")
            raise PluginError(f"the plugin {owner} is broken: {type(cause).__name__}: {first}") from cause
        return types

    def _check_marks(self, plugin: Any, owner: str) -> None:
        """Raises PluginError for a hook without its mark, which would offer nothing, in silence."""
        for name in (name for name in vars(hookspecs) if name.startswith(f"{hookspecs.PROJECT}_")):
            if callable(getattr(plugin, name, None)) and self._manager.parse_hookimpl_opts(plugin, name) is None:
                raise PluginError(f"the plugin {owner} has {name} without @complaint_llm.hookimpl: add the mark")

    def _offer_of(self, hook: str, name: str, plugin: Any) -> dict[str, Any]:
        """What one plugin offers, by its own implementation and no other plugin's."""
        if plugin is None:
            return {}
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        try:
            offers = self._manager.subset_hook_caller(hook, others)()
            return {key: value for offer in offers for key, value in offer.items()}
        except (Exception, SystemExit) as cause:  # hooks are foreign code
            first = next(iter(str(cause).splitlines()), "")
            raise PluginError(f"the plugin {name} fails in {hook}: {type(cause).__name__}: {first}") from cause

    def _load_listed(self) -> list[PluginRecord]:
        """Load the dropped-in plugins and the enabled ones, once. One that is broken does not keep others away."""
        if self._records is not None:
            return self._records
        records: list[PluginRecord] = []
        offers: list[tuple[str, BackendType]] = []
        if self.paths:
            from complaint_llm.host.dropped import find_dropped

            # By their real paths: a folder that is named twice, or once by a link, is one.
            found_here: dict[Path, Dropped] = {}
            for folder in self.paths:
                for dropped in find_dropped(folder):
                    found_here.setdefault(dropped.path.resolve(), dropped)
            for dropped in found_here.values():
                record, types = self._load_dropped(dropped)
                records.append(record)
                offers += ((record.source, found) for found in types)
        for name in self.enable:
            point = self._entry_points().get(name)
            if point is None:
                raise PluginError(
                    f"PLUGINS.enable names {name!r}, which is not installed: install it, or remove the name"
                )
            offers += ((point.owner, found) for found in self._types_of_entry_point(point))
        for owner, found in offers:
            for name in (found.name, *found.aliases):
                self._offered.setdefault(name, []).append((owner, found))
        self._records = records
        return records

    def _load_dropped(self, dropped: Dropped) -> tuple[PluginRecord, tuple[BackendType, ...]]:
        from complaint_llm.backends.declared import read_declared
        from complaint_llm.host.dropped import import_dropped

        record = PluginRecord(dropped.name, dropped.kind, str(dropped.path))
        barred = self._barred(dropped.name)
        if barred is not None:
            return record._replace(state="blocked", error=barred), ()
        try:
            if dropped.kind == "declared":
                types: tuple[BackendType, ...] = (read_declared(dropped.path),)
            else:
                types = self._register(import_dropped(dropped), str(dropped.path), str(dropped.path))
        except PluginError as error:
            log.warning("plugin %s is left out: %s", dropped.name, error)
            return record._replace(state="error", error=str(error)), ()
        return record._replace(types=tuple(found.name for found in types)), types

    def _installed_record(self, point: EntryPoint) -> PluginRecord:
        record = PluginRecord(point.name, "entry point", point.owner)
        barred = self._barred(point.name, point)
        if barred is not None:
            return record._replace(state="blocked", error=barred)
        try:
            self._entry_points().get(point.name)
            return record._replace(types=(self._from_entry_point(point).name,))
        except PluginError as error:
            return record._replace(state="error", error=str(error))


__all__ = ["PluginHost"]
