"""``complaint-llm check`` says of each model whether it has ended or will."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from complaint_llm import prices
from complaint_llm.cli.main import cli

Check = Callable[..., dict[str, Any]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """The finding of one backend on a given day; exit code 0, for a warning stops nothing."""

    def checked(day: str = "2026-11-20", **keys: Any) -> dict[str, Any]:
        monkeypatch.setattr(prices, "today", lambda: day)
        entry = {"id": "one", "type": "openai", "api_key": "sk-of-nobody", **keys}
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"BACKENDS": [entry]}))
        done = CliRunner().invoke(cli, ["-c", str(config), "check", "--json"])
        assert done.exit_code == 0, done.output
        (finding,) = json.loads(done.stdout)
        assert isinstance(finding, dict)
        return finding

    return checked


@pytest.mark.parametrize(
    ("day", "note"),
    [
        ("2026-01-01", ""),
        ("2026-06-30", ""),
        ("2026-09-11", ""),
        ("2026-09-12", "ends on 2026-12-11: plan a successor"),
        ("2026-09-13", "ends on 2026-12-11: plan a successor"),
        ("2026-10-31", "ends on 2026-12-11: plan a successor"),
        ("2026-11-30", "ends on 2026-12-11: plan a successor"),
        ("2026-12-10", "ends on 2026-12-11: plan a successor"),
        ("2026-12-11", "RETIRED on 2026-12-11: choose another model"),
        ("2027-06-01", "RETIRED on 2026-12-11: choose another model"),
    ],
)
def test_the_day_decides_between_a_warning_and_an_end(day: str, note: str, check: Check) -> None:
    """Ninety days before it is named; from the day itself on the model is over."""
    assert check(day, model="gpt-5-mini")["note"] == note


@pytest.mark.parametrize(
    ("type", "model"),
    [
        ("openai", "gpt-4"),
        ("openai", "gpt-4-0613"),
        ("openai", "gpt-4-turbo"),
        ("openai", "gpt-3.5-turbo"),
        ("anthropic", "claude-3-opus-20240229"),
        ("anthropic", "claude-3-haiku-20240307"),
        ("claude", "claude-3-5-sonnet-latest"),
    ],
)
def test_the_models_of_older_guides_are_named_as_retired(type: str, model: str, check: Check) -> None:
    """Under dated names and through aliases of types too."""
    finding = check(type=type, model=model)
    assert finding["state"] == "ready"
    assert finding["note"].startswith("RETIRED on ")


@pytest.mark.parametrize(
    "keys",
    [
        {"model": "gpt-5.6-terra"},
        {"model": "nobody-knows-this-model"},
        {"model": "gpt-4", "base_url": "http://127.0.0.1:9/v1"},
        {"type": "lmstudio", "model": "gpt-4"},
    ],
    ids=["current", "unknown", "another address", "a local server"],
)
def test_nothing_is_said_of_what_is_not_known_to_end(keys: dict[str, Any], check: Check) -> None:
    """A name at another address is another model."""
    assert check(**keys)["note"] == ""


def test_the_table_for_people_has_the_warning_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --json."""
    monkeypatch.setattr(prices, "today", lambda: "2026-12-11")
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({"BACKENDS": [{"id": "one", "type": "openai", "api_key": "sk-of-nobody", "model": "gpt-5-mini"}]})
    )
    done = CliRunner().invoke(cli, ["-c", str(config), "check"])
    assert "RETIRED on 2026-12-11" in done.stdout


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"budget": 5}, "budget: 0.0000 of 5 dollars, feeds 8 of 8 workers with answers of 25151 tokens"),
        ({"budget": 5, "max_tokens": 1000}, "feeds 8 of 8 workers with answers of 1000 tokens"),
        ({"budget": 0.1, "max_tokens": 1000}, "feeds 2 of 8 workers with answers of 1000 tokens"),
        ({"budget": 0.1}, "feeds 2 of 8 workers with answers of 1024 tokens"),
        ({"budget": 0.001}, "feeds 0 of 8 workers"),
        ({"budget": {"day": 5, "month": 20}}, "0.0000 of 5 dollars today, 0.0000 of 20 dollars this month"),
        ({"budget": 5, "model": "of-nobody"}, "set pricing"),
        ({"budget": 5, "model": "of-nobody", "pricing": {"input": 1, "output": 1}}, "set max_tokens"),
        ({"budget": 5, "pricing": {"input": 0, "output": 0}}, "budget: 0.0000 of 5 dollars"),
        (
            {"budget": 5, "type": "anthropic", "model": "claude-opus-4-5"},
            "ends on 2027-01-22: plan a successor; budget",
        ),
    ],
)
def test_budgets_are_named_with_the_workers_that_they_feed(keys: dict[str, Any], says: str, check: Check) -> None:
    """Before a night finds out."""
    assert says in check("2026-11-27", **{"model": "gpt-5.6-terra", **keys})["note"]
