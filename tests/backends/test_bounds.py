"""The bound of a request's price is an upper bound, whatever is in the request; what has none says what to do."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import (
    AnthropicBackend,
    ClaudeCLIBackend,
    CodexBackend,
    CopilotCLIBackend,
    GoogleBackend,
    OpenAIBackend,
)
from complaint_llm.backends.bounds import most_tokens
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.messages import Message, Tool, ToolCall
from complaint_llm.request import EmbeddingRequest, as_response_format
from complaint_llm.routing.policies.bound import Bound
from tests.wire_messages import ask

GPT = OpenAIBackend(api_key="k", model="gpt-5.6-terra", base_url="https://api.openai.com/v1")
CLAUDE = AnthropicBackend(api_key="k", model="claude-sonnet-5-5")
PRICED = OpenAIBackend(api_key="k", model="m", base_url="http://127.0.0.1:9/v1", pricing={"input": 1e6, "output": 1e6})
"""A dollar a token; what is written to a cache at most a quarter more."""


def prompt_tokens(**fields: Any) -> float:
    """The most tokens that the bound takes the prompt for."""
    prompt = fields.pop("prompt", "x")
    bound = PRICED.cost_bound(ask(prompt, params={"max_tokens": 10}, **fields))
    assert bound.unknown is None
    return bound.prompt / 1.25


@given(st.text(max_size=200))
def test_a_text_has_at_most_as_many_tokens_as_bytes_in_its_longer_form(text: str) -> None:
    """Before NFKC and after it."""
    whole = most_tokens(text)
    assert whole >= len(text.encode("utf-8", "surrogatepass"))
    assert whole >= len(unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("abc", 3),
        ("ä", 2),
        ("世界", 6),
        ("\ufdfa", 33),
        ("\u3300", 12),
        ("ﬁ", 3),
        ("\U0001f600", 4),
        ("½", 5),
        ("e\u0301", 3),
        ("\ud800", 3),
        ("a" * 10_000, 10_000),
    ],
    ids=ascii,
)
def test_the_tokens_of_a_text(text: str, tokens: int) -> None:
    """One ligature may become eighteen letters."""
    assert most_tokens(text) == tokens


@pytest.mark.parametrize(
    ("fields", "longer"),
    [
        ({"prompt": "y" * 100}, 99),
        ({"prompt": [{"role": "system", "content": "s" * 50}, {"role": "user", "content": "x"}]}, 50),
        ({"prompt": [Message("user", "x")] * 5}, 4),
        ({"tools": (Tool("f", "d" * 300),)}, 300 + 1024),
        ({"tools": tuple(Tool(f"f{i}", "d" * 100) for i in range(9))}, 900 + 1024),
        ({"response_format": as_response_format({"type": "object", "description": "d" * 200})}, 400),
        ({"extra_body": {"user": "u" * 80}}, 80),
        ({"prompt": [Message("assistant", "", (ToolCall("i", "f", None, "a" * 70),)), Message("user", "x")]}, 70),
        ({"prompt": [Message("assistant", "x", extra={"p": ["e" * 90]}), Message("user", "x")]}, 90),
        ({"prompt": [Message("user", "x", name="n" * 60)]}, 60),
        ({"prompt": [Message("tool", "r" * 40, tool_call_id="t" * 60), Message("user", "x")]}, 100),
    ],
)
def test_everything_that_is_sent_is_counted(fields: dict[str, Any], longer: int) -> None:
    """Frames, tools, schemas, names, ids, arguments, state of providers."""
    assert prompt_tokens(**fields) >= prompt_tokens() + longer


def test_the_system_text_and_extra_body_of_the_config_count() -> None:
    """The call does not show them."""
    keys: dict[str, Any] = {"model": "m", "api_key": "k", "pricing": {"input": 1e6, "output": 0}, "max_tokens": 1}
    bare = OpenAIBackend(**keys).cost_bound(ask("x", model=None)).prompt
    system = OpenAIBackend(**keys, system="s" * 500).cost_bound(ask("x", model=None)).prompt
    extra = OpenAIBackend(**keys, extra_body={"user": "u" * 500}).cost_bound(ask("x", model=None)).prompt
    assert min(system, extra) >= bare + 500


@pytest.mark.parametrize(
    ("params", "extra_body", "answer"),
    [
        ({"max_tokens": 7}, {}, 7),
        ({"max_tokens": 7}, {"max_completion_tokens": 90}, 90),
        ({}, {"max_tokens": 90}, 90),
        ({}, {"max_output_tokens": 80}, 80),
        ({}, {"generationConfig": {"maxOutputTokens": 70}}, 70),
        ({"max_tokens": 100}, {"max_tokens": 5}, 100),
        ({"max_tokens": 1, "thinking_budget": 50}, {}, 1),
    ],
)
def test_the_answer_is_what_is_sent_as_its_maximum(params: Any, extra_body: Any, answer: int) -> None:
    """By whichever name; of two the greater."""
    bound = PRICED.cost_bound(ask(params=params, extra_body=extra_body))
    assert (bound.answer, bound.chosen) == (answer, True)


@pytest.mark.parametrize(
    ("backend", "model", "answer"),
    [
        (GPT, "gpt-5.6-terra", 128_000),
        (GPT, "gpt-4o", 16_384),
        (CLAUDE, "claude-sonnet-5-5", 128_000),
        (CLAUDE, "claude-haiku-4-5", 64_000),
    ],
)
def test_without_a_maximum_the_models_longest_answer_counts_and_a_shorter_one_may_be_sent(
    backend: Any, model: str, answer: int
) -> None:
    """From the list of models."""
    bound = backend.cost_bound(ask(model=model))
    assert (bound.answer, bound.chosen, bound.unknown) == (answer, False, None)


def test_what_a_service_puts_in_place_of_a_maximum_is_its_bound() -> None:
    """Anthropic's wire needs one, so a model that no list has gets the one that is sent."""
    backend = AnthropicBackend(api_key="k", model="m", base_url="http://127.0.0.1:9", pricing={"input": 1, "output": 1})
    sent = backend.encode(ask()).body
    assert sent is not None
    assert backend.cost_bound(ask()).answer == sent["max_tokens"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"prompt": [{"role": "user", "content": [{"type": "image", "data": b"x"}]}]}, "images"),
        ({"prompt": [{"role": "user", "content": [{"type": "image", "url": "http://h/i.png"}]}]}, "images"),
        ({"extra_body": {"tools": [{"type": "web_search"}]}}, "tools of the provider"),
        ({"extra_body": {"x": [{"type": "document", "source": {"data": "JVBE"}}]}}, "a file in extra_body"),
        ({"extra_body": {"x": [{"type": "file", "file": {"filename": "a.pdf"}}]}}, "a file in extra_body"),
        ({"extra_body": {"x": [{"type": "file", "file": {"file_data": "JVBE"}}]}}, "file_data"),
        ({"extra_body": {"x": {"y": [{"type": "input_file", "file_url": "https://a"}]}}}, "file_url"),
        ({"extra_body": {"x": [{"type": "document_url", "document_url": "data:,"}]}}, "document_url"),
        ({"extra_body": {"x": [{"type": "input_file"}]}}, "a file in extra_body"),
        ({"extra_body": {"x": [{"type": "image", "source": {"type": "url"}}]}}, "a file in extra_body"),
        ({"extra_body": {"contents": [{"parts": [{"inline_data": {"data": "JVBE"}}]}]}}, "inline_data"),
        ({"extra_body": {"contents": [{"parts": [{"inlineData": {"data": "JVBE"}}]}]}}, "inlineData"),
        ({"extra_body": {"contents": [{"parts": [{"fileData": {"fileUri": "x"}}]}]}}, "fileData"),
        ({"extra_body": {"x": [{"type": "container_upload", "id": "f"}]}}, "a file in extra_body"),
        ({"extra_body": {"tools": [{"googleSearch": {}}]}}, "tools of the provider"),
        ({"extra_body": {"tools": [{"type": "code_interpreter"}]}}, "tools of the provider"),
        ({"extra_body": {"web_search_options": {"size": "high"}}}, "web_search_options"),
        ({"extra_body": {"plugins": [{"id": "web"}]}}, "plugins"),
        ({"extra_body": {"search_parameters": {"mode": "on"}}}, "search_parameters"),
        ({"extra_body": {"n": 3}}, "'n'"),
        ({"extra_body": {"generationConfig": {"candidateCount": 2}}}, "candidateCount"),
        ({"extra_body": {"previous_response_id": "r"}}, "previous_response_id"),
        ({"extra_body": {"conversation": "c"}}, "conversation"),
        ({"extra_body": {"cachedContent": "c"}}, "cachedContent"),
        ({"extra_body": {"modalities": ["audio"]}}, "modalities"),
        ({"extra_body": {"max_tokens": None}}, "maximum"),
        ({"extra_body": {"service_tier": "scale"}}, "service tier 'scale'"),
        ({"model": "of-nobody"}, "price"),
    ],
)
def test_what_has_no_bound_says_so_and_what_to_do(fields: dict[str, Any], says: str) -> None:
    """Images, the provider's tools, stored content, several answers, unknown tiers and prices."""
    prompt = fields.pop("prompt", "x")
    bound = GPT.cost_bound(ask(prompt, **{"model": "gpt-5.6-terra", "params": {"max_tokens": 10}, **fields}))
    assert bound.unknown is not None
    assert says in bound.unknown
    assert any(word in bound.unknown for word in ("set ", "leave it out", "leave them out", "ask a backend"))


def test_an_unknown_longest_answer_asks_for_max_tokens() -> None:
    """It is not the price that is unknown."""
    why = PRICED.cost_bound(ask()).unknown
    assert why is not None
    assert "set max_tokens" in why
    assert "price" not in why


@pytest.mark.parametrize(
    ("extra_body", "token"),
    [
        ({}, 24e-6),
        ({"service_tier": "auto"}, 24e-6),
        ({"service_tier": "default"}, 12e-6),
        ({"service_tier": "flex"}, 12e-6),
        ({"service_tier": "priority"}, 24e-6),
        ({"n": 1}, 24e-6),
    ],
)
def test_a_tier_that_the_account_may_have_set_is_reserved_for(extra_body: Any, token: float) -> None:
    """Unless the request names another; one that it names may not be had."""
    bound = GPT.cost_bound(ask(model="gpt-5.6-terra", params={"max_tokens": 10}, extra_body=extra_body))
    assert bound.token == pytest.approx(token)


def test_a_prompt_that_may_be_long_is_reserved_for_at_the_long_price() -> None:
    """Its bytes decide."""
    short, long = (
        GPT.cost_bound(
            ask("x" * size, model="gpt-5.6-terra", params={"max_tokens": 10}, extra_body={"service_tier": "default"})
        )
        for size in (200_000, 300_000)
    )
    assert (short.token, long.token) == (pytest.approx(12e-6), pytest.approx(18e-6))
    assert long.prompt == pytest.approx(300_300 * 5e-6, rel=0.01)


@pytest.mark.parametrize(
    ("pricing", "extra_body", "dollars"),
    [
        ({"input": 1, "output": 1}, {}, 1.25),
        ({"input": 1, "output": 1, "cache_write": 1.0}, {}, 1.0),
        ({"input": 1, "output": 1, "cache_write": 3.0}, {}, 3.0),
        ({"input": 1, "output": 1}, {"prompt_cache_options": {"ttl": "12h"}}, 2.5),
        ({"input": 1, "output": 1, "cache_write_1h": 4.0}, {"cache_control": {"ttl": "1h"}}, 4.0),
        ({"input": 1, "output": 1, "cached_input": 2.0}, {}, 2.0),
        ({"input": 0, "output": 1}, {}, 0.0),
    ],
)
def test_what_may_be_written_to_a_cache_is_reserved_for(pricing: Any, extra_body: Any, dollars: float) -> None:
    """At its price, else at the greatest published multiple of the price of input."""
    backend = OpenAIBackend(api_key="k", model="m", base_url="http://127.0.0.1:9/v1", pricing=pricing, max_tokens=1)
    bound = backend.cost_bound(ask("x" * 100_000, extra_body=extra_body))
    assert bound.prompt == pytest.approx(0.1 * dollars, rel=0.01)


def test_embeddings_have_a_bound_without_an_answer() -> None:
    """Every text with its frame."""
    request = EmbeddingRequest(("x" * 1000, "ä" * 500), Deadline(60), CancelToken(), "text-embedding-3-small")
    bound = GPT.cost_bound(request)
    assert bound.unknown is None
    assert (bound.answer, bound.token) == (0, 0.0)
    assert bound.prompt >= 2000 * 0.02e-6


@pytest.mark.parametrize("kind", [CodexBackend, ClaudeCLIBackend, CopilotCLIBackend])
def test_what_a_program_adds_has_no_bound(kind: Any) -> None:
    """Unless nothing costs anything."""
    request = ask(params={"max_tokens": 10})
    why = kind(api_key="k", model="m", pricing={"input": 1, "output": 1}).cost_bound(request).unknown
    assert why is not None
    assert "adds to a prompt" in why
    assert kind(api_key="k", model="m", pricing={"input": 0, "output": 0}).cost_bound(request).unknown is None


@given(
    prompt=st.floats(0, 100),
    token=st.floats(1e-9, 1),
    answer=st.integers(1, 200_000),
    nano=st.integers(0, 10**12),
)
def test_the_longest_answer_that_fits_fits(prompt: float, token: float, answer: int, nano: int) -> None:
    """Or is the least that is worth asking for."""
    bound = Bound(prompt, token, answer, chosen=False)
    longest = bound.longest(nano)
    assert min(1024, answer) <= longest <= answer
    assert bound.nano(longest) <= nano or longest == min(1024, answer)


@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=5), tools=st.integers(0, 3), schema=st.booleans())
def test_the_bound_is_above_every_byte_that_is_sent(texts: list[str], tools: int, schema: bool) -> None:
    """For Gemini's, OpenAI's and Anthropic's bodies: their frames are within the allowances."""
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    request = ask(
        [Message("user", text) for text in texts],
        params={"max_tokens": 10},
        tools=tuple(Tool(f"f{i}", "what it does") for i in range(tools)),
        response_format=as_response_format({"type": "object", "properties": {}}) if schema else None,
    )
    pricing = {"input": 1e6, "output": 0, "cache_write": 1e6}
    for kind in (OpenAIBackend, AnthropicBackend, GoogleBackend):
        backend: Any = kind(api_key="k", model="m", pricing=pricing)
        said = sum(len(text.encode()) for text in texts) + len(json.dumps([tool._asdict() for tool in request.tools]))
        assert backend.cost_bound(request).prompt >= said


@pytest.mark.parametrize("token", [5e-324, 2e-313, 1e-300, 1e-20, 1e-9, 1.0, 1e300])
@pytest.mark.parametrize("nano", [1, 10**9, 10**18])
def test_the_longest_answer_is_found_for_any_price(token: float, nano: int) -> None:
    """Also for one by which nothing can be divided any more."""
    bound = Bound(0.0, token, 5_000, chosen=False)
    assert 1_024 <= bound.longest(nano) <= 5_000


LAID_OVER: list[dict[str, Any]] = [
    {"user": "u" * 400},
    {"service_tier": "priority"},
    {"service_tier": "flex"},
    {"service_tier": "none such"},
    {"speed": "fast"},
    {"max_tokens": 90_000},
    {"max_output_tokens": None},
    {"n": 3},
    {"tools": [{"type": "web_search"}]},
    {"prompt_cache_key": "c" * 50},
    {"modalities": ["audio"]},
    {"previous_response_id": "r"},
]


@pytest.mark.parametrize("extra_body", LAID_OVER, ids=repr)
def test_what_one_call_lays_over_its_body_changes_no_other_calls_bound(extra_body: dict[str, Any]) -> None:
    """What is kept of a model's bounds is that of calls without it, and never counts for a call with it."""
    fresh = OpenAIBackend(api_key="k", model="gpt-5.6-terra", base_url="https://api.openai.com/v1")
    with_it = fresh.cost_bound(ask(model=None, extra_body=extra_body))
    without = GPT.cost_bound(ask(model=None))
    assert with_it != without
    for _ in range(2):
        assert fresh.cost_bound(ask(model=None)) == without
        assert fresh.cost_bound(ask(model=None, extra_body=extra_body)) == with_it


@given(length=st.integers(0, 1_000_000), model=st.sampled_from(["gpt-5.6-terra", "gpt-4o"]))
def test_a_longer_prompt_of_a_later_call_has_the_rate_of_its_length(length: int, model: str) -> None:
    """Of what is kept for a model nothing depends on the first prompt."""
    warm, fresh = (
        OpenAIBackend(api_key="k", model=model, base_url="https://api.openai.com/v1") for _ in range(2)
    )
    warm.cost_bound(ask("x", model=None))
    assert warm.cost_bound(ask("y" * length, model=None)) == fresh.cost_bound(ask("y" * length, model=None))
    info = warm.model_info()
    usual = max(price.input or 0.0 for price in info.prices if not price.above or price.above < length)
    assert warm.cost_bound(ask("y" * length, model=None)).prompt >= length * usual / 1e6
