"""Prices by provider address and model; unknown is None."""

import json
import re
from pathlib import Path

import pytest

from complaint_llm import prices

DAY = "2026-11-20"
DATA = Path(prices.__file__).parent / "data" / "prices"


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.anthropic.com", "anthropic"),
        ("https://generativelanguage.googleapis.com", "google"),
        ("https://api.x.ai/v1", "x-ai"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("http://127.0.0.1:1234/v1", None),
        ("https://proxy.example.org/v1", None),
    ],
)
def test_a_provider_is_known_by_its_address(url: str, provider: str | None) -> None:
    """A proxy or a local server has no list price."""
    assert prices.provider_of(url) == provider


def test_a_known_model_has_prices_and_a_context_window() -> None:
    """Dated names of a model are the model."""
    facts = prices.model_facts("openai", "gpt-5-mini-2025-08-07", DAY)
    assert facts is not None
    assert (facts.input_price, facts.output_price, facts.cached_input_price) == (0.25, 2.0, 0.025)
    assert facts.context_window == 400_000
    assert facts.retires == "2026-12-11"


def test_an_unknown_model_is_none() -> None:
    """Neither a guess nor zero."""
    assert prices.model_facts("openai", "gpt-99-imaginary", DAY) is None
    assert prices.model_facts("nobody", "gpt-4", DAY) is None


def test_dated_prices_change_on_their_day() -> None:
    """A price that begins later does not hold before."""
    before = prices.model_facts("google", "gemini-3.8-flash", "2026-12-31")
    after = prices.model_facts("google", "gemini-3.8-flash", "2027-01-01")
    assert before is not None
    assert after is not None
    assert (before.input_price, after.input_price) == (0.75, 1.5)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_every_file_of_the_snapshot_reads(path: Path) -> None:
    """Each model's rule is one that the reader knows, each price a number above or at zero."""
    if path.stem == "index":
        assert prices.price_list().made <= prices.today()
        return
    for entry in json.loads(path.read_text(encoding="utf-8")):
        prices.model_facts(path.stem, entry["id"], DAY)
        assert all(price["input"] >= 0 for price in entry["prices"])


def slow_provider(url: str) -> str | None:
    """The first whose pattern matches, each looked at as a whole."""
    found = prices.price_list().providers.items()
    return next((provider for provider, pattern in found if re.match(pattern, url)), None)


@pytest.mark.parametrize("provider", sorted(json.loads((DATA / "index.json").read_text())["providers"]))
def test_every_address_of_the_list_is_found_as_its_pattern_says(provider: str) -> None:
    """With what stands behind it, and with one letter more or less in it."""
    pattern = prices.price_list().providers[provider]
    plain = re.sub(r"\(\?:([^|()]*)[^()]*\)|\([^()]*\)[?]|\\", r"\1", pattern).replace("$", "")
    for url in (plain, f"{plain}/v1", plain[:-1], f"x{plain}", plain.upper(), plain.replace(".", "-"), f"{plain}x.org"):
        assert prices.provider_of(url) == slow_provider(url), url


SHAPES = (
    *("https://a\\.b|https://c", "https?://a", "https://a\\.b(?:/|$)", "https://a\\.b(?:/|$)?", "(?:https://a|x)"),
    *("https://[ab]\\.c", "https://a\\(b|c\\)", "https://a.b", "https://a\\.b{2}", "https://a\\.b(?:x)|y", "", "https://a+"),
)


@pytest.mark.parametrize("pattern", SHAPES)
def test_a_pattern_of_any_shape_is_read_as_it_is_written(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = prices.price_list()._replace(providers={"one": pattern})
    monkeypatch.setattr(prices, "price_list", lambda: listed)
    urls = ("https://a.b", "https://a.b/v1", "https://c", "http://a", "https://a(b", "c)", "https://a-b", "https://a.bb")
    for url in (*urls, "y", "https://b.c", "https://a", "x", "", "https://aa"):
        assert prices.provider_of.__wrapped__(url) == slow_provider(url), url
