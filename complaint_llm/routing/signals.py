"""What a provider says of its own limits: rate-limit headers, Retry-After, spent quotas.

Header names and forms as in the providers' API references: OpenAI, xAI, Cerebras and Groq
(``x-ratelimit-remaining-requests``, resets as durations such as ``6m0s`` or as seconds) and Anthropic
(``anthropic-ratelimit-requests-remaining``, resets as RFC 3339 times).
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from complaint_llm.call import Clock

LONGEST_HOLD = 300.0
"""Seconds for which one word of a provider can hold requests back: an absurd Retry-After must not shut it for good."""

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)"


class Allowance(NamedTuple):
    """What is left of one limit at the provider, and the seconds until all of it is back."""

    remaining: int
    reset: float


class ProviderLimits(NamedTuple):
    """What a response's headers say; None where they say nothing."""

    requests: Allowance | None = None
    tokens: Allowance | None = None


def provider_limits(headers: Mapping[str, str], wall: Callable[[], float] = time.time) -> ProviderLimits | None:
    """The limits in a response's headers (``get`` must not mind the case of names), or None. Bad values count as none.

    Of several token limits (all, input, output) the tightest counts; of daily and minute limits the minute's.
    """
    requests = _tightest(headers, wall, ("x-ratelimit-{}-requests", "anthropic-ratelimit-requests-{}"))
    if requests is None:
        requests = _tightest(headers, wall, ("x-ratelimit-{}-requests-minute",))
    tokens = _tightest(
        headers,
        wall,
        (
            "x-ratelimit-{}-tokens",
            "x-ratelimit-{}-tokens-minute",
            "anthropic-ratelimit-tokens-{}",
            "anthropic-ratelimit-input-tokens-{}",
            "anthropic-ratelimit-output-tokens-{}",
        ),
    )
    return None if requests is None and tokens is None else ProviderLimits(requests, tokens)


def _tightest(headers: Mapping[str, str], wall: Callable[[], float], names: Iterable[str]) -> Allowance | None:
    found: Allowance | None = None
    for name in names:
        remaining = headers.get(name.format("remaining"))
        if remaining is None:
            continue
        reset = seconds(headers.get(name.format("reset")), wall)
        if reset is None or not remaining.strip().isdecimal():
            continue
        allowance = Allowance(int(remaining), reset)
        if found is None or allowance.remaining < found.remaining:
            found = allowance
    return found


def seconds(text: str | None, wall: Callable[[], float] = time.time) -> float | None:
    """A reset as seconds from now: ``12ms``, ``6m0s``, ``1.5``, or an RFC 3339 time. None if it is none of these."""
    if text is None:
        return None
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return max(0.0, number) if math.isfinite(number) else None
    import re

    pieces = re.findall(_DURATION, text)
    if pieces and "".join(number + unit for number, unit in pieces) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in pieces)
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else max(0.0, moment.timestamp() - wall())


class ProviderSignals:
    """The newest word of a provider on its limits. Guarded by the lock of the RateLimit that it belongs to.

    ``in_flight`` attempts may or may not be counted in ``remaining`` yet: they are taken off, which errs on the safe
    side and is put right by the next response.
    """

    __slots__ = ("_clock", "_quota", "_requests", "_requests_until", "_tokens", "_tokens_until", "not_before")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests = 0
        self._requests_until = 0.0
        self._tokens = 0
        self._tokens_until = 0.0
        self.not_before = 0.0
        self._quota = False

    def heard(self, limits: ProviderLimits) -> None:
        """Take over what a response's headers say."""
        now = self._clock()
        if limits.requests is not None:
            self._requests = limits.requests.remaining
            self._requests_until = now + min(limits.requests.reset, LONGEST_HOLD)
        if limits.tokens is not None:
            self._tokens = limits.tokens.remaining
            self._tokens_until = now + min(limits.tokens.reset, LONGEST_HOLD)

    def hold(self, seconds: float, quota: bool) -> None:
        """Send nothing for ``seconds``: the provider asked for it, or the quota is spent."""
        self.not_before = max(self.not_before, self._clock() + min(seconds, LONGEST_HOLD))
        self._quota = quota

    def quota_back(self, now: float) -> float:
        """Seconds for which a spent quota makes asking pointless; 0.0 where none is known to be spent."""
        return max(0.0, self.not_before - now) if self._quota else 0.0

    def wait(self, tokens: int, in_flight: int, tokens_in_flight: int, now: float) -> float:
        """Seconds until the provider would take another request of ``tokens``, by what it said; 0.0 if now."""
        wait = max(0.0, self.not_before - now)
        if now < self._requests_until and self._requests - in_flight < 1:
            wait = max(wait, self._requests_until - now)
        if now < self._tokens_until and self._tokens - tokens_in_flight < tokens:
            wait = max(wait, self._tokens_until - now)
        return wait
