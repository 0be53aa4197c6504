"""One host per config: finds plugins, loads those that are needed, and keeps their faults apart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from complaint_llm.backends.declared import derive_type
from complaint_llm.backends.registered import registered_types
from complaint_llm.backends.type import BackendType
from complaint_llm.drop_in_import import import_drop_in
from complaint_llm.exceptions import PluginError
from complaint_llm.host.drop_ins import DropIn, find_drop_ins
from complaint_llm.host.installed import EntryPoint, Installed
from complaint_llm.host.registry import PluginRecord, Registry, unknown_plugin
from complaint_llm.host.source_names import BACKEND_TYPES
from complaint_llm.json_schema.problems import nearest

log = logging.getLogger("complaint_llm.host")

OWN_DISTRIBUTION = "complaint-llm"
BLOCKED = "is named in PLUGINS.block"
NOT_ALLOWED = "is not named in PLUGINS.allow"


class PluginHost:
    """The plugins of one config.

    ``paths`` are folders of drop-in plugins, of which only those are imported that offer what is asked for; ``enable``
    names plugins to load although nothing of theirs is named; ``block`` names plugins, or types, that are never loaded;
    ``allow``, if given, names the only ones that may be loaded beside the built-in and the registered ones;
    ``registered`` gives the types that the program registered, by name. Any thread may call any method; one lock guards
    loading, which happens once for each plugin.
    """

    def __init__(
        self,
        *,
        paths: Sequence[Path] = (),
        enable: Collection[str] = (),
        block: Collection[str] = (),
        allow: Collection[str] | None = None,
        registered: Callable[[], Mapping[str, BackendType]] = registered_types,
    ) -> None:
        self.paths = tuple(paths)
        self.enable = tuple(enable)
        self.block = frozenset(block)
        self.allow = None if allow is None else frozenset(allow)
        self._registered = registered
        self._registry = Registry()
        self._lock = threading.RLock()
        self._installed: Installed | None = None
        self._enabled_types: dict[str, tuple[str, BackendType]] = {}
        self._loaded: dict[str, tuple[BackendType, ...]] = {}
        self._listed: list[DropIn] | None = None
        self._is_ready = False

    def load_listed(self) -> None:
        """Find the drop-in plugins and load the enabled ones now rather than later.

        Raises PluginError if a folder cannot be read, an enabled plugin is not there or broken, or a name in ``block``
        or ``allow`` is nobody's.
        """
        with self._lock:
            self._ready_drop_ins()

    def backend_type(self, name: str) -> BackendType:
        """The type of this name or alias; of the installed plugins only the one that offers it is imported.

        Raises PluginError: no such type (with the nearest name), two plugins offer it, or its plugin is broken.
        """
        with self._lock:
            return self._complete_type(name, ())

    def backend_type_names(self) -> list[str]:
        """The names and aliases of all types, without importing a plugin."""
        with self._lock:
            names = {point.name for point in self._entry_points().all() if self._point_bar_reason(point) is None}
            for drop_in in self._ready_drop_ins():
                if self._bar_reason(drop_in) is None:
                    names |= drop_in.provided.of(BACKEND_TYPES)
            return sorted({*names, *self._enabled_types, *self._registered()} - self.block)

    def backend_types(self) -> Iterator[BackendType]:
        """Every type that can be loaded, each once, by name; broken plugins are passed over (see ``plugins``)."""
        with self._lock:
            for drop_in in self._ready_drop_ins():
                self._load(drop_in)
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

    def plugins(self) -> list[PluginRecord]:
        """Every plugin that was found, loaded to see whether it works and whether what it offers is its alone."""
        with self._lock:
            records = [*self._drop_in_records(), *map(self._installed_record, self._entry_points().all())]
            records += [
                PluginRecord(name, "registered", str(getattr(found.make, "__module__", "")), types=(name,))
                for name, found in self._registered().items()
            ]
            return sorted(records, key=lambda record: record[:3])

    def unknown_plugins(self, names: Iterable[str]) -> list[tuple[str, str | None]]:
        """Those of the names that no plugin has, and offers nothing of, each with the nearest that one has."""
        with self._lock:
            known = {*self._registered(), *(drop_in.name for drop_in in self._drop_ins())}
            for drop_in in self._drop_ins():
                known = known.union(*drop_in.provided.names.values())
            strange = [name for name in names if name not in known and not self._entry_points().has(name)]
            known |= set(self._entry_points().names() if strange else ())
            return [(name, nearest(name, sorted(known))) for name in strange]

    def offer(self, hook: str, name: str) -> Any | None:
        """What a drop-in or an enabled plugin offers under this name by a hook that returns a mapping; None if nobody.

        Only what says that it offers the name is imported; if none says so, those whose source does not tell. Raises
        PluginError if two offer it, or if the plugin that does is broken.
        """
        with self._lock:
            broken = self._load_for(hook, name)
            provided = list(self._registry.hook_results(hook))
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
            drop_ins = (each for each in self._ready_drop_ins() if self._bar_reason(each) is None)
            names = {name for each in drop_ins for name in each.provided.of(hook)}
            for _, provided in self._registry.hook_results(hook):
                names |= set() if isinstance(provided, PluginError) else provided.keys()
            return sorted(names)

    def all_offers(self, hook: str) -> dict[str, Any]:
        """What all drop-in and enabled plugins offer by a hook that returns a mapping, each by its name.

        Raises PluginError if two offer one name, or if a plugin's hook fails or returns something else.
        """
        with self._lock:
            for drop_in in self._ready_drop_ins():
                self._load(drop_in)
            found: dict[str, Any] = {}
            owners: dict[str, str] = {}
            for name, provided in self._registry.hook_results(hook):
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
            registered=self._registered,
        )

    # -- inside, under the lock ----------------------------------------------------------------------------------

    def _complete_type(self, name: str, chain: tuple[str, ...]) -> BackendType:
        if name in chain:
            raise PluginError(f"type {chain[0]!r} is like itself: {' -> '.join((*chain, name))}")
        found = self._only(name)
        if found.like is None:
            return found
        try:
            return derive_type(found, self._complete_type(found.like, (*chain, name)))
        except PluginError as cause:
            raise PluginError(f"type {name!r} is like {found.like!r}: {cause}") from cause

    def _only(self, name: str) -> BackendType:
        broken = self._load_for(BACKEND_TYPES, name)
        provided = [(owner, found) for owner, found in self._provided_types() if name in (found.name, *found.aliases)]
        point = self._entry_points().get(name)
        barred = None
        if point is not None:
            barred = self._point_bar_reason(point)
            if barred is None:
                provided.append((point.owner, self._from_entry_point(point)))
        registered = self._registered().get(name)
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
        broken = [each.error for each in self._ready_drop_ins() if each.error is not None]
        failed = f" (not loaded: {broken[0]})" if broken else ""
        return f'unknown type "{name}"; {hint}{failed}'

    def _provided_types(self) -> Iterator[tuple[str, BackendType]]:
        """The types of the drop-in plugins that are loaded and of the enabled ones, with their owners."""
        for drop_in in self._ready_drop_ins():
            if self._bar_reason(drop_in) is None:
                yield from ((str(drop_in.plugin.path), found) for found in drop_in.types)
        yield from self._enabled_types.values()

    def _entry_points(self) -> Installed:
        if self._installed is None:
            self._installed = Installed()
        return self._installed

    def _bar_reason(self, drop_in: DropIn) -> str | None:
        """Why a drop-in plugin must not be loaded."""
        if drop_in.name in self.block:
            return BLOCKED
        if self.allow is None or not self.allow.isdisjoint((drop_in.name, *drop_in.provided.of(BACKEND_TYPES))):
            return None
        return NOT_ALLOWED

    def _point_bar_reason(self, point: EntryPoint) -> str | None:
        """Why an installed plugin must not be loaded. Of this package each type stands for itself."""
        if not self.block and self.allow is None:
            return None
        own = point.distribution == OWN_DISTRIBUTION
        names = {point.name} if own else {each.name for each in self._entry_points().all() if each.value == point.value}
        if not self.block.isdisjoint(names):
            return BLOCKED
        return None if self.allow is None or own or not self.allow.isdisjoint(names) else NOT_ALLOWED

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
            self._loaded[point.value] = self._registry.register(plugin, owner, point.value, own=own)
        return self._loaded[point.value]

    def _drop_ins(self) -> list[DropIn]:
        if self._listed is None:
            self._listed = list(find_drop_ins(self.paths)) if self.paths else []
        return self._listed

    def _ready_drop_ins(self) -> list[DropIn]:
        """The drop-in plugins; what PLUGINS says of plugins by their names is looked at, and done, once."""
        drop_ins = self._drop_ins()
        if not self._is_ready:
            for key, names in (("block", self.block), ("allow", self.allow or ())):
                for name, near in self.unknown_plugins(sorted(names)):
                    raise PluginError(f"PLUGINS.{key}: {unknown_plugin(name, near)}")
            self._is_ready = True
            try:
                for name in self.enable:
                    self._enable(name)
            except BaseException:
                self._is_ready = False
                raise
        return drop_ins

    def _enable(self, name: str) -> None:
        having = [drop_in for drop_in in self._drop_ins() if drop_in.name == name]
        for drop_in in having:
            self._load(drop_in)
            if drop_in.error is not None:
                raise PluginError(f"PLUGINS.enable names {name!r}: {drop_in.error}")
        if having:
            return
        point = self._entry_points().get(name)
        if point is None:
            raise PluginError(f"PLUGINS.enable names {name!r}, which is not installed: install it, or remove the name")
        for found in self._types_of_entry_point(point):
            for each in (found.name, *found.aliases):
                self._enabled_types[each] = (point.owner, found)

    def _load_for(self, hook: str, name: str) -> list[str]:
        """Load the drop-in plugins that say that they offer this name by a hook; if nobody does, those that may.

        The faults of those that say so and cannot be loaded.
        """
        allowed = [drop_in for drop_in in self._ready_drop_ins() if self._bar_reason(drop_in) is None]
        asked = [drop_in for drop_in in allowed if name in drop_in.provided.of(hook)]
        for drop_in in asked:
            self._load(drop_in)
        elsewhere = hook == BACKEND_TYPES and (name in self._registered() or self._entry_points().has(name))
        if not asked and not elsewhere:
            for drop_in in allowed:
                if drop_in.provided.unsure or drop_in.name == name:
                    self._load(drop_in)
        return [drop_in.error for drop_in in asked if drop_in.error is not None]

    def _load(self, drop_in: DropIn) -> None:
        """Import a drop-in plugin, once. One that is broken keeps its error and keeps no other away."""
        if drop_in.is_loaded or self._bar_reason(drop_in) is not None:
            return
        path = str(drop_in.plugin.path)
        try:
            drop_in.set_types(self._registry.register(import_drop_in(drop_in.plugin), path, path))
        except PluginError as error:
            drop_in.set_error(error)

    def _drop_in_records(self) -> Iterator[PluginRecord]:
        for drop_in in self._ready_drop_ins():
            self._load(drop_in)
        clashes = self._clashes()
        for drop_in in self._ready_drop_ins():
            record = drop_in.record(self._bar_reason(drop_in))
            clash = clashes.get(record.source)
            yield record._replace(state="error", error=clash) if clash and record.error is None else record

    def _clashes(self) -> dict[str, str]:
        """By the path of a drop-in plugin: what it offers that another plugin offers too, in a line."""
        owners: dict[tuple[str, str], list[str]] = {}
        for drop_in in self._ready_drop_ins():
            if drop_in.error is None and self._bar_reason(drop_in) is None:
                for hook, names in drop_in.provided.names.items():
                    for name in names:
                        owners.setdefault((hook, name), []).append(str(drop_in.plugin.path))
        found: dict[str, str] = {}
        for (hook, name), paths in owners.items():
            if hook == BACKEND_TYPES and name not in self.block:
                point = self._entry_points().get(name)
                others = [point.owner] if point is not None and self._point_bar_reason(point) is None else []
                others += ["register_backend"] if name in self._registered() else []
            else:
                others = []
            if len(paths) + len(others) > 1:
                text = f"{name!r} is offered twice, by {' and '.join([*paths, *others])}: block one, or rename it"
                found.update({path: text for path in paths if path not in found})
        return found

    def _installed_record(self, point: EntryPoint) -> PluginRecord:
        record = PluginRecord(point.name, "entry point", point.owner)
        barred = self._point_bar_reason(point)
        if barred is not None:
            return record._replace(state="blocked", error=barred)
        try:
            self._entry_points().get(point.name)
            return record._replace(types=(self._from_entry_point(point).name,))
        except PluginError as error:
            return record._replace(state="error", error=str(error))
