"""From entries of GUARDS to guards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.chain import DEFAULT_TIMEOUT, GuardChain, GuardEntry
from complaint_llm.guards.guard import Guard

GuardFactory = Callable[..., Guard]
"""Makes a guard from the keys of its entry, beside those of every guard; one with a parameter ``folder`` is given the
folder of the config."""

OF_EVERY_GUARD = frozenset(("type", "name", "for", "timeout"))


def make_chain(
    given: Sequence[Guard | Mapping[str, Any]], find: Callable[[str], GuardFactory | None], folder: Path
) -> GuardChain | None:
    """The guards of a Mediator, in their order; None where there are none. Raises ConfigError, a line each."""
    entries: list[GuardEntry] = []
    problems: list[str] = []
    for place, each in enumerate(given):
        try:
            entry = GuardEntry(type(each).__name__, each) if isinstance(each, Guard) else _made(each, find, folder)
            if entry.name in [other.name for other in entries]:
                raise ConfigError(f"two guards are called {entry.name!r}: give each a name")
            entries.append(entry)
        except ConfigError as fault:
            problems += [f"/GUARDS/{place}: {line}" for line in fault.problems]
    if problems:
        raise ConfigError("\n".join(problems), problems)
    return GuardChain(entries) if entries else None


def _made(entry: Mapping[str, Any], find: Callable[[str], GuardFactory | None], folder: Path) -> GuardEntry:
    kind = entry.get("type")
    if not isinstance(kind, str):
        raise ConfigError('a guard has a "type"')
    factory = find(kind)
    if factory is None:
        raise ConfigError(f"no guard {kind!r}: a plugin that offers it is not there, or not in PLUGINS.enable")
    keys = {key: value for key, value in entry.items() if key not in OF_EVERY_GUARD}
    return GuardEntry(
        name=entry.get("name", kind),
        guard=_guard(kind, factory, keys, folder),
        scope=entry.get("for", "remote"),
        timeout=float(entry.get("timeout", DEFAULT_TIMEOUT)),
    )


def _guard(kind: str, factory: GuardFactory, keys: Mapping[str, Any], folder: Path) -> Guard:
    try:
        signature = inspect.signature(factory)
        known = {"folder": folder} if "folder" in signature.parameters else {}
        signature.bind(**{**known, **keys})
    except (TypeError, ValueError) as fault:
        raise ConfigError(f"guard {kind!r}: {fault}") from fault
    try:
        made = factory(**{**known, **keys})
    except ConfigError:
        raise
    except Exception as fault:
        raise ConfigError(f"guard {kind!r} could not be made: {type(fault).__name__}: {fault}") from fault
    if not isinstance(made, Guard):
        raise ConfigError(f"guard {kind!r}: its plugin makes a {type(made).__name__}, not a Guard")
    return made
