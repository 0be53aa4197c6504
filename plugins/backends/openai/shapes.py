"""Checks of foreign JSON: what has not the shape that the wire promises is a ResponseFormatError naming the place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.messages import TokenUsage
from complaint_llm.request import NOTHING


def wrong(where: str, value: Any, wanted: str) -> ResponseFormatError:
    """The error to raise. The value itself is not shown: it may hold what a client wrote."""
    return ResponseFormatError(f"the answer has the wrong shape: {where} is {_kind(value)}, not {wanted}")


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """The value if it is an object."""
    if isinstance(value, dict):
        return value
    raise wrong(where, value, "an object")


def optional_mapping(value: Any, where: str) -> Mapping[str, Any]:
    """The value if it is an object; an empty one for null or nothing."""
    return NOTHING if value is None else mapping(value, where)


def items(value: Any, where: str) -> list[Any]:
    """The value if it is an array; an empty one for null or nothing."""
    if isinstance(value, list):
        return value
    if value is None:
        return []
    raise wrong(where, value, "an array")


def text(value: Any, where: str) -> str:
    """The value if it is a text; an empty one for null or nothing."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise wrong(where, value, "a text")


def count(value: Any, where: str) -> int:
    """A number of tokens; 0 for null or nothing. Servers in JavaScript may write 12.0."""
    if type(value) is int and value >= 0:
        return value
    if value is None:
        return 0
    if isinstance(value, float) and value >= 0 and value.is_integer():
        return int(value)
    raise wrong(where, value, "a number of tokens")


def number(value: Any, where: str) -> float:
    """A finite number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            found = float(value)
        except OverflowError:
            raise wrong(where, value, "a number in range") from None
        if found - found == 0:
            return found
    raise wrong(where, value, "a finite number")


def log_probability(token: Any, where: str) -> float:
    """The natural logarithm of the probability of one entry of a ``logprobs`` list."""
    return number(mapping(token, where).get("logprob"), f"{where}.logprob")


def token_usage(given: Any, prompt: str, completion: str) -> TokenUsage:
    """Usage as chat completions and Responses count it: input with cached tokens, output with reasoning tokens.

    ``prompt`` and ``completion`` are the wire's words. Where the total says that reasoning came on top of the output
    (xAI's chat completions), it is added.
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


def at(given: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted path; None where nothing does."""
    found: Any = given
    for key in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def _kind(value: Any) -> str:
    if value is None:
        return "missing"
    return {dict: "an object", list: "an array", str: "a text", bool: "a boolean"}.get(type(value), "a number")


_NONE = TokenUsage()
