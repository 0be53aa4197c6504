"""Writes docs/commands.md, the reference of the command line: ``python scripts/make_commands.py``.

Every command with its options, as ``--help`` has them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from complaint_llm.cli.main import COMMANDS, SHARED, cli

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "commands.md"
COMMAND = "python scripts/make_commands.py"
HEAD = f"""# Commands

Every command and option. Made by `{COMMAND}` from what `--help` says.

Results go to stdout, everything else to stderr. With a terminal nothing more is needed; without one nothing asks.

| exit code | what it says |
| ---: | --- |
| 0 | everything was done |
| 1 | some or all of the job failed |
| 2 | the usage or the config is wrong; nothing was done |
| 130 | interrupted by Ctrl-C |

Understood before and after each command:
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every built-in command by its words, such as "evidence add", groups before what is in them."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if command is not None:
            yield from _with_below(name, command)


def _with_below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from _with_below(f"{name} {below.name}", below)


def examples(command: click.Command, context: click.Context) -> list[str]:
    """The example lines of a command's help."""
    lines = command.get_help(context).splitlines()
    return [found[1] for line in lines if (found := re.match(r"\s*(?:Examples?: )?(complaint-llm .*)", line))]


def _about(command: click.Command) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").replace("\b\n", "").split("\n\n"):
        lines = [line for line in paragraph.splitlines() if not re.match(r"(Examples?:( |$)| *complaint-llm )", line)]
        if lines:
            yield _plain(" ".join(" ".join(lines).split()))
            yield ""


def _plain(text: str) -> str:
    parts = re.split(r"(``?[^`]+``?)", text)
    return "".join(each if each.startswith("`") else re.sub(r"([\[\]<>*_{}])", r"\\\1", each) for each in parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _options(parameters: Iterator[click.Parameter] | list[click.Parameter], context: click.Context) -> Iterator[str]:
    records = [each.get_help_record(context) for each in parameters]
    rows = [record for record in records if record is not None and record[1]]
    if rows:
        yield "| option | meaning |"
        yield "| --- | --- |"
        yield from (f"| `{_cell(option)}` | {_cell(_plain(' '.join(said.split())))} |" for option, said in rows)
        yield ""


def text() -> str:
    """The whole page."""
    context = click.Context(cli, info_name="complaint-llm")
    lines = [HEAD, *_options(list(SHARED), context)]
    for name, command in commands():
        inner = click.Context(command, info_name=name, terminal_width=10_000, max_content_width=10_000)
        usage = " ".join(command.collect_usage_pieces(inner))
        lines += [f"{'##' if ' ' not in name else '###'} {name}", "", f"`complaint-llm {name} {usage}`", ""]
        lines += _about(command)
        if found := examples(command, inner):
            lines += ["```text", *found, "```", ""]
        lines += _options([each for each in command.params if each not in SHARED], inner)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def main() -> None:
    DOCUMENT.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
