"""Token counts, log-probabilities and prices in the words of OpenAI's two wires and of services that follow them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.backends.wire import EMPTY, UsageReader, as_number, as_object, tier_of, token_usage_of
from complaint_llm.messages import TokenUsage

FREE_ITEMS: frozenset[str] = frozenset(
    (
        *("message", "reasoning", "function_call", "function_call_output", "custom_tool_call"),
        *("custom_tool_call_output", "local_shell_call", "local_shell_call_output", "apply_patch_call"),
        *("apply_patch_call_output", "mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"),
        *("compaction", "tool_search_call", "tool_search_output", "additional_tools"),
    )
)
"""Output items of the Responses API that cost their tokens alone (developers.openai.com/api/docs/pricing); a search,
a container or an image has a fee of its own."""

FEES: frozenset[str] = frozenset(
    ("num_sources_used", "server_side_tool_usage", "server_side_tools_used", "num_search_queries", "server_tool_use")
)
"""Fields of a usage by which services (xAI, Perplexity, OpenRouter) tell that tools of theirs were used."""


def token_usage(given: Any, prompt: str, completion: str, body: Mapping[str, Any] = EMPTY) -> TokenUsage:
    """Usage; ``prompt`` and ``completion`` are the wire's words for the two sides, ``body`` what it stands in.

    Both wires count cached and written tokens into the prompt and reasoning tokens into the completion. Where the total
    says that reasoning came on top (xAI's chat completions), it is added. What is odd is unknown, never an error.
    """
    usage = UsageReader(given)
    inside = usage.fields(f"{prompt}_tokens_details")
    outside = usage.parts(f"{completion}_tokens_details")
    asked = usage.count(f"{prompt}_tokens")
    answered = usage.count(f"{completion}_tokens")
    total = usage.hint("total_tokens")
    reasoning = usage.hint("reasoning_tokens", of=outside) if outside else None
    if asked is not None and answered is not None and reasoning and total == asked + answered + reasoning:
        answered += reasoning
    cached = written = None
    if inside:
        cached = usage.count("cached_tokens", of=inside)
        written = usage.count("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens", of=inside)
    if cached is None:  # the names of DeepSeek, of Moonshot, and of gateways to Anthropic's models
        cached = usage.count("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    if written is None:
        written = usage.count("cache_creation_input_tokens")
    return token_usage_of(
        usage,
        asked,
        answered,
        total=total,
        cached=cached,
        reasoning=reasoning,
        written=written,
        tier=tier_of(body.get("service_tier")),
        unpriced=_unpriced_part(usage, inside, outside, body),
    )


def log_probability(token: Any, where: str) -> float:
    """The natural logarithm of the probability of one entry of a ``logprobs`` list."""
    return as_number(as_object(token, where).get("logprob"), f"{where}.logprob")


def cost(usage: Any, path: str) -> float | None:
    """What the provider itself says the answer cost, in US dollars, in the place (a dotted path) that ``usage_cost``
    names.

    None where it says nothing readable. With a key of the caller's own (OpenRouter's ``is_byok``) the provider behind
    it bills the answer, and what it bills is told apart.
    """
    found = _dollars(usage, path)
    if found is None or not (isinstance(usage, Mapping) and usage.get("is_byok") is True):
        return found
    upstream = _dollars(usage, "cost_details.upstream_inference_cost")
    return None if upstream is None else found + upstream


def _dollars(usage: Any, path: str) -> float | None:
    found: Any = usage
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found < 1e9:
        return None
    return float(found)


def _unpriced_part(
    usage: UsageReader, inside: Mapping[str, Any], outside: Mapping[str, Any], body: Mapping[str, Any]
) -> str | None:
    """What was billed besides text tokens at the listed prices, as a phrase."""
    if inside.get("audio_tokens") or outside.get("audio_tokens") or outside.get("image_tokens"):
        return "audio or images"
    kept = inside.get("cache_write_tokens_details")
    if isinstance(kept, dict) and kept.get("ttl_12h_tokens"):
        return "a cache that is kept for 12 hours"
    if usage.any_of(FEES):
        return "tools of the provider"
    output = body.get("output")
    if not isinstance(output, list):
        return None
    for item in output:
        kind = item.get("type") if isinstance(item, Mapping) else None
        if not (isinstance(kind, str) and kind in FREE_ITEMS):
            return f"tools of the provider ({kind})"[:60]
    return None
