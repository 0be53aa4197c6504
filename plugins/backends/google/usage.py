"""Token counts in the words of the Gemini API. Pure."""

from __future__ import annotations

from typing import Any

from complaint_llm.backends.wire import UsageReader, tier_of, token_usage_of
from complaint_llm.messages import TokenUsage


def token_usage(given: Any) -> TokenUsage:
    """The prompt includes what was cached; thoughts are counted outside the candidates. A count of 0 is left out.

    What is odd is unknown, never an error.
    """
    usage = UsageReader(given)
    if not usage:
        return TokenUsage()
    counts = [
        usage.count(name)
        for name in ("promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    ]
    if usage.odd:
        return TokenUsage()
    prompt, tool_use, said, thoughts = (number or 0 for number in counts)
    return token_usage_of(
        usage,
        prompt + tool_use,
        said + thoughts,
        total=usage.hint("totalTokenCount"),
        cached=usage.count("cachedContentTokenCount"),
        reasoning=counts[3],
        tier=tier_of(usage.text("serviceTier")),
        unpriced=_unpriced_part(usage),
    )


_AS_TEXT = (None, "MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "DOCUMENT")
"""Kinds of a prompt's tokens that cost what text does."""


def _unpriced_part(usage: UsageReader) -> str | None:
    """What has a price of its own that the counts do not tell apart, as a phrase: audio, and what is no text of an
    answer (ai.google.dev/gemini-api/docs/pricing). Images and video of a prompt cost what text does."""
    for name, usual in (
        ("promptTokensDetails", _AS_TEXT),
        ("cacheTokensDetails", _AS_TEXT),
        ("toolUsePromptTokensDetails", _AS_TEXT),
        ("candidatesTokensDetails", (None, "MODALITY_UNSPECIFIED", "TEXT")),
    ):
        for kind in usage.entries(name):
            if kind.get("modality") not in usual and kind.get("tokenCount"):
                return f"{kind.get('modality')} tokens"[:40]
    return None
