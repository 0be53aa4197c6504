"""How an upper bound of a request's price is found, for budgets alone; estimates of usual prices are in ``facts``.

A token of every byte-pair tokenizer has at least one byte, of the text as it is or after NFKC, so a text has at most as
many tokens as bytes in the longer of the two. What providers put around texts is covered by the allowances below.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.wire.usage import STANDARD_TIERS, tier_of
from complaint_llm.request import EmbeddingRequest
from complaint_llm.routing.policies.bound import LEAST_ANSWER, Bound

if TYPE_CHECKING:
    from complaint_llm.messages import ModelInfo, Price
    from complaint_llm.prices import BillingRule
    from complaint_llm.request import Request

REQUEST_ALLOWANCE = 256
"""Tokens for the frame of a request and what a service puts before it."""
MESSAGE_ALLOWANCE = 16
"""Tokens for the frame of a message, a part, a tool call or an embedded text."""
TOOLS_ALLOWANCE = 1024
"""Tokens for the instructions that come with tools (Anthropic's price page says at most 804), and for each tool 64."""
TOOL_ALLOWANCE = 64
SCHEMA_ALLOWANCE = 512
"""Tokens for the instructions that come with a schema, which may be sent natively or in words."""

_STORED = ("previous_response_id", "conversation", "prompt", "cachedContent", "cached_content", "input", "messages")
_SERVER = ("web_search_options", "search_parameters", "plugins", "mcp_servers", "container", "modalities", "audio")
_MULTIPLES = ("n", "best_of", "candidateCount", "num_return_sequences")
_MAXIMA = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens")
_MEDIA = (
    *("image_url", "inlineData", "inline_data", "fileData", "file_data", "file_id", "file_url", "document_url"),
    *("input_audio", "responseModalities"),
)
_MEDIA_TYPES = frozenset(
    ("document", "document_url", "file", "image", "image_url", "input_file", "input_image", "container_upload")
)
"""Types of the parts of a message that are no text."""


def bound_of(
    request: Request | EmbeddingRequest,
    info: ModelInfo,
    rule: BillingRule,
    *,
    system: str = "",
    params: Mapping[str, Any],
    extra_body: Mapping[str, Any],
    longest: int | None,
    sends_maximum: bool,
    overhead: int = 0,
) -> Bound:
    """The bound of one attempt: ``params`` and ``extra_body`` as they are sent, ``system`` the text that is added,
    ``longest`` the most tokens of an answer without a maximum, ``overhead`` tokens that its own template has.
    """
    if info.input_price is None:
        return _unknown(f"the price of {_phrase(info)} is unknown, so the budget could not be kept: set pricing")
    if isinstance(request, EmbeddingRequest):
        tokens = _embedding_tokens(request) + overhead
    else:
        tokens = _prompt_tokens(request, system, extra_body) + overhead
    prices = _prices(info, tokens, extra_body)
    if not prices:
        return _unknown(f"the price of service tier {_asked_tier(extra_body)!r} is unknown: leave it out of extra_body")
    written = _dearest_input(prices, rule, long=bool(extra_body) and "cache" in _json(extra_body))
    prompt = tokens * written * rule.surcharge / 1e6
    if isinstance(request, EmbeddingRequest):
        return Bound(prompt)
    outputs = [price.output for price in prices if price.output is not None]
    if len(outputs) < len(prices):
        return _unknown(f"the price of {_phrase(info)}'s answers is unknown: set pricing.output")
    token = max(outputs) * rule.surcharge / 1e6
    if not prompt and not token:
        return Bound(0.0)
    unbounded = _unbounded_part(request, extra_body)
    if unbounded is not None:
        return _unknown(unbounded)
    maxima = list(_maxima(extra_body)) if extra_body else []
    if sends_maximum and "max_tokens" in params:
        maxima.append(params["max_tokens"])
    if maxima:
        return Bound(prompt, token, max(maxima))
    if longest is None:
        what = "set max_tokens" if sends_maximum else "it takes no max_tokens; ask a backend without a budget"
        return _unknown(f"the longest answer of {_phrase(info)} is not known, so it has no bound: {what}")
    least = LEAST_ANSWER + (params.get("thinking_budget") or 0)
    return Bound(prompt, token, longest, chosen=not sends_maximum, least=least)


def _unknown(why: str) -> Bound:
    return Bound(0.0, unknown=why)


def _phrase(info: ModelInfo) -> str:
    return info.name or "the model"


def _prices(info: ModelInfo, tokens: int, extra_body: Mapping[str, Any]) -> list[Price]:
    """The prices that may be asked for a prompt of at most so many tokens.

    A service tier that the request does not name may be one that the account has set; one that it names may not be had.
    """
    prices = [price for price in info.prices if price.above < tokens or not price.above]
    asked = _asked_tier(extra_body) if extra_body else None
    if asked is None:
        return prices
    if asked not in STANDARD_TIERS and all(price.service_tier != asked for price in info.prices):
        return []
    return [price for price in prices if price.service_tier in (None, asked)]


def _asked_tier(extra_body: Mapping[str, Any]) -> str | None:
    if extra_body.get("speed") == "fast":
        return "fast"
    given = extra_body.get("service_tier", extra_body.get("serviceTier"))
    return given.lower() if isinstance(given, str) and given.lower() != "auto" else None


def _dearest_input(prices: Iterable[Price], rule: BillingRule, *, long: bool) -> float:
    """Dollars a million tokens for a prompt of which any part may be written to a cache."""
    found = 0.0
    for price in prices:
        usual = price.input or 0.0
        each = [usual, price.cached_input or 0.0]
        each.append(usual * rule.cache_write if price.cache_write is None else price.cache_write)
        if long:
            each.append(usual * rule.cache_write_long if price.cache_write_1h is None else price.cache_write_1h)
        found = max(found, *each)
    return found


def untold_fee(extra_body: Mapping[str, Any]) -> bool:
    """Whether the request asked for what may have a fee that its answer does not tell."""
    asked = _asked_tier(extra_body)
    tier = asked is not None and tier_of(asked) is not None
    return tier or any(extra_body.get(key) for key in _SERVER if key not in ("container", "mcp_servers"))


def _unbounded_part(request: Request, extra_body: Mapping[str, Any]) -> str | None:
    """What in the request has no upper bound, and what to do."""
    if any(not isinstance(m.content, str) and any(p.type != "text" for p in m.content) for m in request.messages):
        return (
            "images and files have no upper bound in tokens: no budget can hold them; ask a backend without one, "
            'or give the text of documents ("documents": "text")'
        )
    if not extra_body:
        return None
    if any(_removes_maximum(extra_body)):
        return "extra_body takes the maximum of an answer away, so it has no upper bound: leave it out"
    for key in (*_STORED, *_SERVER, *_MULTIPLES, *_MEDIA):
        if _anywhere(key, extra_body, of_one=key in _MULTIPLES):
            return f"{key!r} in extra_body has no upper bound: leave it out, or ask a backend without a budget"
    if _has_media(extra_body):
        return "a file in extra_body has no upper bound: leave it out, or ask a backend without a budget"
    if any(_is_server_tool(tool) for tool in extra_body.get("tools") or ()):
        return (
            "tools of the provider in extra_body have no upper bound: leave them out, or ask a backend without a budget"
        )
    return None


def _is_server_tool(tool: Any) -> bool:
    if not isinstance(tool, Mapping):
        return True
    return (
        tool.get("type", "custom") not in ("function", "custom")
        or set(tool) & {"google_search", "googleSearch"} != set()
    )


def _anywhere(key: str, given: Any, *, of_one: bool) -> bool:
    """Whether the key stands anywhere in extra_body with a value (``of_one``: other than 1)."""
    if isinstance(given, Mapping):
        value = given.get(key)
        if value and not (of_one and value == 1):
            return True
        return any(_anywhere(key, inner, of_one=of_one) for inner in given.values())
    return isinstance(given, (list, tuple)) and any(_anywhere(key, inner, of_one=of_one) for inner in given)


def _has_media(given: Any) -> bool:
    """Whether a part that is a file or an image stands anywhere in extra_body."""
    if isinstance(given, Mapping):
        kind = given.get("type")
        return (isinstance(kind, str) and kind in _MEDIA_TYPES) or any(map(_has_media, given.values()))
    return isinstance(given, (list, tuple)) and any(map(_has_media, given))


def _maxima(given: Any) -> Iterator[int]:
    """The maxima of an answer that extra_body puts in place of ``max_tokens``."""
    if isinstance(given, Mapping):
        for key, value in given.items():
            if key in _MAXIMA and isinstance(value, int):
                yield value
            yield from _maxima(value)


def _removes_maximum(given: Any) -> Iterator[bool]:
    if isinstance(given, Mapping):
        for key, value in given.items():
            yield key in _MAXIMA and not isinstance(value, int)
            yield from _removes_maximum(value)


def _embedding_tokens(request: EmbeddingRequest) -> int:
    return REQUEST_ALLOWANCE + sum(most_tokens(text) + MESSAGE_ALLOWANCE for text in request.texts)


def _prompt_tokens(request: Request, system: str, extra_body: Mapping[str, Any]) -> int:
    """The most tokens that the prompt can have."""
    found = REQUEST_ALLOWANCE
    if system:
        found += most_tokens(system) + MESSAGE_ALLOWANCE
    for message in request.messages:
        found += most_tokens(message.text) + MESSAGE_ALLOWANCE
        if not isinstance(message.content, str):
            found += MESSAGE_ALLOWANCE * len(message.content)
        for call in message.tool_calls:
            found += most_tokens(f"{call.id}{call.name}") + MESSAGE_ALLOWANCE
            found += most_tokens(call.arguments_raw or _json(call.arguments))
        if message.tool_call_id or message.name:
            found += most_tokens(f"{message.tool_call_id or ''}{message.name or ''}")
        if message.extra:
            found += most_tokens(_json(message.extra))
    if request.tools:
        found += TOOLS_ALLOWANCE + sum(most_tokens(_json(tool._asdict())) + TOOL_ALLOWANCE for tool in request.tools)
    if request.response_format is not None:
        # Where a provider does not hold answers to it, it stands in the prompt as well.
        found += SCHEMA_ALLOWANCE + 2 * most_tokens(_json(request.response_format.schema))
    return found + (most_tokens(_json(extra_body)) if extra_body else 0)


def most_tokens(text: str) -> int:
    """The most tokens that a text can have."""
    if text.isascii():
        return len(text)
    normal = unicodedata.normalize("NFKC", text)
    return max(len(each.encode("utf-8", "surrogatepass")) for each in (text, normal))


def _json(given: Any) -> str:
    return json.dumps(
        given, ensure_ascii=False, default=lambda value: dict(value) if isinstance(value, Mapping) else str(value)
    )
