"""What docs/architecture.md says of the house is so: rooms, layers, words, and which files a change touches."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SCRIPT: Mapping[str, Any] = runpy.run_path(str(ROOT / "scripts" / "make_architecture.py"))
SOURCES = sorted([*(ROOT / "complaint_llm").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])


def section(title: str) -> str:
    """The text under a heading of the page."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.S | re.M)
    return str(found)


def who_imports(module: str) -> set[str]:
    """The files that name a module, by their paths in the tree."""
    own = ROOT / (module.replace(".", "/") + ".py")
    return {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path != own and re.search(rf"\b{re.escape(module)}\b", path.read_text(encoding="utf-8"))
    }


def change_of(what: str) -> str:
    """The last cell of the line that says how to add something."""
    (row,) = (line for line in section("How to add something").splitlines() if line.startswith(f"| {what}"))
    return row.split("|")[3].strip(" `")


def test_rooms_and_layers_are_those_of_the_tree() -> None:
    """Every module is named in its room, and the layers are those that lint checks."""
    assert SCRIPT["filled"](TEXT) == TEXT, "run: python scripts/make_architecture.py"


def test_every_room_says_what_it_is_for() -> None:
    assert [room for room, said, _ in SCRIPT["rooms"]() if len(said) < 15] == []


def test_the_glossary_has_at_most_twenty_words() -> None:
    assert 10 <= len(section("Words").split("·")) <= 20


@pytest.mark.parametrize("policy", ["breaker", "concurrency", "rate_limit"])
def test_a_policy_is_known_to_admission_alone(policy: str) -> None:
    """A further one is a file of its own and a line there; Redis' and the host's own uses of one apart."""
    known = who_imports(f"complaint_llm.routing.policies.{policy}")
    assert change_of("an admission policy") in known
    others = {path for path in known if not path.startswith("complaint_llm/routing/")}
    assert {path for path in others if "/client/" not in path and "assembly" not in path} == set()


@pytest.mark.rows(4)
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_is_known_to_the_app_alone(command: str) -> None:
    """Its module is named in the table of commands and nowhere outside of the command line."""
    module = COMMANDS[command][0].partition(":")[0]
    known = who_imports(module)
    assert change_of("a command") in known
    assert [path for path in known if not path.startswith("complaint_llm/cli/")] == []


def test_a_task_is_a_file_and_its_name_in_one_list() -> None:
    """No other code names the built-in tasks one by one."""
    names = [path.stem for path in (ROOT / "schemas" / "tasks").glob("*.json")]
    assert {"claims", "summary", "chronology"} <= set(names)
    listing = [path for path in SOURCES if all(f'"{name}"' in path.read_text(encoding="utf-8") for name in names)]
    assert [str(path.relative_to(ROOT)) for path in listing] == [change_of("a built-in task")]


def test_a_wire_is_known_to_its_own_folder_alone() -> None:
    """A provider's folder is named by the lists of setup.cfg; other providers may be like it, the host never."""
    for provider in ("anthropic", "google", "openrouter"):
        known = who_imports(f"complaint_llm_plugins.backends.{provider}")
        assert [path for path in known if path.startswith("complaint_llm/")] == []
        assert f"complaint_llm_plugins.backends.{provider}" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert "setup.cfg" in change_of("a provider with a wire of its own")


def test_every_file_that_a_change_touches_is_there() -> None:
    paths = re.findall(r"`((?:complaint_llm|plugins|schemas)/[^`]*|setup\.cfg)`", section("How to add something"))
    assert len(paths) >= 10
    assert [path for path in paths if not (ROOT / path.partition("NAME")[0]).exists()] == []
