"""setup.cfg's lists of packages and entry points, and the stubs for checkers, are what the tree and the plugins say."""

from __future__ import annotations

import configparser
import runpy
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOTS = {"complaint_llm": "complaint_llm", "schemas": "complaint_llm.schemas", "plugins": "complaint_llm_plugins"}


def read_setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    return parser


SETUP = read_setup()


def lines(section: str, key: str) -> list[str]:
    return [line for line in SETUP.get(section, key).splitlines() if line.strip()]


def entry_points(group: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in lines("options.entry_points", group) if not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def package_folders() -> dict[str, Path]:
    """Every folder that holds Python, under the name by which it is installed."""
    found: dict[str, Path] = {}
    for folder, package in ROOTS.items():
        for init in (ROOT / folder).rglob("*.py"):
            below = init.parent.relative_to(ROOT / folder).parts
            found[".".join((package, *below))] = init.parent
    return found


def test_the_lists_are_what_the_script_writes() -> None:
    """A plugin is a folder: nobody has to remember the lists that follow from it."""
    written = runpy.run_path(str(ROOT / "scripts" / "make_plugin_lists.py"))["written"]()
    stale = [str(path.relative_to(ROOT)) for path, text in written.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "python scripts/make_plugin_lists.py"


def test_every_folder_with_python_is_installed() -> None:
    """A folder that is left out of the list is dropped from the wheel without a word."""
    assert sorted(package_folders()) == sorted(lines("options", "packages"))


def test_every_package_has_an_init() -> None:
    """Mapped roots are found only as regular packages."""
    assert [name for name, folder in package_folders().items() if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize(("name", "module"), sorted(entry_points("complaint_llm").items()))
def test_a_type_is_offered_by_the_plugin_that_its_entry_point_names(name: str, module: str) -> None:
    """A type or alias that a config names resolves to a plugin which really offers it."""
    plugin = import_module(module)
    offered = {known for each in plugin.complaint_llm_backend_types() for known in (each.name, *each.aliases)}
    assert name in offered


@pytest.mark.parametrize(("name", "place"), sorted(entry_points("complaint_llm.classes").items()))
def test_a_class_name_leads_to_its_class(name: str, place: str) -> None:
    """``from complaint_llm.backends import NAME`` finds the class that setup.cfg names."""
    module, _, attribute = place.partition(":")
    assert getattr(import_module(module), attribute).__name__ == name


def test_every_offered_type_has_an_entry_point() -> None:
    """A type without an entry point exists in the source and cannot be named by a config."""
    named = set(entry_points("complaint_llm"))
    offered = {
        known
        for module in set(entry_points("complaint_llm").values())
        for each in import_module(module).complaint_llm_backend_types()
        for known in (each.name, *each.aliases)
    }
    assert offered - named == set()


def test_the_command_leads_to_a_function() -> None:
    """The console script names something that can be called."""
    module, _, attribute = entry_points("console_scripts")["complaint-llm"].partition(":")
    assert callable(getattr(import_module(module), attribute))
