"""What a model is, what an answer of it used, and what that costs."""

from __future__ import annotations

from complaint_llm.named_tuples import NamedTuple

INCOMPLETE = "tokens that the provider did not tell"
"""In ``TokenUsage.unpriced`` where only a part of the tokens was told."""


class TokenUsage(NamedTuple):
    """Tokens of one answer, and what else its price depends on. All zero: unknown, the provider said nothing readable.

    ``prompt_tokens`` includes ``cached_tokens`` and ``cache_write_tokens``; ``completion_tokens`` includes
    ``reasoning_tokens``. These parts are ``None`` where the provider does not say.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None
    """Tokens of the prompt that were written to the provider's cache."""
    cache_write_1h_tokens: int | None = None
    """Those of them that are kept for an hour (Anthropic), at a price of their own."""
    service_tier: str | None = None
    """The provider's name of the service tier that answered, where it is not the standard one."""
    unpriced: str | None = None
    """What was billed besides these counts, or could not be read, as a phrase: the cost is unknown then."""

    @property
    def is_complete(self) -> bool:
        """Whether the provider told all tokens; otherwise these counts are the least that it may have been."""
        return bool(self.prompt_tokens or self.completion_tokens) and INCOMPLETE not in (self.unpriced or "")

    @property
    def known_counts(self) -> tuple[int | None, int | None]:
        """Tokens of the prompt and of the answer; None for what the provider did not tell."""
        if self.is_complete:
            return self.prompt_tokens, self.completion_tokens
        return self.prompt_tokens or None, self.completion_tokens or None


class Price(NamedTuple):
    """US dollars per million tokens, for prompts of more than ``above`` tokens that one service tier answers (None: the
    standard one). ``None`` is unknown, never free; cached input without a price of its own costs what input does."""

    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    above: int = 0
    service_tier: str | None = None

    def cost(self, usage: TokenUsage) -> float | None:
        """US dollars for this usage; ``None`` if a price that it needs is unknown, or its parts exceed the whole."""
        return _dollars(
            usage, self.input, self.output, self.cached_input, self.cache_write, self.cache_write_1h
        )


class ModelInfo(NamedTuple):
    """What is known of a model. Prices are US dollars per million tokens; ``None`` is unknown, never free."""

    name: str
    provider: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_input_price: float | None = None
    capabilities: frozenset[str] = frozenset()
    retires: str | None = None
    """The day (ISO date) on which the provider stops or stopped serving it, where known."""
    cache_write_price: float | None = None
    cache_write_1h_price: float | None = None
    other_prices: tuple[Price, ...] = ()
    """Prices of longer prompts and of other service tiers."""

    @property
    def prices(self) -> tuple[Price, ...]:
        """All prices: the usual one, then the others."""
        usual = Price(
            self.input_price,
            self.output_price,
            self.cached_input_price,
            self.cache_write_price,
            self.cache_write_1h_price,
        )
        return (usual, *self.other_prices)

    def calculate_cost(self, usage: TokenUsage) -> float | None:
        """US dollars for this usage; ``None`` if a price that it needs is unknown, or it names what has no price."""
        if usage.unpriced is not None or self.input_price is None:
            return None
        if not self.other_prices:
            if usage.service_tier is not None:
                return None
            return _dollars(
                usage,
                self.input_price,
                self.output_price,
                self.cached_input_price,
                self.cache_write_price,
                self.cache_write_1h_price,
            )
        fitting = [
            price
            for price in self.prices
            if price.service_tier == usage.service_tier and (price.above < usage.prompt_tokens or not price.above)
        ]
        return max(fitting, key=lambda price: price.above).cost(usage) if fitting else None


def _dollars(
    usage: TokenUsage,
    input: float | None,
    output: float | None,
    cached_input: float | None,
    cache_write: float | None,
    cache_write_1h: float | None,
) -> float | None:
    cached = usage.cached_tokens or 0
    written = usage.cache_write_tokens or 0
    hour = usage.cache_write_1h_tokens or 0
    fresh = usage.prompt_tokens - cached - written
    if fresh < 0 or hour > written:
        return None
    parts = [(fresh, input), (usage.completion_tokens, output)]
    if cached or written:
        parts.append((cached, input if cached_input is None else cached_input))
        parts += (written - hour, cache_write), (hour, cache_write_1h)
    dollars = 0.0
    for tokens, price in parts:
        if tokens:
            if price is None:
                return None
            dollars += tokens * price
    return dollars / 1e6
