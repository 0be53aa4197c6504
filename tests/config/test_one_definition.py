"""A key is defined in one place: who adds one touches the definition and the code that honours it, and nothing else.

Each test makes such a patch in a copy of the tree, runs the script that writes what is generated, and looks from
outside: at a constructor, a config file, the schema, the documentation and the commands.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPTIONS, MOCK = "complaint_llm/backends/options.py", "complaint_llm/testing/mock.py"
SECTIONS, MEDIATOR = "schemas/config.schema.json", "complaint_llm/mediator.py"
LAST_KEY = '    verbose: Annotated[bool, config_key("Log bodies at DEBUG, secrets cut.")] = False\n'
LAST_ARGUMENT = '        id: str = "mediator",\n    ) -> None:\n'


class TreeCopy:
    """A copy of the tree in which programs run; ``patched`` are the files that a person would change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.patched: set[str] = set()
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("complaint_llm", "plugins", "schemas", "docs", "scripts"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        (folder / "complaint_llm" / "schemas").symlink_to(folder / "schemas")
        (folder / "complaint_llm_plugins").symlink_to(folder / "plugins")

    def patch(self, name: str, old: str, new: str) -> None:
        """Put ``new`` where ``old`` stands, once."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} has no one place for the patch"
        (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")
        self.patched.add(name)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Python with these arguments, importing the copy."""
        environ = {**os.environ, "PYTHONPATH": str(self.folder)}
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )

    def printed(self, *arguments: str) -> str:
        """What Python prints with these arguments, which must work."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line with the config of the copy."""
        return self.run("-m", "complaint_llm", "-c", "config.json", *arguments)

    def write_config(self, document: Mapping[str, Any]) -> None:
        """Write the config of the copy."""
        (self.folder / "config.json").write_text(json.dumps(document, indent=2), encoding="utf-8")

    def generate(self) -> None:
        """Run the script that writes the schema for editors and the tables of the documentation."""
        self.printed("scripts/make_reference.py")


@pytest.fixture
def tree(tmp_path: Path) -> TreeCopy:
    return TreeCopy(tmp_path)


PROGRAM = """
from complaint_llm.backends import MockBackend
from complaint_llm import Mediator
with MockBackend(id="a", echo=True, greeting={value!r}) as backend:
    print(backend.options.greeting, "|", backend.generate("there"), "|", end=" ")
with Mediator.from_config("config.json") as mediator:
    print(mediator.generate("there"))
"""


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("annotation", "rules", "value", "wrong", "written"),
    [
        ("str", "minLength=2", "hi", 5, {"type": "string", "minLength": 2, "default": "ho"}),
        ("int", 'minimum=3, aliases=("salute",)', 7, 1, {"type": "integer", "minimum": 3, "default": 5}),
    ],
)
def test_a_key_of_every_backend_is_added_in_two_files(
    tree: TreeCopy, annotation: str, rules: str, value: Any, wrong: Any, written: Mapping[str, Any]
) -> None:
    """Everything but the code that honours it knows it by its definition."""
    said = f'Annotated[{annotation}, config_key("A word before each answer.", {rules})]'
    greeting = f"    greeting: {said} = {written['default']!r}\n"
    tree.patch(OPTIONS, LAST_KEY, LAST_KEY + greeting)
    tree.patch(
        MOCK, "_echo_response(request, asked)\n", '_echo_response(request, f"{self.options.greeting} {asked}")\n'
    )
    assert tree.patched == {OPTIONS, MOCK}
    tree.generate()

    name = "salute" if "salute" in rules else "greeting"
    tree.write_config({"BACKENDS": [{"id": "a", "type": "mock", "echo": True, name: value}]})
    assert tree.printed("-c", PROGRAM.format(value=value)) == f"{value} | {value} there | {value} there"

    refused = tree.run("-c", f"from complaint_llm.backends import MockBackend\nMockBackend(id='a', greeting={wrong!r})")
    assert "ConfigError: mock: greeting: " in refused.stderr
    tree.write_config({"BACKENDS": [{"id": "a", "type": "mock", "echo": True, "greeting": wrong}]})
    assert "/BACKENDS/0/greeting: " in tree.command("check").stderr

    tree.write_config({"BACKENDS": [{"id": "a", "type": "mock", "echo": True}]})
    assert tree.command("config", "set", "a", "greeting", json.dumps(value)).returncode == 0
    assert json.loads((tree.folder / "config.json").read_text())["BACKENDS"][0]["greeting"] == value
    assert "greeting" in tree.command("config", "set", "--help").stdout
    known = {**written, "description": "A word before each answer."}
    assert json.loads((tree.folder / "schemas/backend.schema.json").read_text())["properties"]["greeting"] == known
    offered = json.loads(tree.command("schema").stdout)["$defs"]
    assert offered["mock"]["properties"]["greeting"] == {"$ref": "#/$defs/key:greeting"}
    shown = offered["key:greeting"]
    assert shown.items() >= {word: rule for word, rule in known.items() if word != "type"}.items()
    assert known["type"] in shown["type"]
    assert "| `greeting` | " in (tree.folder / "docs" / "configuration.md").read_text(encoding="utf-8")


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("annotation", "schema", "value", "wrong"),
    [("str | None", {"type": "string"}, "onwards", 5), ("int | None", {"type": "integer", "minimum": 3}, 7, 2)],
)
def test_a_key_of_the_mediator_is_added_in_two_files(
    tree: TreeCopy, annotation: str, schema: Mapping[str, Any], value: Any, wrong: Any
) -> None:
    """The schema of its section, and the argument that is honoured; a policy of its own would be the third."""
    first = '      "properties": {\n        "backends": {\n'
    rules = json.dumps({**schema, "description": "A word for the road."})
    tree.patch(SECTIONS, first, first.replace('"backends"', f'"motto": {rules},\n        "backends"'))
    tree.patch(MEDIATOR, LAST_ARGUMENT, f"        motto: {annotation} = None,\n{LAST_ARGUMENT}")
    tree.patch(
        MEDIATOR, "        check_settings(locals())\n", "        check_settings(locals())\n        self.motto = motto\n"
    )
    assert tree.patched == {SECTIONS, MEDIATOR}
    tree.generate()

    mock = {"BACKENDS": [{"id": "a", "type": "mock", "responses": ["x"]}]}
    tree.write_config({**mock, "MEDIATOR": {"motto": value}})
    program = (
        "from complaint_llm import Mediator\nfrom complaint_llm.backends import MockBackend\n"
        f"print(Mediator.from_config('config.json').motto, Mediator([MockBackend(id='a')], motto={value!r}).motto)"
    )
    assert tree.printed("-c", program) == f"{value} {value}"
    refused = tree.run("-c", program.replace(f"motto={value!r}", f"motto={wrong!r}"))
    assert "ConfigError: mediator: motto: " in refused.stderr
    tree.write_config({**mock, "MEDIATOR": {"motto": wrong}})
    assert "/MEDIATOR/motto: " in tree.command("check").stderr

    tree.write_config(mock)
    assert tree.command("config", "set", "MEDIATOR", "motto", json.dumps(value)).returncode == 0
    assert "motto" in tree.command("config", "set", "--help").stdout
    assert "motto" in json.loads(tree.command("schema").stdout)["properties"]["MEDIATOR"]["properties"]
    assert "| `motto` | " in (tree.folder / "docs" / "configuration.md").read_text(encoding="utf-8")
