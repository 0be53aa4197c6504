"""Loaded plugins, their hooks and what they offer: pluggy, with each plugin's faults kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pluggy

from complaint_llm import hookspecs
from complaint_llm.backends.type import BackendType, type_fault
from complaint_llm.exceptions import PluginError
from complaint_llm.hookspecs import BACKEND_TYPES, COMMANDS
from complaint_llm.json_schema.problems import nearest

PREFIX = f"{hookspecs.PROJECT}_"
HOOKS = tuple(name for name in vars(hookspecs) if name.startswith(PREFIX))
"""The names of all hooks."""


class Registry:
    """The loaded plugins of one host. For one thread at a time."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def hook_results(self, hook: str) -> Iterator[tuple[str, dict[str, Any] | PluginError]]:
        """What each plugin offers by a hook that gives names, or why that failed, with the plugin's name."""
        for name, plugin in self._manager.list_name_plugin():
            if plugin is None:
                continue
            try:
                yield name, self._offer_of(hook, name, plugin)
            except PluginError as error:
                yield name, error

    def hooks_of(self, name: str) -> tuple[str, ...]:
        """The hooks of a plugin that is registered under this name."""
        plugin = self._manager.get_plugin(name)
        callers = () if plugin is None else self._manager.get_hookcallers(plugin) or ()
        return tuple(sorted(caller.name for caller in callers))

    def offers_of(self, name: str) -> dict[str, tuple[str, ...]]:
        """What a plugin offers by each of its hooks but that of types. Raises PluginError for a hook that fails."""
        plugin = self._manager.get_plugin(name)
        hooks = (hook for hook in self.hooks_of(name) if hook != BACKEND_TYPES)
        return {hook: tuple(sorted(self._offer_of(hook, name, plugin))) for hook in hooks}

    def register(self, plugin: Any, owner: str, name: str, *, own: bool = False) -> tuple[BackendType, ...]:
        """The types that a plugin offers, by its hooks and no other plugin's. Raises PluginError; a plugin that is
        refused offers nothing by its other hooks either. ``own`` are the built-in ones, which tests keep in order."""
        try:
            self._check_hook_names(plugin, owner)
            self._manager.register(plugin, name)
            self._manager.check_pending()
            caller = self._manager.subset_hook_caller(BACKEND_TYPES, self._all_but(plugin))
            types = tuple(found for offered in caller() if offered is not None for found in offered)
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

    def _all_but(self, plugin: Any) -> list[Any]:
        return [other for other in self._manager.get_plugins() if other is not plugin]

    def _offer_of(self, hook: str, name: str, plugin: Any) -> dict[str, Any]:
        """What one plugin offers, by its own implementation and no other plugin's."""
        found: dict[str, Any] = {}
        try:
            for given in self._manager.subset_hook_caller(hook, self._all_but(plugin))():
                found.update(_commands_by_name(given) if hook == COMMANDS else _checked_mapping(given))
        except (Exception, SystemExit) as cause:  # hooks are foreign code
            first = next(iter(str(cause).splitlines()), "")
            raise PluginError(f"the plugin {name} fails in {hook}: {type(cause).__name__}: {first}") from cause
        return found

    def _check_hook_names(self, plugin: Any, owner: str) -> None:
        """Raises PluginError for a hook that there is not, and for one without its mark: both would offer nothing, in
        silence."""
        for name in dir(plugin):
            mark = self._manager.parse_hookimpl_opts(plugin, name)
            hook = name if mark is None else mark.get("specname") or name
            if mark is None and not (name.startswith(PREFIX) and callable(getattr(plugin, name, None))):
                continue
            if hook not in HOOKS:
                near = nearest(hook, HOOKS)
                hint = f'did you mean "{near}"?' if near else f"there are {', '.join(HOOKS)}"
                raise PluginError(f"the plugin {owner} has {hook}, and there is no such hook: {hint}")
            if mark is None:
                raise PluginError(f"the plugin {owner} has {name} without @complaint_llm.hookimpl: add the mark")


def _checked_mapping(given: Any) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise TypeError(f"it gave a {type(given).__name__}, no mapping")
    strange = next((key for key in given if not isinstance(key, str) or not key), None)
    if strange is not None:
        raise TypeError(f"{strange!r} is no name")
    return given


def _commands_by_name(given: Iterable[Any]) -> dict[str, Any]:
    """Click commands by their names: ``click`` itself is imported by those who run them."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"it gave a {type(given).__name__}, no list of click commands")
    found: dict[str, Any] = {}
    for command in given:
        name = getattr(command, "name", None)
        if not isinstance(name, str) or not callable(getattr(command, "make_context", None)):
            raise TypeError(f"a {type(command).__name__} is no click command with a name")
        if name in found:
            raise TypeError(f"it gave two commands {name!r}")
        found[name] = command
    return found
