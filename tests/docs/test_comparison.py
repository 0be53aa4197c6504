"""docs/comparison.md says of others only what was run, and where we are behind."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from complaint_llm import Mediator
from complaint_llm.host import PluginHost

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
LINES = [line for line in PAGE.splitlines() if line.startswith("| ")][2:]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in LINES]
FEWER = ("providers", "models with known prices")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_claim_of_another_names_version_command_and_day(row: list[str]) -> None:
    """"NAME VERSION: what; `command`, day" for each of them."""
    claims = re.split(r"(?<=\d{4}-\d\d-\d\d)\. ", row[2])
    claim = re.compile(r"[\w-]+ \d+\.\d+(\.\d+)?: [^;]+; `[^`]+`, \d{4}-\d\d-\d\d")
    assert [each for each in claims if not claim.fullmatch(each)] == []


def test_at_least_three_rows_show_us_behind() -> None:
    """They come first, and say no, none or less."""
    behind = [row for row in ROWS if re.match(r"(no|none)\b", row[1]) or row[0] in FEWER]
    assert len(behind) >= 3
    assert behind[:3] == ROWS[:3]


def test_our_own_number_of_types_is_todays() -> None:
    [providers] = [row for row in ROWS if row[0] == "providers"]
    assert providers[1].startswith(f"{len([*PluginHost().backend_types()])} types")


def test_our_own_number_of_prices_is_todays() -> None:
    [models] = [row for row in ROWS if row[0] == "models with known prices"]
    lists = (ROOT / "complaint_llm" / "data" / "prices").glob("*.json")
    count = sum(len(json.loads(each.read_text(encoding="utf-8"))) for each in lists if each.name != "index.json")
    assert models[1] == f"{count:,} entries"


def test_what_we_say_that_we_have_not_is_not_there() -> None:
    """A row that shows us behind goes once it is no longer so."""
    behind = {row[0]: row[1] for row in ROWS if re.match(r"(no|none)\b", row[1])}
    assert behind.keys() == {"async methods", "making images, transcribing audio", "a loop that calls tools by itself"}
    names = [name for name in dir(Mediator) if not name.startswith("_")]
    assert [name for name in names if inspect.iscoroutinefunction(getattr(Mediator, name))] == []
    assert [name for name in names if re.search(r"image|audio|speech|transcri|agent|loop", name)] == []
