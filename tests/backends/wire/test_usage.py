"""What stands beside an answer never costs the answer: odd usage is unknown, on every wire, plain and streamed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import AnthropicBackend, GoogleBackend, HTTPBackend, OpenAIBackend, OpenRouterBackend
from complaint_llm.backends.wire.usage import MOST_TOKENS, UsageReader, tier_of, token_count
from complaint_llm.messages import InferenceOutput, TokenUsage
from tests.wire_messages import ask, chat, chunk, done, read, sse

CHAT = OpenAIBackend(api_key="k", model="m", api="chat")
RESPONSES = OpenAIBackend(api_key="k", model="m", api="responses")
CLAUDE = AnthropicBackend(api_key="k", model="m")
GEMINI = GoogleBackend(api_key="k", model="m")
ROUTER = OpenRouterBackend(api_key="k", model="m")

MESSAGE = {"type": "message", "model": "m", "stop_reason": "end_turn", "content": [{"type": "text", "text": "GOOD"}]}


def answered(backend: HTTPBackend, body: dict[str, Any], key: str, usage: Any) -> InferenceOutput:
    return backend.decode({**body, key: usage}, ask())


def streamed(backend: HTTPBackend, *events: Any) -> InferenceOutput:
    return done(read(backend.decoder(ask(stream=True)), [sse(*events)]))


def response(usage: Any) -> dict[str, Any]:
    said = {"type": "message", "content": [{"type": "output_text", "text": "GOOD"}]}
    return {"id": "r", "status": "completed", "model": "m", "output": [said], "usage": usage}


def claude_stream(usage: Any) -> InferenceOutput:
    return streamed(
        CLAUDE,
        {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "GOOD"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    )


GEMINI_BODY = {"candidates": [{"content": {"parts": [{"text": "GOOD"}]}, "finishReason": "STOP"}]}
DELTA = {"type": "response.output_text.delta", "output_index": 0, "delta": "GOOD"}

WIRES: dict[str, Callable[[Any], InferenceOutput]] = {
    "chat": lambda usage: answered(CHAT, chat("GOOD"), "usage", usage),
    "chat stream": lambda usage: streamed(CHAT, chunk({"content": "GOOD"}, "stop"), chunk(usage=usage), "[DONE]"),
    "responses": lambda usage: RESPONSES.decode(response(usage), ask()),
    "responses stream": lambda usage: streamed(
        RESPONSES, DELTA, {"type": "response.completed", "response": response(usage)}
    ),
    "anthropic": lambda usage: answered(CLAUDE, MESSAGE, "usage", usage),
    "anthropic stream": claude_stream,
    "gemini": lambda usage: answered(GEMINI, GEMINI_BODY, "usageMetadata", usage),
    "gemini stream": lambda usage: streamed(GEMINI, {**GEMINI_BODY, "usageMetadata": usage}),
    "openrouter": lambda usage: answered(ROUTER, chat("GOOD"), "usage", usage),
}
COUNTS = {
    "chat": ("prompt_tokens", "completion_tokens"),
    "responses": ("input_tokens", "output_tokens"),
    "anthropic": ("input_tokens", "output_tokens"),
    "gemini": ("promptTokenCount", "candidatesTokenCount"),
    "openrouter": ("prompt_tokens", "completion_tokens"),
}

ODD: list[Any] = [
    "12",
    "",
    [],
    [12],
    {},
    {"n": 1},
    -1,
    -0.5,
    12.5,
    1e308,
    2**53,
    2**60,
    10**400,
    math.nan,
    math.inf,
    True,
    False,
]


def wire(name: str) -> str:
    return name.split()[0]


@pytest.mark.rows(20)
@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("side", [0, 1], ids=["prompt", "answer"])
def test_an_odd_count_makes_the_usage_unknown_and_nothing_else(name: str, value: Any, side: int) -> None:
    """Texts, lists, objects, negatives, fractions, booleans, no numbers, and what no counter reaches."""
    told = dict.fromkeys(COUNTS[wire(name)], 7)
    told[COUNTS[wire(name)][side]] = value
    output = WIRES[name](told)
    assert output.content == "GOOD"
    assert output.token_usage == TokenUsage()
    assert output.cost is None


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("usage", [None, [], {}, [7], "7", 7, 1.5, True, [[]], [{}], "", {"": 0}], ids=repr)
def test_a_usage_that_is_no_object_is_unknown(name: str, usage: Any) -> None:
    """Whatever stands in its place."""
    output = WIRES[name](usage)
    assert output.content == "GOOD"
    if name != "anthropic stream" or usage not in (None, [], {}, {"": 0}):  # its first event told some
        assert output.token_usage == TokenUsage()


@pytest.mark.parametrize("value", [value for value in ODD if value != []], ids=repr)
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("chat", "prompt_tokens_details.cached_tokens"),
        ("chat stream", "prompt_tokens_details.cache_write_tokens"),
        ("chat", "prompt_tokens_details"),
        ("responses", "input_tokens_details.cache_write_tokens"),
        ("responses stream", "input_tokens_details"),
        ("anthropic", "cache_creation_input_tokens"),
        ("anthropic", "cache_creation.ephemeral_1h_input_tokens"),
        ("anthropic stream", "cache_creation"),
        ("gemini", "cachedContentTokenCount"),
    ],
)
def test_an_odd_part_of_the_price_makes_the_cost_unknown(name: str, path: str, value: Any) -> None:
    """The counts that can be read stay; a cost of them alone would be a guess."""
    if value == {} or (isinstance(value, dict) and path.endswith(("details", "creation"))):
        return  # an empty object where one belongs is none
    told: dict[str, Any] = dict.fromkeys(COUNTS[wire(name)], 7)
    *inner, last = path.split(".")
    place = told
    for key in inner:
        place = place.setdefault(key, {})
    place[last] = value
    usage = WIRES[name](told).token_usage
    assert usage == TokenUsage() or usage.unpriced is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"),
        *("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details", "cached_tokens"),
        *("cache_write_tokens", "cache_creation", "ephemeral_1h_input_tokens", "cache_creation_input_tokens"),
        *("cache_read_input_tokens", "server_tool_use", "service_tier", "inference_geo", "speed", "cost", "is_byok"),
        *("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "promptTokensDetails", "tokenCount"),
        *("cost_details", "reasoning_tokens", "audio_tokens", "num_sources_used", "modality"),
    ]
)
USAGE = st.recursive(
    JSON, lambda inner: st.dictionaries(NAMES, inner, max_size=8) | st.lists(inner, max_size=2), max_leaves=12
)


@given(name=st.sampled_from(sorted(WIRES)), usage=USAGE)
def test_no_usage_whatever_costs_the_answer(name: str, usage: Any) -> None:
    """Counts stay within what a counter can count, and a cost is a finite number or unknown."""
    output = WIRES[name](usage)
    assert output.content == "GOOD"
    assert all(count is None or 0 <= count <= 3 * MOST_TOKENS for count in output.token_usage[:7])
    assert output.cost is None or 0 <= output.cost < math.inf


@pytest.mark.parametrize(
    ("name", "usage", "read"),
    [
        (
            "chat",
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cache_write_tokens": 4}},
            TokenUsage(9, 2, 11, cache_write_tokens=4),
        ),
        (
            "chat",
            {"prompt_tokens": 12.0, "completion_tokens": 2, "prompt_tokens_details": []},
            TokenUsage(12, 2, 14),
        ),
        (
            "chat",
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cache_creation_tokens": 4}},
            TokenUsage(9, 2, 11, cache_write_tokens=4),
        ),
        ("chat", {"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 3}, TokenUsage(9, 2, 11, 3)),
        (
            "responses",
            {
                "input_tokens": 9,
                "output_tokens": 2,
                "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 8},
            },
            TokenUsage(9, 2, 11, 1, cache_write_tokens=8),
        ),
        (
            "responses",
            {
                "input_tokens": 9,
                "output_tokens": 2,
                "input_tokens_details": {
                    "cached_tokens": 0,
                    "cache_write_tokens": 8,
                    "cache_write_tokens_details": {"ttl_12h_tokens": 8, "ttl_30m_tokens": 0},
                },
            },
            TokenUsage(9, 2, 11, 0, cache_write_tokens=8, unpriced="a cache that is kept for 12 hours"),
        ),
        (
            "anthropic",
            {
                "input_tokens": 5,
                "output_tokens": 2,
                "cache_read_input_tokens": 10,
                "cache_creation_input_tokens": 100,
                "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60},
            },
            TokenUsage(115, 2, 117, 10, cache_write_tokens=100, cache_write_1h_tokens=60),
        ),
        (
            "anthropic",
            {"input_tokens": 5, "output_tokens": 2, "cache_creation": {"ephemeral_1h_input_tokens": 60}},
            TokenUsage(65, 2, 67, cache_write_tokens=60, cache_write_1h_tokens=60),
        ),
        (
            "anthropic",
            {"input_tokens": 5, "output_tokens": 2, "speed": "fast"},
            TokenUsage(5, 2, 7, service_tier="fast"),
        ),
        (
            "anthropic",
            {"input_tokens": 5, "output_tokens": 2, "server_tool_use": {"web_search_requests": 1}},
            TokenUsage(5, 2, 7, unpriced="tools of the provider (web_search_requests)"),
        ),
        (
            "anthropic",
            {"input_tokens": 5, "output_tokens": 2, "server_tool_use": {"web_search_requests": 0}},
            TokenUsage(5, 2, 7),
        ),
        (
            "anthropic",
            {"input_tokens": 5, "output_tokens": 2, "inference_geo": "us"},
            TokenUsage(5, 2, 7, unpriced="inference in the region us"),
        ),
        (
            "gemini",
            {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "toolUsePromptTokenCount": 4},
            TokenUsage(9, 5, 14, reasoning_tokens=3),
        ),
        (
            "gemini",
            {
                "promptTokenCount": 5,
                "candidatesTokenCount": 2,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}],
            },
            TokenUsage(5, 2, 7, unpriced="AUDIO tokens"),
        ),
        (
            "gemini",
            {
                "promptTokenCount": 5,
                "candidatesTokenCount": 2,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 2}],
            },
            TokenUsage(5, 2, 7, unpriced="IMAGE tokens"),
        ),
        ("gemini", {"promptTokenCount": 5}, TokenUsage(5, 0, 5)),
    ],
)
def test_what_is_told_is_read(name: str, usage: Any, read: TokenUsage) -> None:
    """Each provider's own words for what its price depends on."""
    assert WIRES[name](usage).token_usage == read


@pytest.mark.parametrize(
    "details",
    [
        {"prompt_tokens_details": {"audio_tokens": 1}},
        {"completion_tokens_details": {"audio_tokens": 1}},
        {"completion_tokens_details": {"image_tokens": 1}},
        {"num_sources_used": 3},
        {"server_side_tool_usage": {"web_search": 1}},
        {"num_search_queries": 2},
        {"server_tool_use": {"web_search_requests": 1}},
    ],
    ids=repr,
)
def test_a_fee_beside_the_tokens_is_named(details: dict[str, Any]) -> None:
    """Audio, images of an answer, and the tools of services."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, **details}
    assert WIRES["chat"](usage).token_usage.unpriced is not None


@pytest.mark.parametrize(
    ("kind", "free"),
    [
        *((kind, True) for kind in ("reasoning", "function_call_output", "custom_tool_call", "mcp_list_tools")),
        *((kind, False) for kind in ("web_search_call", "file_search_call", "code_interpreter_call")),
        *((kind, False) for kind in ("image_generation_call", "computer_call", "shell_call", "made_up_next_year")),
    ],
)
def test_items_of_a_response_tell_of_fees(kind: str, free: bool) -> None:
    """What runs at the provider is billed apart; what nobody knows yet may be."""
    body = response({"input_tokens": 5, "output_tokens": 2})
    body["output"].insert(0, {"type": kind})
    assert (RESPONSES.decode(body, ask()).token_usage.unpriced is None) is free


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.25}, 0.25),
        ({"cost": 0}, 0.0),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.5}}, 0.51),
        ({"cost": 0.01, "is_byok": True}, None),
        ({"cost": 0.01, "is_byok": True, "cost_details": []}, None),
        ({"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}}, 0.01),
        *(({"cost": odd}, None) for odd in ("0.25", -1, math.nan, math.inf, 10**400, True, [], {}, None)),
    ],
    ids=repr,
)
def test_what_a_router_says_that_an_answer_cost(usage: Any, cost: float | None) -> None:
    """With the caller's own key at the provider behind it, that one bills too."""
    found = WIRES["openrouter"]({"prompt_tokens": 5, "completion_tokens": 2, **usage}).cost
    assert found == (None if cost is None else pytest.approx(cost))


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        *((name, None) for name in ("default", "standard", "auto", "on_demand", "DEFAULT", None, 3, [])),
        *(("flex", "flex"), ("priority", "priority"), ("PRIORITY", "priority"), ("batch", "batch"), ("new", "new")),
    ],
)
def test_the_standard_tier_is_not_named(name: Any, tier: str | None) -> None:
    """Every service has a name of its own for it."""
    assert tier_of(name) == tier


@given(st.integers(-(2**70), 2**70) | st.floats() | st.booleans() | st.text())
def test_a_count_is_a_whole_number_within_reach_or_none(value: Any) -> None:
    """Never below zero, never above 2**53 - 1."""
    found = token_count(value)
    assert found is None or (type(found) is int and 0 <= found <= MOST_TOKENS and found == value)


def test_a_reader_remembers_what_was_odd_and_forgives_hints() -> None:
    """What no price depends on makes nothing odd."""
    reader = UsageReader({"a": "x", "b": 3, "c": {"d": 4}, "e": [1]})
    assert reader.hint("a") is None
    assert reader.parts("e") == {}
    assert not reader.odd
    assert reader.count("missing", "d", of=reader.fields("c")) == 4
    assert not reader.odd
    assert reader.count("a") is None
    assert reader.odd
