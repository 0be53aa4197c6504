"""The names of commands, for shells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from complaint_llm.cli.completion.written import read_config

if TYPE_CHECKING:
    from complaint_llm.cli.app import App


def command_names(app: App, built_in: Mapping[str, tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """Built-in commands with their lines, then those of plugins."""
    lines = {name: line for name, (_, line) in built_in.items()}
    if not incomplete.startswith("-") and read_config(app).get("PLUGINS"):
        from complaint_llm.cli.plugin_commands import find_commands  # cold start: plugins

        found = find_commands(app, built_in)
        lines |= {name: command.get_short_help_str(80) for name, command in found.commands.items()}
    return [CompletionItem(name, help=line) for name, line in lines.items() if name.startswith(incomplete)]
