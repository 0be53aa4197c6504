"""How an upper bound of a request's price is found, for budgets alone; estimates of usual prices are in ``facts``.

A token of every byte-pair tokenizer has at least one byte, of the text as it is or after NFKC, so a text has at most as
many tokens as bytes in the longer of the two. What providers put around texts is covered by the allowances below.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.backends.wire.usage import STANDARD_TIERS, tier_of
from complaint_llm.routing.policies.bound import FREE, LEAST_ANSWER, Bound

if TYPE_CHECKING:
    from complaint_llm.backends.answer_limits import AnswerLimits
    from complaint_llm.messages import ModelInfo, Price
    from complaint_llm.prices import BillingRule
    from complaint_llm.request import EmbeddingRequest, Request

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
_UNBOUNDED_FILES = (
    "images and files have no upper bound in tokens: no budget can hold them; ask a backend without one, "
    'or give the text of documents ("documents": "text")'
)


class Rate(NamedTuple):
    """US dollars that a token costs at most in prompts of more than ``above`` tokens: one of the ``prompt``, and one of
    the ``answer`` (None: unknown)."""

    above: int
    prompt: float
    answer: float | None


class ModelBounds(NamedTuple):
    """What no prompt changes in the bounds of a model's requests with one ``extra_body``, made by ``model_bounds``.

    ``rates`` by their ``above``, the first from 0; ``tokens`` are those of what goes with every prompt; ``maximum`` is
    the greatest that ``extra_body`` puts in place of ``max_tokens``; ``longest`` the most tokens of an answer without
    a maximum, where it is known; ``sends_maximum`` says whether the service is told ``max_tokens``; ``unpriced`` is why
    no request can have a bound, ``unbounded`` what in ``extra_body`` has none, with what to do.
    """

    name: str
    rates: tuple[Rate, ...] = ()
    tokens: int = 0
    maximum: int | None = None
    longest: int | None = None
    sends_maximum: bool = True
    unpriced: str | None = None
    unbounded: str | None = None

    def of_texts(self, request: EmbeddingRequest) -> Bound:
        """The bound of embedding these texts."""
        if self.unpriced is not None:
            return _unknown(self.unpriced)
        tokens = REQUEST_ALLOWANCE + sum(most_tokens(text) + MESSAGE_ALLOWANCE for text in request.texts)
        return Bound(tokens * self._rate(tokens).prompt)

    def of_prompt(self, request: Request, params: Mapping[str, Any]) -> Bound:
        """The bound of one attempt. ``params`` are those that the request does not say."""
        if self.unpriced is not None:
            return _unknown(self.unpriced)
        tokens = self.tokens + _prompt_tokens(request)
        _, input_price, token = self.rates[0] if len(self.rates) == 1 else self._rate(tokens)
        if token is None:
            return _unknown(f"the price of {self.name}'s answers is unknown: set pricing.output")
        if not input_price and not token:
            return FREE
        if tokens == math.inf:
            return _unknown(_UNBOUNDED_FILES)
        if self.unbounded is not None:
            return _unknown(self.unbounded)
        most, given = self.maximum, request.params
        asked = given.get("max_tokens", params.get("max_tokens")) if self.sends_maximum else None
        if asked is not None and (most is None or asked > most):
            most = asked
        if most is not None:
            return Bound(tokens * input_price, token, most)
        most = self.longest
        if most is None:
            what = "set max_tokens" if self.sends_maximum else "it takes no max_tokens; ask a backend without a budget"
            return _unknown(f"the longest answer of {self.name} is not known, so it has no bound: {what}")
        least = LEAST_ANSWER + (given.get("thinking_budget", params.get("thinking_budget")) or 0)
        return Bound(tokens * input_price, token, most, chosen=not self.sends_maximum, least=least)

    def _rate(self, tokens: float) -> Rate:
        """The rate of a prompt of so many tokens."""
        found = self.rates[0]
        for rate in self.rates:
            if rate.above < tokens:
                found = rate
        return found


def model_bounds(
    info: ModelInfo, rule: BillingRule, limits: AnswerLimits, *, system: str, extra_body: Mapping[str, Any]
) -> ModelBounds:
    """What no prompt changes in the bounds of this model; ``system`` is the text that is added to prompts,
    ``extra_body`` what is laid over each request."""
    name = info.name or "the model"
    if info.input_price is None:
        why = f"the price of {name} is unknown, so the budget could not be kept: set pricing"
        return ModelBounds(name, unpriced=why)
    asked = _asked_tier(extra_body)
    if asked is not None and asked not in STANDARD_TIERS and all(each.service_tier != asked for each in info.prices):
        why = f"the price of service tier {asked!r} is unknown: leave it out of extra_body"
        return ModelBounds(name, unpriced=why)
    written = _json(extra_body) if extra_body else ""
    tokens = REQUEST_ALLOWANCE + limits.overhead + most_tokens(written)
    if system:
        tokens += most_tokens(system) + MESSAGE_ALLOWANCE
    # A tier that the request does not name may be one that the account has set; one that it names may not be had.
    prices = [each for each in info.prices if asked is None or each.service_tier in (None, asked)]
    return ModelBounds(
        name,
        rates=tuple(_rates(prices, rule, long="cache" in written)),
        tokens=tokens,
        maximum=max(_maxima(extra_body), default=None),
        longest=info.max_output_tokens if limits.longest is None else limits.longest,
        sends_maximum=limits.sends_maximum,
        unbounded=_unbounded_part(extra_body),
    )


def _rates(prices: Sequence[Price], rule: BillingRule, *, long: bool) -> Iterator[Rate]:
    """The dearest that prompts of each length may cost."""
    for above in sorted({0, *(price.above for price in prices)}):
        reached = [price for price in prices if price.above <= above]
        outputs = [price.output for price in reached if price.output is not None]
        answer = max(outputs) * rule.surcharge / 1e6 if len(outputs) == len(reached) else None
        yield Rate(above, _dearest_input(reached, rule, long=long) * rule.surcharge / 1e6, answer)


def _unknown(why: str) -> Bound:
    return Bound(0.0, unknown=why)


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


def _unbounded_part(extra_body: Mapping[str, Any]) -> str | None:
    """What in it has no upper bound, and what to do."""
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


def _prompt_tokens(request: Request) -> float:
    """The most tokens that the prompt can have, without what goes with every prompt; infinity where it shows images or
    files."""
    found: float = 0
    for message in request.messages:
        content = message.content
        if isinstance(content, str):
            found += (len(content) if content.isascii() else most_tokens(content)) + MESSAGE_ALLOWANCE
        else:
            found += most_tokens(message.text) + MESSAGE_ALLOWANCE * (1 + len(content))
            if any(part.type != "text" for part in content):
                found = math.inf
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
    return found


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
