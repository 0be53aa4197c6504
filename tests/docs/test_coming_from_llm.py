"""The table for those who come from ``llm`` names each command and option of the installed ``llm``, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click
import pytest

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


@pytest.mark.parametrize("line", ["| `a` | `--b` | c |", "| `a`, `d e` | | c \\| d |"])
def test_rows_are_read_as_they_stand(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.md").write_text(line + "\n", encoding="utf-8")
    monkeypatch.setattr("tests.docs.test_coming_from_llm.PAGE", tmp_path / "page.md")
    assert [row[0][0] for row in rows()] == ["a"]
    assert next(rows())[2].startswith("c")
