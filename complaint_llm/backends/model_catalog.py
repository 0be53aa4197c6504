"""What a backend knows of its models: prices, context windows, and what a request may cost at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.answer_limits import AnswerLimits
from complaint_llm.messages import ModelInfo, TokenUsage
from complaint_llm.request import EmbeddingRequest, Request
from complaint_llm.routing.target import Estimate

if TYPE_CHECKING:
    from complaint_llm.backends.bounds import ModelBounds
    from complaint_llm.backends.options import Options
    from complaint_llm.routing.policies.bound import Bound

MESSAGE_TOKENS = 4
"""Tokens that the frame of one message costs, about, in every provider's chat format."""


def _tokens(text: str) -> int:
    """Tokens of a text, roughly: four bytes each, as OpenAI's and Anthropic's help pages say of English."""
    return (len(text.encode("utf-8", "surrogatepass")) + 3) // 4


class ModelCatalog:
    """What is known of one backend's models, each looked up once. Any thread may call it.

    ``provider`` names the provider in the price list, or None where the list cannot know what this backend costs; it is
    asked when a price is first needed. The config's own ``pricing`` counts before the list.
    """

    def __init__(
        self, type: str, capabilities: frozenset[str], options: Options, provider: Callable[[], str | None]
    ) -> None:
        self._type = type
        self._capabilities = capabilities
        self._options = options
        self._provider = provider
        self._known: dict[str, ModelInfo] = {}
        self._bounds: dict[str, ModelBounds] = {}

    def of(self, model: str) -> ModelInfo:
        """What is known of this model."""
        known = self._known.get(model)
        if known is None:
            known = self._known[model] = self._look_up(model)
        return known

    def estimate(self, request: Request | EmbeddingRequest) -> Estimate:
        """What an attempt may use at most; see ``routing.target.Estimate``."""
        if isinstance(request, EmbeddingRequest):
            prompt = sum(_tokens(text) for text in request.texts)
            info = self.of(request.model or self._options.embedding_model or "")
            return Estimate(prompt, 0, info.calculate_cost(TokenUsage(prompt, 0, prompt)))
        prompt = request.file_tokens
        for message in request.messages:
            content = message.content
            prompt += _tokens(content if isinstance(content, str) else message.text) + MESSAGE_TOKENS
        info = self.of(request.model or self._options.model or "")
        most = request.params.get("max_tokens") or self._options.params.get("max_tokens")
        if most is None:
            free = info.output_price == 0
            return Estimate(prompt, cost=info.calculate_cost(TokenUsage(prompt, 0, prompt)) if free else None)
        return Estimate(prompt, most, info.calculate_cost(TokenUsage(prompt, most, prompt + most)))

    def cost_bound(self, request: Request, limits: Callable[[str], AnswerLimits]) -> Bound:
        """The most that an attempt can cost; ``limits`` gives those of a model; see ``bounds.ModelBounds``."""
        options = self._options
        model = request.model or options.model or ""
        bounds = None if request.extra_body else self._bounds.get(model)
        if bounds is None:
            bounds = self._make_bounds(model, request.extra_body, limits(model))
        return bounds.of_prompt(request, options.params)

    def embedding_cost_bound(self, request: EmbeddingRequest) -> Bound:
        """The most that an attempt to embed these texts can cost."""
        model = request.model or self._options.embedding_model or ""
        return self._make_bounds(model, request.extra_body, AnswerLimits()).of_texts(request)

    def cost(self, model: str, usage: TokenUsage, extra_body: Mapping[str, Any]) -> float | None:
        """US dollars of an answer; None where the request asked for what the answer does not tell the price of."""
        if usage.service_tier is None and extra_body:
            from complaint_llm.backends.bounds import untold_fee  # cold start: prices

            if untold_fee(extra_body):
                return None
        return self.of(model).calculate_cost(usage)

    def _make_bounds(self, model: str, extra_body: Mapping[str, Any], limits: AnswerLimits) -> ModelBounds:
        """What no prompt changes in the bounds of this model; kept where the call lays nothing over the body."""
        # cold start: prices
        from complaint_llm.backends.bounds import model_bounds
        from complaint_llm.prices import billing_rule

        options = self._options
        made = model_bounds(
            self.of(model),
            billing_rule(self._provider()),
            limits,
            system=options.system or "",
            extra_body={**options.extra_body, **extra_body},
        )
        if not extra_body and len(self._bounds) < 256:  # bounded: model names come from callers
            self._bounds[model] = made
        return made

    def _look_up(self, model: str) -> ModelInfo:
        provider = self._provider()
        found: ModelInfo | None = None
        if provider is not None:
            from complaint_llm.prices import model_facts, today  # cold start: prices

            found = model_facts(provider, model, today())
        info = (found or ModelInfo(model, self._type))._replace(provider=self._type, capabilities=self._capabilities)
        own = self._options.pricing
        if own is None:
            return info
        return info._replace(
            input_price=own.get("input"),
            output_price=own.get("output"),
            cached_input_price=own.get("cached_input"),
            cache_write_price=own.get("cache_write"),
            cache_write_1h_price=own.get("cache_write_1h"),
            other_prices=(),
        )
