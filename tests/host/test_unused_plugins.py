"""What a config does not name costs a start next to nothing: it is neither imported nor parsed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from complaint_llm.host.source_names import may_hold_name, read_provided_names
from tests.host.test_plugin_host import install, plugin_text

PROGRAM = """
import ast, json, sys
sys.path.insert(0, "site")
parsed = []
parse = ast.parse
ast.parse = lambda *given, **more: parsed.append(1) or parse(*given, **more)
from complaint_llm import Mediator
with Mediator.from_config("config.json") as mediator:
    answer = mediator.generate("hello")
imported = [name for name in sys.modules if name.startswith(("acme", "complaint_llm_drop_in_"))]
print(json.dumps([answer, len(parsed), imported]))
"""
SLOW = "import time\ntime.sleep(600)\n"


def loaded(here: Path, *, plugins: dict[str, list[str]] | None = None) -> tuple[str, int, list[str]]:
    """The answer of a fresh process, how many sources it parsed, and the plugins that it imported."""
    config = {"PLUGINS": plugins or {}, "BACKENDS": [{"id": "a", "type": "mock", "echo": True}]}
    (here / "config.json").write_text(json.dumps(config))
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=here, capture_output=True, text=True, check=True)
    answer, parsed, imported = json.loads(done.stdout)
    return answer, parsed, imported


def test_forty_installed_plugins_are_not_imported(tmp_path: Path) -> None:
    """Two of them are broken, one hangs: nobody named them."""
    (tmp_path / "site").mkdir()
    for number in range(40):
        text = {3: "1 / 0\n", 7: "def (:\n", 11: SLOW}.get(number, plugin_text(f"type{number}"))
        install(tmp_path / "site", f"acme-{number}", f"acme_{number}", text, f"type{number}")
    assert loaded(tmp_path) == ("hello", 0, [])


def test_forty_dropped_in_plugins_are_not_imported_nor_parsed(tmp_path: Path) -> None:
    """Nor is one whose import takes minutes."""
    (tmp_path / "plugins").mkdir(mode=0o755)
    for number in range(40):
        text = {3: "1 / 0\n", 7: "def (:\n", 11: SLOW}.get(number, plugin_text(f"type{number}"))
        (tmp_path / "plugins" / f"acme{number}.py").write_text(text)
    assert loaded(tmp_path, plugins={"paths": ["plugins"]}) == ("hello", 0, [])


def test_what_plugins_enable_names_is_imported(tmp_path: Path) -> None:
    """And nothing beside it."""
    (tmp_path / "plugins").mkdir(mode=0o755)
    for name in ("acme1", "acme2"):
        (tmp_path / "plugins" / f"{name}.py").write_text(plugin_text(name))
    _, _, imported = loaded(tmp_path, plugins={"paths": ["plugins"], "enable": ["acme2"]})
    assert [name.rpartition("_")[2] for name in imported] == ["acme2"]


@pytest.mark.parametrize(
    "literal",
    [
        "'toy'",
        '"toy"',
        "'''toy'''",
        "'t' 'oy'",
        "'t' \"oy\"",
        "'t' 'o' 'y'",
        "('t'\n   'oy')",
        "('t'  # a word\n   'oy')",
        "'t\\\noy'",
        "'t' \\\n 'oy'",
        "r't' r'oy'",
        "'\\x74oy'",
        "'\\164oy'",
        "'\\u0074oy'",
        "'\\N{LATIN SMALL LETTER T}oy'",
    ],
)
def test_a_name_is_seen_however_its_literal_is_written(literal: str) -> None:
    """A source that is not parsed offers nothing of that name."""
    source = (
        "from complaint_llm import hookimpl\nclass S: ...\n"
        f"@hookimpl\ndef complaint_llm_strategies():\n    return {{{literal}: S}}\n"
    ).encode()
    assert read_provided_names(source).of("complaint_llm_strategies") == {"toy"}
    assert may_hold_name(source, "toy")


@pytest.mark.parametrize("source", [b"", b"tooy", b"t oy", b"'t', 'oy'", b"t = oy", b"'t' + 'oy'", b"yot " * 1000])
def test_a_source_in_which_a_name_does_not_stand_is_passed_over(source: bytes) -> None:
    """Else every one of them would be parsed."""
    assert not may_hold_name(source, "toy")


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("@click.command()\ndef tidy(): ...", ["tidy"]),
        ("@click.command('clean-up')\ndef tidy(): ...", ["clean-up"]),
        ("@click.command(name='clean-up')\ndef tidy(): ...", ["clean-up"]),
        ("@command()\ndef tidy_all(): ...", ["tidy-all"]),
        ("@click.group()\ndef tidy(): ...", ["tidy"]),
        ("@click.command()\n@click.option('--x')\ndef tidy(): ...", ["tidy"]),
        ("@click.command(help='command')\ndef tidy(): ...", ["tidy"]),
    ],
)
def test_the_names_of_commands_are_read_from_their_marks(source: str, names: list[str]) -> None:
    """As click makes them."""
    function = source.rpartition("def ")[2].partition("(")[0]
    hook = f"@hookimpl\ndef complaint_llm_commands():\n    return [{function}]\n"
    found = read_provided_names(f"import click\n{source}\n{hook}".encode())
    assert sorted(found.of("complaint_llm_commands")) == names
    assert not found.unsure


@pytest.mark.parametrize(
    "source",
    [
        "@click.command(NAME)\ndef tidy(): ...",
        "@click.command()\ndef tidy_command(): ...",
        "def tidy(): ...",
        "tidy = click.Command('tidy')",
        "from other import tidy",
    ],
)
def test_commands_whose_names_are_not_written_make_a_plugin_unsure(source: str) -> None:
    """It is imported only for a name that nobody else has."""
    function = "tidy_command" if "tidy_command" in source else "tidy"
    hook = f"@hookimpl\ndef complaint_llm_commands():\n    return [{function}]\n"
    assert read_provided_names(f"import click\n{source}\n{hook}".encode()).unsure
