"""Token counts, log-probabilities and prices in the words of OpenAI's two wires and of services that follow them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.backends.shapes import count, mapping, number
from complaint_llm.messages import TokenUsage

_NONE = TokenUsage()


def token_usage(given: Any, prompt: str, completion: str) -> TokenUsage:
    """Usage; ``prompt`` and ``completion`` are the wire's words for the two sides.

    Both wires count cached tokens into the prompt and reasoning tokens into the completion. Where the total says that
    reasoning came on top (xAI's chat completions), it is added.
    """
    if given is None:
        return _NONE
    usage = mapping(given, "usage")
    asked = count(usage.get(f"{prompt}_tokens"), "usage")
    answered = count(usage.get(f"{completion}_tokens"), "usage")
    total = count(usage.get("total_tokens"), "usage")
    cached = reasoning = None
    details = usage.get(f"{prompt}_tokens_details")
    if details is not None:
        cached = mapping(details, "usage").get("cached_tokens")
    if cached is None:
        cached = usage.get("prompt_cache_hit_tokens")  # DeepSeek's name
    details = usage.get(f"{completion}_tokens_details")
    if details is not None:
        reasoning = mapping(details, "usage").get("reasoning_tokens")
    cached = None if cached is None else count(cached, "usage")
    reasoning = None if reasoning is None else count(reasoning, "usage")
    if reasoning and total == asked + answered + reasoning:
        answered += reasoning
    return TokenUsage(asked, answered, total or asked + answered, cached, reasoning)


def log_probability(token: Any, where: str) -> float:
    """The natural logarithm of the probability of one entry of a ``logprobs`` list."""
    return number(mapping(token, where).get("logprob"), f"{where}.logprob")


def cost(usage: Any, facts: Mapping[str, Any]) -> float | None:
    """What the provider itself says the answer cost, in US dollars, where the fact ``usage_cost`` says it does."""
    path = facts.get("usage_cost")
    if path is None:
        return None
    found: Any = usage
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return None if found is None else number(found, f"usage.{path}")
