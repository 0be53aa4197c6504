"""What we hand out names no model that has ended, or ends within 90 days of the day on which the data was read."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import prices

ROOT = Path(__file__).parents[2]
DATA: dict[str, Any] = json.loads((Path(prices.__file__).parent / "data" / "retirements.json").read_text("utf-8"))
LIMIT = (date.fromisoformat(DATA["as_of"]) + timedelta(days=90)).isoformat()

FIRST_HAND = ("openai", "anthropic", "google", "x-ai", "mistral", "deepseek", "perplexity", "moonshotai", "zai")
"""Providers whose models' names mean the same model in any document; a host's day concerns that host alone."""

PROVIDERS = {
    "openai": "openai",
    "codex": "openai",
    "anthropic": "anthropic",
    "claude_cli": "anthropic",
    "google": "google",
    "xai": "x-ai",
    "cerebras": "cerebras",
    "openrouter": "openrouter",
}
"""Types whose models are those of one provider of the price list."""

PAGES = [
    *(ROOT / name for name in ("README.md", "config.example.json")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(path for path in (ROOT / "examples").rglob("*") if path.is_file() and path.suffix not in (".docx", ".pdf")),
    *sorted((ROOT / "plugins").rglob("example.json")),
    *sorted((ROOT / "plugins" / "backends" / "declared").rglob("*.yaml")),
    *sorted((ROOT / "schemas").glob("*.json")),
]


def ending() -> re.Pattern[str]:
    """The names of models that end by the limit, with a date behind them or not."""
    names = {
        name
        for provider in FIRST_HAND
        for name, told in DATA["models"].get(provider, {}).items()
        if told["day"] <= LIMIT
    }
    assert len(names) > 50
    choice = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![\w./-])(?:{choice})(?:-\d{{8}}|-\d{{4}}-\d\d-\d\d)?(?![\w-]|\.\d)")


def checked_lines(path: Path) -> list[str]:
    """The lines of a page but for the tables of docs/guides.md, which show the guides' own calls."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if not (path.name == "guides.md" and line.startswith("|"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_or_example_names_a_model_that_ends(path: Path) -> None:
    """Somebody who copies it would have to change it within weeks."""
    found = [match[0] for line in checked_lines(path) for match in ending().finditer(line)]
    assert not found, f"{path.relative_to(ROOT)} names {', '.join(found)}: choose models that do not end by {LIMIT}"


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("example.json")), ids=lambda path: path.parent.name)
def test_no_example_of_a_type_names_a_model_that_its_provider_ends(path: Path) -> None:
    """By the list of the very provider, hosts of others' models included."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    provider = PROVIDERS.get(entry["type"])
    if provider is None or "model" not in entry:
        return
    facts = prices.model_facts(provider, entry["model"], DATA["as_of"])
    assert facts is None or facts.retires is None or facts.retires > LIMIT


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('"model": "claude-sonnet-4-5"', True),
        ("`gpt-4o-mini-2024-07-18`", True),
        ("gpt-5.1-codex, for one", True),
        ("use o3-mini.", True),
        ("claude-sonnet-4-5-20250929", True),
        ("gemini-2.5-pro", True),
        ("claude-sonnet-5-5", False),
        ("gpt-5.6-terra", False),
        ("openai/gpt-oss-20b", False),
        ("my-gpt-4-notes", False),
        ("gpt-4.5-of-nobody", False),
        ("docs/o1.md", False),
    ],
)
def test_names_are_found_whole(text: str, named: bool) -> None:
    """With dates behind them, and not inside other words."""
    assert (ending().search(text) is not None) is named


def test_each_day_has_its_source() -> None:
    """A day, who said it, and when that was read."""
    for models in DATA["models"].values():
        for told in models.values():
            assert set(told) == {"day", "source", "as_of"}
            assert date.fromisoformat(told["day"])
            assert date.fromisoformat(told["as_of"]) <= date.fromisoformat(DATA["as_of"])
            assert told["source"]
