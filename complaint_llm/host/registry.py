"""Loaded plugins, their hooks and what is known of each: pluggy, with each plugin's faults kept apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import pluggy

from complaint_llm import hookspecs
from complaint_llm.backends.type import BackendType, type_fault
from complaint_llm.exceptions import PluginError


class PluginRecord(NamedTuple):
    """One plugin, for people: ``complaint-llm plugins`` prints these.

    ``source`` is a distribution with its version, or a path. ``types`` are the backend types it offers, as far as it
    was loaded. ``error`` is one line about why it cannot be used.
    """

    name: str
    kind: Literal["entry point", "folder", "file", "declared", "registered"]
    source: str
    state: Literal["ok", "error", "blocked"] = "ok"
    types: tuple[str, ...] = ()
    error: str | None = None


def unknown_plugin(name: str, near: str | None) -> str:
    """What to say of a name that no plugin has."""
    return f'no plugin "{name}"' + (f'; did you mean "{near}"?' if near else ": `complaint-llm plugins` lists them")


class Registry:
    """The loaded plugins of one host. For one thread at a time."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def hook_results(self, hook: str) -> Iterator[tuple[str, dict[str, Any] | PluginError]]:
        """What each plugin offers by a hook that returns a mapping, or why that failed, with the plugin's name."""
        for name, plugin in self._manager.list_name_plugin():
            try:
                yield name, self._offer_of(hook, name, plugin)
            except PluginError as error:
                yield name, error

    def register(self, plugin: Any, owner: str, name: str, *, own: bool = False) -> tuple[BackendType, ...]:
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
                fault = next(filter(None, map(type_fault, types)), None)
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

    def _offer_of(self, hook: str, name: str, plugin: Any) -> dict[str, Any]:
        """What one plugin offers, by its own implementation and no other plugin's."""
        if plugin is None:
            return {}
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        try:
            hook_results = self._manager.subset_hook_caller(hook, others)()
            return {key: value for offer in hook_results for key, value in offer.items()}
        except (Exception, SystemExit) as cause:  # hooks are foreign code
            first = next(iter(str(cause).splitlines()), "")
            raise PluginError(f"the plugin {name} fails in {hook}: {type(cause).__name__}: {first}") from cause

    def _check_marks(self, plugin: Any, owner: str) -> None:
        """Raises PluginError for a hook without its mark, which would offer nothing, in silence."""
        for name in (name for name in vars(hookspecs) if name.startswith(f"{hookspecs.PROJECT}_")):
            if callable(getattr(plugin, name, None)) and self._manager.parse_hookimpl_opts(plugin, name) is None:
                raise PluginError(f"the plugin {owner} has {name} without @complaint_llm.hookimpl: add the mark")
