"""What ``check --connect`` tries beside backends: guards, plugins, and the tasks that plugins offer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.host.trial import try_plugins

if TYPE_CHECKING:
    from complaint_llm.config import Config

PROBE = "complaint-llm check"
"""The text that guards are shown."""


def part_faults(config: Config) -> list[str]:
    """A line for each that does not work. Nothing leaves this machine."""
    return [*_guard_faults(config), *_plugin_faults(config), *_task_faults(config)]


def _guard_faults(config: Config) -> Iterator[str]:
    """Each guard is shown a text by itself, as it is by a call: one that cannot begin refuses every call."""
    # cold start: guards
    from complaint_llm.config.listed import guard_chain
    from complaint_llm.guards.guard import GuardRequest
    from complaint_llm.messages import Message

    for place, entry in enumerate(config.guards):
        try:
            chain = guard_chain([entry], config.path.absolute().parent, config.host)
            if chain is None:
                continue
            try:
                chain.for_call().before("remote", GuardRequest(messages=(Message("user", PROBE),)))
            finally:
                chain.close()
        except ComplaintLLMError as fault:
            yield f"GUARDS/{place}: {fault}"


def _plugin_faults(config: Config) -> Iterator[str]:
    try:
        records = try_plugins(config.host)
    except ComplaintLLMError as fault:
        yield f"PLUGINS: {fault}"
        return
    for record in records:
        if record.state == "error":
            yield f"plugin {record.name} ({record.source}): {record.error}"


def _task_faults(config: Config) -> Iterator[str]:
    for id in config.host.offer_names("complaint_llm_tasks"):
        try:
            config.find_task(id)
        except ComplaintLLMError as fault:
            yield f"task {id!r}: {fault}"
        except Exception as fault:  # noqa: BLE001 - whatever a plugin's own data makes of it is that plugin's fault
            yield f"task {id!r}: {type(fault).__name__}: {fault}"
