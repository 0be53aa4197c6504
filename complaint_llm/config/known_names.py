"""The names that a config may use where it names something else: ids, tasks, checks, strategies, plugins."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.checks.answer_checks import BUILT_IN as BUILT_IN_CHECKS
from complaint_llm.checks.answer_checks import SCHEMA
from complaint_llm.config.plugin_tasks import CHECKS, TASKS
from complaint_llm.routing.strategies import STRATEGIES
from complaint_llm.tasks.load import built_in_task
from complaint_llm.tasks.names import BUILT_IN

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType
    from complaint_llm.host import PluginHost

STRATEGY_HOOK = "complaint_llm_strategies"


class KnownNames(NamedTuple):
    """Names with a line of what each is, which may be empty."""

    backends: Mapping[str, str]
    members: Mapping[str, str]
    """What a composed backend that takes entries may name: backends, and types with the composed backend's model."""
    tasks: Mapping[str, str]
    checks: Mapping[str, str]
    strategies: Mapping[str, str]
    plugins: Mapping[str, str]

    def of(self, kind: str) -> Mapping[str, str]:
        """The names of one kind; none of a kind that nobody knows."""
        found: Mapping[str, str] = self._asdict().get(kind, {})
        return found


def known_names(host: PluginHost, types: Iterable[BackendType], document: Any) -> KnownNames:
    """The names that there are for a config, as far as its document can be read. Drop-in plugins were loaded before."""
    said = document if isinstance(document, Mapping) else {}
    declared = {id: _line(entry) for id, entry in _entries(said.get("BACKENDS"))}
    tasks = {id: str(built_in_task(id).get("title", "")) for id in BUILT_IN}
    tasks |= dict.fromkeys(host.offer_names(TASKS), "")
    tasks |= {id: str(entry.get("title", "")) for id, entry in _entries(said.get("TASKS"))}
    checks = {SCHEMA: "The answer fits its JSON Schema."}
    checks |= {name: _first_line(check) for name, check in BUILT_IN_CHECKS.items()}
    checks |= dict.fromkeys(host.offer_names(CHECKS), "")
    strategies = {name: _first_line(strategy) for name, strategy in STRATEGIES.items()}
    strategies |= dict.fromkeys(host.offer_names(STRATEGY_HOOK), "")
    return KnownNames(
        backends=declared,
        members={**declared, **{type.name: type.summary for type in types if not type.parts}},
        tasks=tasks,
        checks=checks,
        strategies=strategies,
        plugins={record.name: record.source for record in host.plugins()},
    )


def _entries(listed: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("id"), str) and entry["id"]:
            yield entry["id"], entry


def _line(entry: Mapping[str, Any]) -> str:
    """An entry in a few words, of which none can be a secret."""
    return " ".join(entry[key] for key in ("type", "model") if isinstance(entry.get(key), str))


def _first_line(thing: Any) -> str:
    return next(iter((inspect.getdoc(thing) or "").splitlines()), "")
