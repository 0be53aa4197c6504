"""What an answer costs: every part at its own price, by the tier and the length that it had; else unknown."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm import prices
from complaint_llm.messages import ModelInfo, Price, TokenUsage

DAY = "2026-11-27"
INFO = ModelInfo(
    "m",
    "p",
    input_price=2.0,
    output_price=10.0,
    cached_input_price=0.2,
    cache_write_price=2.5,
    cache_write_1h_price=4.0,
    other_prices=(
        Price(4.0, 15.0, 0.4, 5.0, 8.0, above=1000),
        Price(1.0, 5.0, 0.1, 1.25, None, service_tier="flex"),
        Price(2.0, 7.5, 0.2, 2.5, None, above=1000, service_tier="flex"),
    ),
)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (TokenUsage(100, 10, 110), 300e-6),
        (TokenUsage(100, 10, 110, cached_tokens=50), 210e-6),
        (TokenUsage(100, 10, 110, cache_write_tokens=100), 350e-6),
        (TokenUsage(100, 10, 110, cached_tokens=40, cache_write_tokens=60), 258e-6),
        (TokenUsage(100, 10, 110, cache_write_tokens=100, cache_write_1h_tokens=40), 410e-6),
        (TokenUsage(100, 10, 110, cache_write_tokens=100, cache_write_1h_tokens=100), 500e-6),
        (TokenUsage(1000, 10, 1010), 2100e-6),
        (TokenUsage(1001, 10, 1011), 4154e-6),
        (TokenUsage(2000, 10, 2010, cached_tokens=1000, cache_write_tokens=500), 5050e-6),
        (TokenUsage(100, 10, 110, service_tier="flex"), 150e-6),
        (TokenUsage(1001, 10, 1011, service_tier="flex"), 2077e-6),
        (TokenUsage(100, 10, 110, service_tier="flex", cache_write_tokens=100, cache_write_1h_tokens=1), None),
        (TokenUsage(100, 10, 110, service_tier="priority"), None),
        (TokenUsage(100, 10, 110, unpriced="a search"), None),
        (TokenUsage(100, 10, 110, cached_tokens=101), None),
        (TokenUsage(100, 10, 110, cached_tokens=60, cache_write_tokens=60), None),
        (TokenUsage(100, 10, 110, cache_write_tokens=10, cache_write_1h_tokens=20), None),
        (TokenUsage(100, 10, 110, cache_write_1h_tokens=20), None),
    ],
)
def test_each_part_of_a_usage_has_its_price(usage: TokenUsage, dollars: float | None) -> None:
    """Reads, writes, one hour, prompts of more than a thousand tokens, a tier; parts that exceed the whole are odd."""
    found = INFO.calculate_cost(usage)
    assert found == (None if dollars is None else pytest.approx(dollars, abs=1e-12))


@given(
    parts=st.tuples(*[st.integers(0, 10**6)] * 5),
    cents=st.tuples(*[st.integers(0, 10**5)] * 5),
)
def test_the_cost_is_the_exact_sum_rounded_once(parts: Any, cents: Any) -> None:
    """To a billionth of a cent, against fractions."""
    fresh, cached, short, hour, out = parts
    told = [cent / 100 for cent in cents]
    info = ModelInfo(
        "m",
        "p",
        input_price=told[0],
        cached_input_price=told[1],
        cache_write_price=told[2],
        cache_write_1h_price=told[3],
        output_price=told[4],
    )
    prompt = fresh + cached + short + hour
    usage = TokenUsage(prompt, out, prompt + out, cached, cache_write_tokens=short + hour, cache_write_1h_tokens=hour)
    exact = sum(Fraction(cent, 100) * part for cent, part in zip(cents, parts, strict=True)) / 10**6
    assert info.calculate_cost(usage) == pytest.approx(float(exact), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("missing", ["input_price", "output_price", "cache_write_price", "cache_write_1h_price"])
def test_a_price_that_is_needed_and_not_there_makes_the_cost_unknown(missing: str) -> None:
    """And one that is not needed does not."""
    usage = TokenUsage(100, 10, 110, cache_write_tokens=50, cache_write_1h_tokens=20)
    assert INFO._replace(**{missing: None}).calculate_cost(usage) is None
    if "cache" in missing:
        assert INFO._replace(**{missing: None}).calculate_cost(TokenUsage(100, 10, 110)) == pytest.approx(300e-6)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars"),
    [
        ("openai", "gpt-5.6-terra", TokenUsage(10_000, 10, 10_010, 0, cache_write_tokens=10_000), 0.02512),
        ("openai", "gpt-5.6-terra", TokenUsage(272_000, 0, 272_000), 0.544),
        ("openai", "gpt-5.6-terra", TokenUsage(272_001, 0, 272_001), 1.088004),
        ("openai", "gpt-5.6-terra", TokenUsage(1000, 1000, 2000, service_tier="flex"), 0.007),
        ("openai", "gpt-5.6-terra", TokenUsage(1000, 1000, 2000, service_tier="priority"), 0.028),
        ("openai", "gpt-5.6-terra", TokenUsage(1000, 1000, 2000, service_tier="batch"), 0.007),
        ("openai", "gpt-5.6-terra", TokenUsage(1000, 1000, 2000, service_tier="scale"), None),
        ("anthropic", "claude-sonnet-5-5", TokenUsage(1000, 0, 1000, cache_write_tokens=1000), 0.0025),
        (
            "anthropic",
            "claude-sonnet-5-5",
            TokenUsage(1000, 0, 1000, cache_write_tokens=1000, cache_write_1h_tokens=1000),
            0.004,
        ),
        ("anthropic", "claude-sonnet-5-5", TokenUsage(1000, 0, 1000, cached_tokens=1000), 0.0001),
        ("anthropic", "claude-opus-4-8", TokenUsage(1000, 1000, 2000, service_tier="fast"), 0.06),
        ("anthropic", "claude-sonnet-5-5", TokenUsage(1000, 1000, 2000, service_tier="priority"), None),
        ("google", "gemini-3.1-pro-preview", TokenUsage(200_001, 0, 200_001), 0.800004),
        ("perplexity", "sonar-pro", TokenUsage(1000, 1000, 2000), None),
    ],
)
def test_the_list_has_writes_steps_and_tiers(
    provider: str, model: str, usage: TokenUsage, dollars: float | None
) -> None:
    """Against the providers' published prices; a price with a fee for each request is unknown."""
    info = prices.model_facts(provider, model, DAY)
    assert info is not None
    assert info.calculate_cost(usage) == (None if dollars is None else pytest.approx(dollars, abs=1e-9))


@pytest.mark.parametrize(
    ("provider", "model", "most"),
    [
        ("openai", "gpt-5.6-terra", 128_000),
        ("openai", "gpt-4o-2024-08-06", 16_384),
        ("anthropic", "claude-sonnet-5-5", 128_000),
        ("anthropic", "claude-sonnet-4-5-20250929", 64_000),
        ("google", "gemini-3.1-pro-preview", 65_536),
        ("openai", "of-nobody", None),
    ],
)
def test_the_longest_answer_of_a_model_is_known(provider: str, model: str, most: int | None) -> None:
    """From a dated list, under dated names too."""
    info = prices.model_facts(provider, model, DAY)
    assert (None if info is None else info.max_output_tokens) == most


@pytest.mark.parametrize(
    ("provider", "model", "day"),
    [
        ("anthropic", "claude-sonnet-4-5", "2026-11-30"),
        ("anthropic", "claude-sonnet-4-5-20250929", "2026-11-30"),
        ("anthropic", "claude-opus-4-5", "2027-01-22"),
        ("anthropic", "claude-mythos-preview-20260601", "2026-06-30"),
        ("openai", "gpt-5.1-codex", "2026-07-23"),
        ("openai", "gpt-5-mini-2025-08-07", "2026-12-11"),
        ("openai", "gpt-4o-mini", "2027-01-14"),
        ("openai", "o3", "2026-12-11"),
        ("openai", "GPT-4", "2026-10-23"),
        ("google", "gemini-2.5-pro", "2026-12-01"),
        ("deepseek", "deepseek-chat", "2026-07-24"),
        ("cerebras", "llama-3.3-70b", "2026-02-16"),
        ("anthropic", "claude-sonnet-5-5", None),
        ("openai", "gpt-5.6-terra", None),
    ],
)
def test_the_day_on_which_a_model_ends(provider: str, model: str, day: str | None) -> None:
    """From the SDKs' lists and a published one."""
    info = prices.model_facts(provider, model, DAY)
    assert info is not None
    assert info.retires == day
