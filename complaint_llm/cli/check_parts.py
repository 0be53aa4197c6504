"""What ``check`` says beside backends: guards, observers, the strategy, kept files, plugins and their tasks that do not
work. Each is tried by itself, so that no fault hides another, or the backends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.assembly import block_store_factory, choose_strategy
from complaint_llm.cli.kept_files import kept_file_faults
from complaint_llm.config.listed import GUARDS, OBSERVERS, Listed, each_listed, guard_entry
from complaint_llm.evidence.ipfs.node import IpfsNode
from complaint_llm.exceptions import ComplaintLLMError, ConfigError
from complaint_llm.guards.chain import GuardChain
from complaint_llm.guards.guard import Guard, GuardRequest
from complaint_llm.host.trial import try_plugins
from complaint_llm.messages import Message
from complaint_llm.observers.observer import Observer

if TYPE_CHECKING:
    from complaint_llm.config import Config

PROBE = "complaint-llm check"
"""The text that guards are shown."""


class PartFault(NamedTuple):
    """A line on what does not work, and the exit code that it makes: 2 where the config is wrong, else 1."""

    line: str
    code: int

    @classmethod
    def each_of(cls, error: ComplaintLLMError) -> list[PartFault]:
        """Those of an error."""
        if isinstance(error, ConfigError):
            return [cls(line, 2) for line in error.problems]
        return [cls(str(error), 1)]


def part_faults(config: Config, connect: bool) -> list[PartFault]:
    """What cannot be made; with ``connect`` also what does not work. Nothing leaves this machine."""
    found = [*_strategy_faults(config), *_guard_faults(config, connect), *_observer_faults(config)]
    found += _evidence_faults(config)
    found += [PartFault(line, 1) for line in config.lines(*kept_file_faults(config))]
    return [*found, *_plugin_faults(config), *_task_faults(config)] if connect else found


def _strategy_faults(config: Config) -> Sequence[PartFault]:
    try:
        with config.at("MEDIATOR", "strategy"):
            choose_strategy(config.mediator.get("strategy", "fallback"), config.host)
    except ComplaintLLMError as fault:
        return PartFault.each_of(fault)
    return ()


def _guard_faults(config: Config, connect: bool) -> Iterator[PartFault]:
    """With ``connect`` each guard is shown a text by itself, as it is by a call: one that cannot begin refuses every
    call."""
    for each in each_listed(GUARDS, config.guards, Guard, config.path.absolute().parent, config.host):
        if each.made is None:
            yield from _unmade(config, each)
            continue
        chain = GuardChain([guard_entry(each.name, each.made, each.entry)])
        try:
            if connect:
                chain.for_call().before("remote", GuardRequest(messages=(Message("user", PROBE),)))
        except ComplaintLLMError as fault:
            yield from (PartFault(line, 1) for line in config.lines((each.place, str(fault))))
        finally:
            _close(chain)


def _observer_faults(config: Config) -> Iterator[PartFault]:
    for each in each_listed(OBSERVERS, config.observers, Observer, config.path.absolute().parent, config.host):
        if each.made is None:
            yield from _unmade(config, each)
        else:
            _close(each.made)


def _unmade(config: Config, each: Listed[Any]) -> Iterator[PartFault]:
    for line in config.lines(*each.problems):
        yield PartFault(line, 2 if isinstance(each.fault, ConfigError) else 1)


def _close(part: GuardChain | Observer) -> None:
    with suppress(Exception):  # nothing was asked of it
        part.close()


def _evidence_faults(config: Config) -> Iterator[PartFault]:
    """An IPFS node beyond this machine that nobody agreed to, and a store of blocks that nobody offers."""
    settings = config.evidence
    private = config.mediator.get("privacy") == "local"
    try:
        with config.at("EVIDENCE"):
            if settings.get("ipfs_api"):
                IpfsNode(settings["ipfs_api"], public=settings.get("ipfs_public", False), local_only=private)
            if isinstance(settings.get("blocks"), str):
                block_store_factory(settings["blocks"], config.host)
    except ComplaintLLMError as fault:
        yield from PartFault.each_of(fault)


def _plugin_faults(config: Config) -> Iterator[PartFault]:
    try:
        records = try_plugins(config.host)
    except ComplaintLLMError as fault:
        yield PartFault(f"PLUGINS: {fault}", 1)
        return
    for record in records:
        if record.state == "error":
            yield PartFault(f"plugin {record.name} ({record.source}): {record.error}", 1)


def _task_faults(config: Config) -> Iterator[PartFault]:
    for id in config.host.offer_names("complaint_llm_tasks"):
        try:
            config.find_task(id)
        except ComplaintLLMError as fault:
            yield PartFault(f"task {id!r}: {fault}", 1)
        except Exception as fault:  # noqa: BLE001 - whatever a plugin's own data makes of it is that plugin's fault
            yield PartFault(f"task {id!r}: {type(fault).__name__}: {fault}", 1)
