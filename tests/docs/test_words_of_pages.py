"""Links of the pages lead somewhere; commands, options, keys and variables that they name are the program's."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.cli.main import cli
from complaint_llm.config import composed_schema
from complaint_llm.host import PluginHost
from tests.docs.pages import ROOT, pages

if TYPE_CHECKING:
    import click

PAGES = [*pages(), ROOT / "docs" / "llms.txt"]
COMMANDS = dict(runpy.run_path(str(ROOT / "scripts" / "make_commands.py"))["commands"]())
LINK = re.compile(r"(?<!`)\[[^\]]*\]\((?!https?://|mailto:)([^)\s]+)\)")
PLACES = re.compile(r"^```.*?^```|`[^`\n]*`", re.S | re.M)
GENERATED = {"api.md", "commands.md", "providers.md"}
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges and the site make them."""
    lines = re.findall(r"^#{1,6} (.+)$", re.sub(r"^```.*?^```", "", text_of(page), flags=re.S | re.M), re.M)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line).lower() for line in lines]
    return {re.sub(r"[^\w\- ]", "", line).replace(" ", "-") for line in plain}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    """Below the root for llms.txt, beside the page for all others."""
    lost = []
    for link in LINK.findall(re.sub(r"^```.*?^```", "", text_of(page), flags=re.S | re.M)):
        path, _, anchor = link.partition("#")
        target = (ROOT if page.suffix == ".txt" else page.parent) / path if path else page
        # Those into tests name a test, which the test of the providers' page looks for.
        known = not anchor or target.suffix != ".md" or not target.exists() or anchor in anchors(target)
        if not target.exists() or not known:
            lost.append(link)
    assert lost == []


def test_the_site_has_the_groups_of_the_index() -> None:
    """Its table of contents has the headings of docs/index.md, each with its pages, and nothing is left over."""
    index = text_of(ROOT / "docs" / "index.md")
    made = runpy.run_path(str(ROOT / "docs" / "conf.py"))["contents"](index)
    groups = re.findall(r":caption: (.+)\n\n((?:.+\n)+)", made)
    assert [title for title, _ in groups] == re.findall(r"^## (.+)$", index, re.M)
    listed = [each for _, pages in groups for each in pages.split() if each != "```"]
    assert listed == [each.removesuffix(".md") for each in re.findall(r"^[*-] \[[^\]]+\]\(([^)]+)\)", index, re.M)]


def test_every_page_is_in_the_index() -> None:
    """A page that no heading of docs/index.md names is found by nobody."""
    listed = set(LINK.findall(text_of(ROOT / "docs" / "index.md")))
    every = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert every - listed - {"index.md"} == set()


def shown_commands(page: Path) -> Iterator[str]:
    """Each ``complaint-llm ...`` in code, up to the end of the command."""
    for place in PLACES.findall(text_of(page)):
        for found in re.findall(r"(?<![\w/-])complaint-llm ((?:[^`\n|;#\\]|\\\n)*)", place):
            yield " ".join(found.replace("\\\n", " ").split())


def command_of(line: str) -> tuple[str, click.Command] | None:
    """The longest command that the words begin with, after options of the program."""
    words = re.sub(r"^(?:-c \S+ |--debug )+", "", line + " ").split()
    for count in (2, 1):
        if (found := COMMANDS.get(" ".join(words[:count]))) is not None:
            return " ".join(words[:count]), found
    return None


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_their_options_exist(page: Path) -> None:
    """Of a line that begins with a command each ``--option`` is one of it."""
    wrong = []
    for line in shown_commands(page):
        words = re.sub(r"^(?:-c \S+ |--debug )+", "", line + " ").split()
        if not words or not re.fullmatch(r"[a-z][a-z-]+", words[0]):
            continue
        found = command_of(line)
        if found is None:
            wrong.append(line)
            continue
        known = {name for each in (*found[1].params, *cli.params) for name in (*each.opts, *each.secondary_opts)}
        bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", line)
        wrong += [f"{line}: {option}" for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", bare)
                  if option not in known | {"--help"}]  # fmt: skip
    own = {"twice", "my-command"}  # the commands of plugins that the pages on plugins show
    assert [each for each in wrong if each.split()[0].rstrip(":") not in own] == []


ELSEWHERE = {
    *("--require-hashes", "--no-deps", "--no-build-isolation", "--help", "--version", "--kind", "--upgrade"),
    *("--peers", "--signal"),
}
"""Options of pip, make, docker and the like."""


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_an_option_that_stands_alone_is_some_commands(page: Path) -> None:
    """``--max-cost`` in the text is an option that there is."""
    options = {name for command in (*COMMANDS.values(), cli) for each in command.params for name in each.opts}
    options |= {name for command in COMMANDS.values() for each in command.params for name in each.secondary_opts}
    text = text_of(page)
    if page.name == "coming-from-llm.md":
        text = re.sub(r"^(\|[^|\n]*\|)[^|\n]*\|", r"\1", text, flags=re.M)  # the column of llm's own options
    assert set(re.findall(r"`(--[a-z][a-z-]+)[^`\n]*`", text)) - options - ELSEWHERE == set()


def keys(schema: Any) -> Iterator[str]:
    """Every key of a schema's properties, at any depth."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties" and isinstance(value, dict):
                yield from value
            yield from keys(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from keys(each)


SECTIONS = {name: set(keys(part)) for name, part in composed_schema(PluginHost())["properties"].items()}
SOURCES = "\n".join(text_of(each) for each in (ROOT / "plugins").rglob("*.*") if each.suffix in (".py", ".yaml"))
VARIABLES = {
    name
    for each in [ROOT / "Makefile", *(ROOT / "complaint_llm").rglob("*.py"), *(ROOT / "tests").glob("*.py")]
    for name in re.findall(r"COMPLAINT_LLM_[A-Z_]+", text_of(each))
}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_keys_of_sections_exist(page: Path) -> None:
    """``MEDIATOR.timeout`` and ``"PLUGINS": {"allow": ...}`` in a text are keys of the config."""
    sections = SECTIONS
    named = re.findall(r"`\"?([A-Z]{3,})\"?(?:\.|\": \{\")(\w+)", text_of(page))
    assert [f"{section}.{key}" for section, key in named if section in sections and key not in sections[section]] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_variables_of_the_program_exist(page: Path) -> None:
    """``COMPLAINT_LLM_...`` stands somewhere in the source, the Makefile or the tests."""
    assert set(re.findall(r"COMPLAINT_LLM_[A-Z_]+", text_of(page).replace("\\_", "_"))) - VARIABLES == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_usual_variables_of_keys_are_those_of_the_types(page: Path) -> None:
    """``$OPENAI_API_KEY`` is a variable that a type reads, or stands in a config of the page."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.S | re.M)
    assert {name for name in re.findall(r"(?<![\w$])([A-Z]+_API_KEY)\b", prose) if name not in SOURCES} == set()


KEYS = {key for part in SECTIONS.values() for key in part} | {
    word
    for folder in ("complaint_llm", "plugins", "schemas")
    for suffix in ("py", "json", "yaml")
    for each in (ROOT / folder).rglob(f"*.{suffix}")
    for word in re.findall(r"[\"']?([a-z_]+)[\"']?:|[\"']([a-z_]+)[\"']", text_of(each))
    for word in word
}
"""What stands as a key in the program: of configs, lines of batches, answers and requests."""


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_keys_in_the_text_exist(page: Path) -> None:
    """``"timeout": 30`` in a sentence is a key of the program, or one that a block of the page has."""
    text = text_of(page)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    named = {key for code in re.findall(r"`([^`\n]+)`", prose) for key in re.findall(r"\"([a-z_]+)\"\s*:", code)}
    shown = set(re.findall(r"[a-z_]+", "".join(re.findall(r"^```.*?^```", text, re.S | re.M))))
    assert named - KEYS - shown == set()


def test_the_checks_find_what_is_wrong() -> None:
    """A misspelt command, option and key are seen."""
    assert command_of("genrate x") is None
    assert command_of("-c c.json evidence add x") == ("evidence add", COMMANDS["evidence add"])
    assert "timeot" not in SECTIONS["MEDIATOR"]
    assert "timeout" in SECTIONS["MEDIATOR"]
    assert {"timeout", "retention_days"} <= KEYS
    assert "retension_days" not in KEYS
