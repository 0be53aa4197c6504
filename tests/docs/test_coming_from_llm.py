"""The table for those who come from ``llm`` names each command and option of the installed ``llm``, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from complaint_llm.cli.main import cli
from complaint_llm.config import composed_schema
from complaint_llm.host import PluginHost
from tests.cli.every_command import COMMANDS
from tests.peers import need_peer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coming-from-llm.md"
LATER = {"chat", "init", "logs", "models"}


def rows() -> Iterator[tuple[list[str], list[str], str]]:
    """Commands, options and what is said of them."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            commands, options, ours = re.split(r"(?<!\\)\|", line)[1:4]
            yield re.findall("`([^`]+)`", commands), re.findall("`([^`]+)`", options), ours.strip()


def commands_of_llm() -> Iterator[tuple[str, click.Command]]:
    need_peer("llm")

    def below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield path, command
        for name, each in getattr(command, "commands", {}).items():
            yield from below(f"{path} {name}".removeprefix("llm "), each)

    yield from below("llm", import_module("llm.cli").cli)


def test_the_table_names_every_command_and_option() -> None:
    said: dict[str, set[str]] = {}
    for commands, options, ours in rows():
        assert ours, commands
        for command in commands:
            said.setdefault(command, set()).update(options)
    there = {
        name: {max(param.opts, key=len) for param in command.params if isinstance(param, click.Option)} - {"--help"}
        for name, command in commands_of_llm()
    }
    # Commands of plugins that happen to be installed beside it are no part of llm.
    assert {
        name: options - said.get(name, set()) for name, options in there.items() if not options <= said.get(name, set())
    } == {}
    assert set(there) - set(said) == set()
    everything = set().union(*there.values())
    stale = {name: options - everything for name, options in said.items() if options - everything}
    assert (stale, set(said) - set(there)) == ({}, set())


def test_it_is_about_the_version_that_it_names() -> None:
    """A newer one may have more: then this table is to be looked at again."""
    need_peer("llm")
    named = re.search(r"`llm` (\d+\.\d+)", PAGE.read_text(encoding="utf-8"))
    assert named is not None
    assert version("llm").startswith(named[1])


def test_what_it_says_of_ours_is_there() -> None:
    """Commands of this program by their names."""
    known = {name.split()[0] for name in COMMANDS} | LATER
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"complaint-llm ([a-z][a-z-]+)", text))
    assert named
    assert named <= known


OURS = {name: cli.get_command(click.Context(cli), name) for name in cli.list_commands(click.Context(cli))}


def options_of(command: click.Command | None) -> set[str]:
    """All of it and of what is below it, long and short."""
    assert command is not None
    own = {
        name
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }
    return own.union(*(options_of(each) for each in getattr(command, "commands", {}).values()))


@pytest.mark.parametrize(("theirs", "ours"), [("prompt", "generate"), ("chat", "chat")])
def test_what_is_the_same_has_the_same_name(theirs: str, ours: str) -> None:
    """A user of ``llm`` types it as before."""
    same = {
        option
        for commands, options, said in rows()
        if theirs in commands and re.match("the same", said)
        for option in options
    }
    assert same
    assert same - options_of(OURS[ours]) == set()


@pytest.mark.parametrize("said", [said for _, _, said in rows()], ids=lambda said: said[:40])
def test_each_option_of_ours_is_one(said: str) -> None:
    """Of the command that stands before it, or of one that asks."""
    for code in re.findall("`([^`]+)`", said):
        words = [word for word in re.findall(r"[^\s\[\]\"]+", code.replace("complaint-llm ", "")) if "$" not in word]
        command = OURS.get(words[0]) if words else None
        given = {word for word in words if re.fullmatch("--?[a-z][a-z-]*", word)}
        if code.startswith(("pip", "cat")) or given == {"--version"}:
            continue
        known = options_of(command) if command else options_of(OURS["generate"]) | options_of(OURS["chat"])
        assert given - known == set(), code


@pytest.mark.parametrize("key", ["custom_headers", "api", "base_url", "embedding_model", "api_key"])
def test_each_key_of_a_backend_that_it_names_is_one(key: str) -> None:
    """As the schema of config files has it."""
    assert re.search(f"`{key}[`:]", PAGE.read_text(encoding="utf-8"))
    assert f'"{key}"' in json.dumps(composed_schema(PluginHost(), {}))


@pytest.mark.parametrize("line", ["| `a` | `--b` | c |", "| `a`, `d e` | | c \\| d |"])
def test_rows_are_read_as_they_stand(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.md").write_text(line + "\n", encoding="utf-8")
    monkeypatch.setattr("tests.docs.test_coming_from_llm.PAGE", tmp_path / "page.md")
    assert [row[0][0] for row in rows()] == ["a"]
    assert next(rows())[2].startswith("c")
