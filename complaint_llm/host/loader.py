"""Loads the plugins of one host, each once, as far as PLUGINS lets them be loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm.backends.type import BackendType
from complaint_llm.exceptions import PluginError
from complaint_llm.hookspecs import BACKEND_TYPES
from complaint_llm.host.allow_list import AllowList
from complaint_llm.host.installed import EntryPoint, Installed
from complaint_llm.host.records import NO_HOOKS, unknown_plugin
from complaint_llm.host.registry import Registry
from complaint_llm.json_schema.problems import nearest

if TYPE_CHECKING:
    from complaint_llm.host.drop_ins import DropIn

OWN_DISTRIBUTION = "complaint-llm"
BLOCKED = "is named in PLUGINS.block"

_log = logging.getLogger("complaint_llm.host")


class PluginLoader:
    """For one thread at a time: its host's lock guards it.

    ``enabled`` has, by the name under which ``registry`` knows it, each plugin that PLUGINS.enable named.
    """

    def __init__(
        self,
        *,
        paths: Sequence[Path],
        enable: Sequence[str],
        block: frozenset[str],
        allow: Sequence[AllowList],
        registered: Callable[[], Mapping[str, BackendType]],
    ) -> None:
        self._paths = paths
        self.enable = enable
        self.block = block
        self.allow = allow
        self.registered = registered
        self.registry = Registry()
        self.enabled: dict[str, str] = {}
        self.enabled_types: dict[str, tuple[str, BackendType]] = {}
        self._installed: Installed | None = None
        self._types: dict[str, tuple[BackendType, ...]] = {}
        self._digests: dict[Path, str] = {}
        self._drop_ins: list[DropIn] | None = None
        self._is_ready = False

    # -- what there is -------------------------------------------------------------------------------------------

    def entry_points(self) -> Installed:
        """Those that are installed."""
        if self._installed is None:
            self._installed = Installed()
        return self._installed

    def drop_ins(self) -> list[DropIn]:
        """Those that are dropped in. Raises PluginError for a folder that cannot be read or that others may change."""
        if self._drop_ins is None and self._paths:
            from complaint_llm.host.drop_ins import find_drop_ins  # cold start: syntax trees

            self._drop_ins = list(find_drop_ins(self._paths))
        elif self._drop_ins is None:
            self._drop_ins = []
        return self._drop_ins

    def ready_drop_ins(self) -> list[DropIn]:
        """The same; what PLUGINS says of plugins by their names is looked at, and done, once. Raises PluginError."""
        drop_ins = self.drop_ins()
        if not self._is_ready:
            allowed = {name for each in self.allow for name in each.names}
            for key, names in (("block", self.block), ("allow", allowed)):
                for name, near in self.unknown_plugins(sorted(names)):
                    raise PluginError(f"PLUGINS.{key}: {unknown_plugin(name, near)}")
            self._is_ready = True
            try:
                for name in self.enable:
                    self.load_enabled(name)
            except BaseException:
                self._is_ready = False
                raise
        return drop_ins

    def allowed_drop_ins(self) -> list[DropIn]:
        """Those of them that may be loaded."""
        return [each for each in self.ready_drop_ins() if self.bar_reason(each) is None]

    def unknown_plugins(self, names: Iterable[str]) -> list[tuple[str, str | None]]:
        """Those of the names that no plugin has, and offers nothing of, each with the nearest that one has."""
        names = list(names)
        if not names:
            return []
        known = {*self.registered(), *(drop_in.name for drop_in in self.drop_ins())}
        for drop_in in self.drop_ins():
            known = known.union(*drop_in.provided.names.values())
        strange = [name for name in names if name not in known and not self.entry_points().has(name)]
        known |= set(self.entry_points().names() if strange else ())
        return [(name, nearest(name, sorted(known))) for name in strange]

    # -- what may be loaded --------------------------------------------------------------------------------------

    def bar_reason(self, drop_in: DropIn) -> str | None:
        """Why a drop-in plugin must not be loaded."""
        if drop_in.name in self.block:
            return BLOCKED
        if not self.allow:
            return None
        return self._allow_reason((drop_in.name, *drop_in.provided.of(BACKEND_TYPES)), drop_in.plugin.path)

    def point_bar_reason(self, point: EntryPoint) -> str | None:
        """Why an installed plugin must not be loaded. Of this package each type stands for itself."""
        if not self.block and not self.allow:
            return None
        own = point.distribution == OWN_DISTRIBUTION
        names = {point.name} if own else {each.name for each in self.entry_points().all() if each.value == point.value}
        if not self.block.isdisjoint(names):
            return BLOCKED
        if own:
            return None
        from complaint_llm.host.digests import installed_path  # cold start: allow lists

        return self._allow_reason(names, installed_path(point.module))

    def digest(self, path: Path | None) -> str:
        """The digest of a plugin's files, read once. Raises PluginError."""
        if path is None:
            raise PluginError("its file is not found, so that nothing can be said of what is in it")
        if path not in self._digests:
            from complaint_llm.host.digests import digest_of  # cold start: allow lists

            self._digests[path] = digest_of(path)
        return self._digests[path]

    def _allow_reason(self, names: Collection[str], path: Path | None) -> str | None:
        try:
            reasons = (each.bar_reason(names, lambda: self.digest(path)) for each in self.allow)
            return next(filter(None, reasons), None)
        except PluginError as error:
            return str(error)

    # -- loading -------------------------------------------------------------------------------------------------

    def load(self, drop_in: DropIn) -> None:
        """Import a drop-in plugin, once. One that is broken keeps its error and keeps no other away."""
        if drop_in.is_loaded or self.bar_reason(drop_in) is not None:
            return
        from complaint_llm.drop_in_import import import_drop_in  # cold start: dropped-in plugins

        path = str(drop_in.plugin.path)
        try:
            drop_in.check_writers()
            drop_in.set_types(self.registry.register(import_drop_in(drop_in.plugin), path, path))
        except PluginError as error:
            drop_in.set_error(error)
            return
        provided = drop_in.provided
        if not self.registry.hooks_of(path) and not any(provided.names.values()) and not provided.unsure:
            drop_in.note = NO_HOOKS

    def load_for(self, hook: str, name: str) -> list[str]:
        """Load the drop-in plugins that say that they offer this name by a hook; if nobody does, those that may.

        Why those that say so cannot be used.
        """
        asked = self.saying(hook, name)
        barred = {id(each): reason for each in asked if (reason := self.bar_reason(each)) is not None}
        for drop_in in asked:
            self.load(drop_in)
        elsewhere = hook == BACKEND_TYPES and (name in self.registered() or self.entry_points().has(name))
        if len(asked) == len(barred) and not elsewhere:
            for drop_in in self.allowed_drop_ins():
                if drop_in.provided.unsure or drop_in.name == name or name in drop_in.provided.of(hook):
                    self.load(drop_in)
        faults = [drop_in.error for drop_in in asked if drop_in.error is not None]
        return faults + [f"{each.plugin.path} {barred[id(each)]}" for each in asked if id(each) in barred]

    def saying(self, hook: str, name: str) -> list[DropIn]:
        """The drop-in plugins whose source says that they offer this name by a hook."""
        return [drop_in for drop_in in self.ready_drop_ins() if drop_in.says_it_offers(hook, name)]

    def load_enabled(self, name: str) -> None:
        """Load what PLUGINS.enable names. Raises PluginError."""
        having = [drop_in for drop_in in self.drop_ins() if drop_in.name == name]
        for drop_in in having:
            self.load(drop_in)
            fault = drop_in.error or self.bar_reason(drop_in)
            if fault is not None:
                raise PluginError(f"PLUGINS.enable names {name!r}: {fault}")
            self.enabled[str(drop_in.plugin.path)] = name
            if drop_in.note is not None:
                _log.warning("PLUGINS.enable names %r: %s %s", name, drop_in.plugin.path, drop_in.note)
        if having:
            return
        point = self.entry_points().get(name)
        if point is None:
            raise PluginError(f"PLUGINS.enable names {name!r}, which is not installed: install it, or remove the name")
        barred = self.point_bar_reason(point)
        if barred is not None:
            raise PluginError(f"PLUGINS.enable names {name!r}, which {barred}")
        types = self.types_of(point)
        for found in types:
            for each in (found.name, *found.aliases):
                self.enabled_types[each] = (point.owner, found)
        if not types and not self.registry.hooks_of(point.value):
            _log.warning("PLUGINS.enable names %r: %s of %s %s", name, point.value, point.owner, NO_HOOKS)
        self.enabled[point.value] = name

    def types_of(self, point: EntryPoint) -> tuple[BackendType, ...]:
        """The types of an installed plugin. Raises PluginError."""
        if point.value not in self._types:
            owner = f"{point.value} of {point.owner}"
            try:
                module = import_module(point.module)
                plugin = getattr(module, point.attribute) if point.attribute else module
            except (Exception, SystemExit) as cause:  # whatever a foreign module raises is its own fault
                first = next(iter(str(cause).splitlines()), "")
                raise PluginError(f"the plugin {owner} cannot be imported: {type(cause).__name__}: {first}") from cause
            own = point.distribution == OWN_DISTRIBUTION
            self._types[point.value] = self.registry.register(plugin, owner, point.value, own=own)
        return self._types[point.value]

    def type_of(self, point: EntryPoint) -> BackendType:
        """The type that an entry point is named as. Raises PluginError."""
        for found in self.types_of(point):
            if point.name in (found.name, *found.aliases):
                return found
        raise PluginError(
            f"the plugin {point.value} of {point.owner} offers no type {point.name!r}: correct its entry point"
        )
