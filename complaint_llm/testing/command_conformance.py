"""What every command of a plugin must do, as a pytest class: subclass it and name the plugin.

>>> class TestMine(CommandConformance):
...     plugin = "my_package.plugin"
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import chdir
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import click
from click.testing import CliRunner, Result

from complaint_llm.testing.offer_conformance import OfferConformance

CONFIG = '{"BACKENDS": [{"id": "offline", "type": "mock", "echo": true}]}'


class CommandConformance(OfferConformance):
    """The suite. ``arguments`` are those of a call that succeeds and writes ``prints``; it is made in an empty folder,
    beside a config with one backend that echoes."""

    hook = "complaint_llm_commands"
    arguments: ClassVar[Sequence[str]] = ()
    prints: ClassVar[str] = ""

    def offers_by_name(self) -> Mapping[str, Any]:
        """The commands by their names."""
        function = getattr(import_module(self.plugin), self.hook, None)
        assert function is not None, f"{self.plugin} has no function {self.hook}"
        found = function()
        assert isinstance(found, (list, tuple)), f"{self.hook} gives a {type(found).__name__}, no list"
        return {str(getattr(each, "name", None)): each for each in found}

    def invoke(self, *arguments: str) -> Result:
        """Run the command as the program does."""
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            Path("config.json").write_text(CONFIG, encoding="utf-8")
            return CliRunner().invoke(self.offer(), list(arguments), obj=_program().App())

    def test_it_is_a_command(self) -> None:
        """Of click, under a name in small letters."""
        assert isinstance(self.offer(), click.Command), f"a {type(self.offer()).__name__} is no click.Command"
        name = self.offer_name()
        assert name == name.lower(), f"{name!r} has capital letters"
        assert " " not in name, f"{name!r} has blanks"

    def test_it_stands_in_for_no_other(self) -> None:
        """The commands of the program keep their names."""
        assert self.offer_name() not in _program().COMMANDS, f"{self.offer_name()!r} is a command of the program"

    def test_it_has_a_line_of_help(self) -> None:
        """The overview shows it, and ``--help`` more."""
        assert self.offer().get_short_help_str().strip(), "no docstring: the overview has nothing to show"
        done = self.invoke("--help")
        assert done.exit_code == 0
        assert "Usage:" in done.output

    def test_an_unknown_option_is_a_fault_of_usage(self) -> None:
        """Exit code 2, as everywhere."""
        assert self.invoke("--no-such-option").exit_code == 2

    def test_it_does_its_work(self) -> None:
        """With the arguments that are given here: exit code 0 and the words that are expected."""
        done = self.invoke(*self.arguments)
        assert done.exit_code == 0, f"exit code {done.exit_code}: {done.output}{done.exception or ''}"
        assert self.prints in done.output, f"{self.prints!r} is not in {done.output!r}"


def _program() -> Any:
    # By name: the command line stands above the suites.
    return import_module("complaint_llm.cli.main")
