"""The generated pages are what the program says today, and leave nothing public out."""

from __future__ import annotations

import inspect
import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.cli.main import COMMANDS
from complaint_llm.config import composed_schema
from complaint_llm.host import PluginHost

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS: Mapping[str, Mapping[str, Any]] = {
    name: runpy.run_path(str(ROOT / "scripts" / f"make_{name}.py")) for name in ("api", "commands", "llms")
}
API = SCRIPTS["api"]
ENTRIES: list[tuple[str, str, Any]] = list(API["documented"]())
IMPORT = re.compile(r"^ *from (complaint_llm[\w.]*) import (.+)$", re.M)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def words(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_generated_page_is_as_it_is_made(name: str) -> None:
    """An option, a name or a page that is added, changed or removed shows."""
    script = SCRIPTS[name]
    assert words(script["DOCUMENT"]) == script["text"](), f"run: {script['COMMAND']}"


@pytest.mark.parametrize("module", API["MODULES"])
def test_no_public_name_is_left_out(module: str) -> None:
    """Each has a heading of its own below some module."""
    headings = set(re.findall(r"^### (\w+)$", words(API["DOCUMENT"]), re.M))
    values = {id(value): name for _, name, value in ENTRIES}
    found = __import__(module, fromlist=["_"])
    names = getattr(found, "__all__", API["public_names"](module))
    objects = {name: getattr(found, name) for name in names if not inspect.ismodule(getattr(found, name))}
    assert {name for name, value in objects.items() if values.get(id(value)) not in headings} == set()


@pytest.mark.parametrize(("module", "name", "value"), ENTRIES, ids=lambda each: each if isinstance(each, str) else "-")
def test_a_public_name_and_its_methods_say_what_they_are_for(module: str, name: str, value: Any) -> None:
    """A class or function without a docstring, and a method without one, are named."""
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return
    assert API["meaning"](value), f"{module}.{name} has no docstring"
    if inspect.isclass(value):
        others = {each for _, _, each in ENTRIES if inspect.isclass(each)} - {value}
        silent = [member for member, inner, _ in API["members"](value, others) if not API["meaning"](inner)]
        assert silent == []


def test_what_pages_import_is_public() -> None:
    """No example takes a name that begins with an underscore, or from a module that does."""
    private = re.compile(r"(^|[\s.,(])_[a-z]")
    for page in PAGES:
        assert [found[0] for found in IMPORT.finditer(words(page)) if private.search(found[0])] == [], page.name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_in_the_reference_with_an_example(name: str) -> None:
    """And all that is below it."""
    page = words(SCRIPTS["commands"]["DOCUMENT"])
    for words_of_it, _ in SCRIPTS["commands"]["commands"]():
        assert re.search(rf"^###? {re.escape(words_of_it)}$", page, re.M)
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert f"complaint-llm {name}" in re.sub(r"`complaint-llm [^`]*`", "", section, count=1)


def keys_of(schema: Any) -> set[str]:
    """The keys that a section of the config takes, one level deep; of a list, those of its entries of every type."""
    if "items" in schema:
        return keys_of(schema["items"])
    parts = [each for word in ("allOf", "anyOf", "oneOf") for each in schema.get(word, ())]
    return {*schema.get("properties", {})}.union(*(keys_of(each) for each in parts))


@pytest.mark.rows(4)
@pytest.mark.parametrize("section", [name for name in composed_schema(PluginHost())["properties"] if name[0] != "$"])
def test_each_key_of_a_section_stands_on_the_page_of_the_config(section: str) -> None:
    """The composed schema is what is asked: a section that is added is looked for, too."""
    page = words(ROOT / "docs" / "configuration.md")
    assert f"| `{section}` |" in page
    part = composed_schema(PluginHost())["properties"][section]
    assert [key for key in sorted(keys_of(part)) if f"`{key}`" not in page] == []


@pytest.mark.parametrize("kind", [*PluginHost().backend_types()], ids=lambda kind: kind.name)
def test_each_key_of_a_type_stands_there(kind: Any) -> None:
    """The keys that only this type has, too."""
    page = words(ROOT / "docs" / "configuration.md")
    own = (kind.own_schema() or {}).get("properties", {})
    assert [key for key in own if f"`{key}`" not in page] == []
