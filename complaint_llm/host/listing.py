"""Every plugin of a host, tried: whether it can be loaded, and whether what it offers is its alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from complaint_llm.backends.type import BackendType
from complaint_llm.exceptions import PluginError
from complaint_llm.hookspecs import BACKEND_TYPES
from complaint_llm.host.digests import installed_path, module_file
from complaint_llm.host.drop_ins import DropIn
from complaint_llm.host.installed import EntryPoint
from complaint_llm.host.loader import OWN_DISTRIBUTION, PluginLoader
from complaint_llm.host.records import NO_HOOKS, PluginRecord
from complaint_llm.host.registry import PREFIX

Trial: TypeAlias = Callable[[str], None]
"""Is told the source and name of a plugin before it is loaded; raises PluginError where it must not be."""


def plugin_key(source: str, name: str) -> str:
    """By what a plugin is known while it is tried."""
    return f"{source} {name}"


def list_plugins(loader: PluginLoader, trial: Trial) -> Iterator[PluginRecord]:
    """A record of each; nothing that is wrong with one is raised. For the thread that holds the host's lock."""
    try:
        drop_ins = loader.drop_ins()
    except PluginError:
        drop_ins = []  # the config's fault, which is told where it is read
    for drop_in in drop_ins:
        _try_drop_in(loader, drop_in, trial)
    clashes = _clashes(loader, drop_ins)
    for drop_in in drop_ins:
        record = _drop_in_record(loader, drop_in)
        clash = clashes.get(record.source)
        yield record._replace(state="error", error=clash) if clash and record.error is None else record
    for point in loader.entry_points().all():
        yield _installed_record(loader, point, trial)
    for name, found in loader.registered().items():
        yield _registered_record(name, found)


def _try_drop_in(loader: PluginLoader, drop_in: DropIn, trial: Trial) -> None:
    if drop_in.is_loaded or loader.bar_reason(drop_in) is not None:
        return
    try:
        trial(plugin_key(str(drop_in.plugin.path), drop_in.name))
    except PluginError as error:
        drop_in.set_error(error)
        return
    loader.load(drop_in)


def _drop_in_record(loader: PluginLoader, drop_in: DropIn) -> PluginRecord:
    path = drop_in.plugin.path
    is_enabled = str(path) in loader.enabled or drop_in.name in loader.enable
    record = PluginRecord(
        name=drop_in.name,
        kind=drop_in.plugin.kind,
        source=str(path),
        file=str(path / "plugin.py" if drop_in.plugin.kind == "folder" else path),
        origin="PLUGINS.paths and PLUGINS.enable" if is_enabled else "PLUGINS.paths",
        hooks=tuple(sorted(hook.removeprefix(PREFIX) for hook in drop_in.provided.hooks)),
        note=drop_in.note,
    )
    try:
        record = record._replace(sha256=loader.digest(path))
    except PluginError as error:
        record = record._replace(state="error", error=str(error))
    barred = loader.bar_reason(drop_in)
    if barred is not None:
        return record._replace(state="blocked", error=barred)
    if drop_in.error is not None:
        return record._replace(state="error", error=drop_in.error)
    return _with_offers(loader, str(path), record, tuple(found.name for found in drop_in.types))


def _installed_record(loader: PluginLoader, point: EntryPoint, trial: Trial) -> PluginRecord:
    named = f"entry point {point.name}"
    record = PluginRecord(
        name=point.name,
        kind="entry point",
        source=point.owner,
        distribution=point.distribution,
        version=point.version,
        origin=f"{named} and PLUGINS.enable" if point.name in loader.enable else named,
    )
    try:
        path, file = installed_path(point.module), module_file(point.module)
        record = record._replace(file=None if file is None else str(file))
        record = record._replace(sha256=None if path is None else loader.digest(path))
        barred = loader.point_bar_reason(point)
        if barred is not None:
            return record._replace(state="blocked", error=barred)
        if point.distribution != OWN_DISTRIBUTION:
            trial(plugin_key(point.owner, point.name))
        loader.entry_points().get(point.name)
        found = loader.types_of(point)
        # What adds no type is named by PLUGINS.enable alone, and its entry point as its author likes.
        types = (loader.type_of(point).name,) if found else ()
    except PluginError as error:
        return record._replace(state="error", error=str(error))
    return _with_offers(loader, point.value, record, types)


def _with_offers(loader: PluginLoader, name: str, record: PluginRecord, types: tuple[str, ...]) -> PluginRecord:
    record = record._replace(types=types)
    if record.kind == "declared":
        return record
    hooks = loader.registry.hooks_of(name)
    record = record._replace(hooks=tuple(hook.removeprefix(PREFIX) for hook in hooks))
    if not hooks and not types:
        record = record._replace(note=NO_HOOKS)
    try:
        found = loader.registry.offers_of(name)
    except PluginError as error:
        return record._replace(state="error", error=str(error))
    return record._replace(offered_names={hook.removeprefix(PREFIX): names for hook, names in found.items() if names})


def _registered_record(name: str, found: BackendType) -> PluginRecord:
    module = str(getattr(found.make, "__module__", ""))
    return PluginRecord(name, "registered", module, types=(name,), origin="register_backend")


def _clashes(loader: PluginLoader, drop_ins: list[DropIn]) -> Mapping[str, str]:
    """By the path of a drop-in plugin: what it offers that another plugin offers too, in a line."""
    owners: dict[tuple[str, str], list[str]] = {}
    for drop_in in drop_ins:
        if drop_in.error is None and loader.bar_reason(drop_in) is None:
            for hook, names in drop_in.provided.names.items():
                for name in names:
                    owners.setdefault((hook, name), []).append(str(drop_in.plugin.path))
    found: dict[str, str] = {}
    for (hook, name), paths in owners.items():
        others: list[str] = []
        if hook == BACKEND_TYPES and name not in loader.block:
            point = next((each for each in loader.entry_points().all() if each.name == name), None)
            others = [point.owner] if point is not None and loader.point_bar_reason(point) is None else []
            others += ["register_backend"] if name in loader.registered() else []
        if len(paths) + len(others) > 1:
            text = f"{name!r} is offered twice, by {' and '.join([*paths, *others])}: block one, or rename it"
            found.update({path: text for path in paths if path not in found})
    return found
