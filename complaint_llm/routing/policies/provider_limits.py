"""What a provider says of its own limits: rate-limit headers, Retry-After, spent quotas.

Header names and forms as in the providers' API references: OpenAI, xAI, Cerebras and Groq
(``x-ratelimit-remaining-requests``, resets as durations such as ``6m0s`` or as seconds) and Anthropic
(``anthropic-ratelimit-requests-remaining``, resets as RFC 3339 times).
"""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING

from complaint_llm.named_tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from complaint_llm.call import Clock

LONGEST_HOLD = 300.0
"""Seconds for which one word of a provider can hold requests back: an absurd Retry-After must not shut it for good."""

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)"


class Allowance(NamedTuple):
    """What is left of one limit at the provider, the seconds until all of it is back, and how much all is."""

    remaining: int
    reset: float
    limit: int | None = None


class ProviderLimits(NamedTuple):
    """What a response's headers say; None where they say nothing."""

    requests: Allowance | None = None
    tokens: Allowance | None = None


def _limits(kind: str, *forms: str) -> Mapping[str, tuple[str, str, str]]:
    """The headers that tell of limits: by that of what is left, the kind, and those of the reset and the total."""
    return {form.format("remaining"): (kind, form.format("reset"), form.format("limit")) for form in forms}


_LIMITS = {
    **_limits("requests", "x-ratelimit-{}-requests", "anthropic-ratelimit-requests-{}"),
    **_limits("requests a minute", "x-ratelimit-{}-requests-minute"),
    **_limits(
        "tokens",
        "x-ratelimit-{}-tokens",
        "x-ratelimit-{}-tokens-minute",
        "anthropic-ratelimit-tokens-{}",
        "anthropic-ratelimit-input-tokens-{}",
        "anthropic-ratelimit-output-tokens-{}",
    ),
}


def provider_limits(headers: Mapping[str, str], wall: Callable[[], float] = time.time) -> ProviderLimits | None:
    """The limits in a response's headers (lower-case names), or None. Bad values count as none.

    Of several token limits (all, input, output) the tightest counts; of daily and minute limits the minute's.
    """
    tightest: dict[str, Allowance] = {}
    names = set(headers)
    for left, (kind, back, total) in _LIMITS.items():
        if left not in names or back not in names:
            continue
        allowance = _allowance(headers[left], headers[back], headers.get(total, ""), wall)
        if allowance is not None and (kind not in tightest or allowance.remaining < tightest[kind].remaining):
            tightest[kind] = allowance
    if not tightest:
        return None
    return ProviderLimits(tightest.get("requests") or tightest.get("requests a minute"), tightest.get("tokens"))


def _allowance(left: str, back: str, total: str, wall: Callable[[], float]) -> Allowance | None:
    reset = seconds(back, wall)
    if reset is None or not left.strip().isdecimal():
        return None
    return Allowance(int(left), reset, int(total) if total.strip().isdecimal() else None)


EPOCH = 1e9
"""A number from here on is a time in Unix seconds (after 2001), not a length of time (31 years)."""


def seconds(text: str | None, wall: Callable[[], float] = time.time) -> float | None:
    """A reset as seconds from now: ``12ms``, ``6m0s``, ``1.5``, Unix seconds, or an RFC 3339 time; else None."""
    if text is None:
        return None
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if not math.isfinite(number):
            return None
        # Some services send the time itself, in Unix seconds.
        return max(0.0, number - wall() if number >= EPOCH else number)
    pieces = re.findall(_DURATION, text)
    if pieces and "".join(number + unit for number, unit in pieces) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in pieces)
    from datetime import datetime  # cold start: times of day

    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if instant.tzinfo is None else max(0.0, instant.timestamp() - wall())


class _Bucket(NamedTuple):
    """One limit as last observed. It fills up evenly until ``full``, ``pace`` seconds for each that comes back.

    OpenAI and Anthropic both say when all of it is back; without the size of it, nothing is taken to be back before.
    """

    remaining: int
    observed_at: float
    full: float
    pace: float | None

    @classmethod
    def of(cls, allowance: Allowance, now: float) -> _Bucket:
        missing = 0 if allowance.limit is None else allowance.limit - allowance.remaining
        reset = min(allowance.reset, LONGEST_HOLD)
        return cls(allowance.remaining, now, now + reset, allowance.reset / missing if missing > 0 else None)

    def wait(self, wanted: int, in_flight: int, now: float) -> float:
        """Seconds until ``wanted`` more are there."""
        if now >= self.full:
            return 0.0
        short = wanted + in_flight - self.remaining
        if short <= 0:
            return 0.0
        until_full = self.full - now
        return (
            until_full if self.pace is None else max(0.0, min(until_full, self.observed_at + short * self.pace - now))
        )


class ProviderState:
    """The newest word of a provider on its limits. Guarded by the lock of the RateLimit that it belongs to.

    ``in_flight`` attempts may or may not be counted in ``remaining`` yet: they are taken off, which errs on the safe
    side and is put right by the next response.
    """

    __slots__ = ("_clock", "_quota", "_requests", "_tokens", "not_before")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: _Bucket | None = None
        self._tokens: _Bucket | None = None
        self.not_before = 0.0
        self._quota = False

    def observe_limits(self, limits: ProviderLimits) -> None:
        """Take over what a response's headers say."""
        now = self._clock()
        if limits.requests is not None:
            self._requests = _Bucket.of(limits.requests, now)
        if limits.tokens is not None:
            self._tokens = _Bucket.of(limits.tokens, now)

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
        if self._requests is not None:
            wait = max(wait, self._requests.wait(1, in_flight, now))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait(tokens, tokens_in_flight, now))
        return wait
