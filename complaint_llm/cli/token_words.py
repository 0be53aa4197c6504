"""Numbers of tokens in words: what a provider did not tell is unknown, and not nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from complaint_llm.messages import TokenUsage


def in_and_out(prompt: int, completion: int, *, complete: bool) -> str:
    """Those of prompts and of answers; where they are not ``complete``, these are the least."""
    if not complete and not (prompt or completion):
        return "tokens unknown"
    asked, answered = (_number(each, complete) for each in (prompt, completion))
    return f"{asked} tokens in, {answered} out"


def in_and_out_of(usage: TokenUsage) -> str:
    """Those of one answer."""
    return in_and_out(usage.prompt_tokens, usage.completion_tokens, complete=usage.is_complete)


def token_count(tokens: int, *, complete: bool) -> str:
    """The number of tokens; where they are not ``complete``, it is the least."""
    return f"{_number(tokens, complete)} tokens" if complete or tokens else "tokens unknown"


def _number(tokens: int, complete: bool) -> str:
    if complete:
        return f"{tokens:,}"
    return f"at least {tokens:,}" if tokens else "unknown"
