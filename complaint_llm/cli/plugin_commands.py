"""Commands that plugins bring: found by name, run as the built-in ones are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.exceptions import ComplaintLLMError, ConfigError

if TYPE_CHECKING:
    import click

    from complaint_llm.cli.app import App

HOOK = "complaint_llm_commands"


class FoundCommands(NamedTuple):
    """The commands of plugins by name, and a line for each that cannot be used, by the name that it would have."""

    commands: Mapping[str, click.Command]
    faults: Mapping[str, str]


class LookUp(NamedTuple):
    """What is known of one name: ``command``, or the ``names`` that there are, and a word on why it may be missing."""

    command: click.Command | None
    names: Sequence[str] = ()
    word: str = ""


def find_command(app: App, name: str) -> LookUp:
    """The command of this name, if a plugin offers one. Raises PluginError for a plugin that is broken."""
    if app.find_config() is None:
        return LookUp(None)
    try:
        host = app.open_host()
    except ConfigError as error:
        return LookUp(None, word=f" (those of plugins are not known: {error.problems[0]})")
    command: click.Command | None = host.offer(HOOK, name)
    if command is not None:
        return LookUp(command)
    faults = host.load_faults()
    return LookUp(None, host.offer_names(HOOK), f" (not loaded: {faults[0]})" if faults else "")


def find_commands(app: App, built_in: Mapping[str, object]) -> FoundCommands:
    """All of them but those that have the name of a built-in one."""
    commands: dict[str, click.Command] = {}
    faults: dict[str, str] = {}
    if app.find_config() is None:
        return FoundCommands(commands, faults)
    try:
        host = app.open_host()
        names = host.offer_names(HOOK)
    except ComplaintLLMError as error:
        return FoundCommands(commands, {"(plugins)": first_line(error)})
    for name in names:
        if name in built_in:
            continue
        try:
            found = host.offer(HOOK, name)
        except ComplaintLLMError as error:
            faults[name] = first_line(error)
        else:
            if found is not None:
                commands[name] = found
    return FoundCommands(commands, faults)


def first_line(error: BaseException) -> str:
    """What is shown of an error where there is room for one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)
