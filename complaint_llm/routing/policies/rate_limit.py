"""Requests and tokens per time, ours and the provider's: one queue, first come first served."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from complaint_llm.exceptions import BackendError, QuotaExceededError, RateLimitError
from complaint_llm.routing.attempts import full
from complaint_llm.routing.policies.provider_limits import ProviderLimits, ProviderState
from complaint_llm.routing.policies.window import Window, WindowEntry
from complaint_llm.routing.target import AnyRequest, Estimate, Outcome, Permit, PolicyState
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import BRIEF, FOREVER, Turnstile, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.call import Clock

QUOTA_HOLD = 30.0
"""Seconds for which a backend is left alone after it said that its quota or credit is spent."""


class RateLimit:
    """Admits as many requests and tokens as both our limits and the provider's allow.

    ``requests`` in any ``window`` seconds; ``tokens_per_minute`` are reserved by ``estimate`` and settled with what
    the answer used. Without limits of ours it only heeds the provider: a 429, 503 or 529 with Retry-After holds all
    requests until then; headers, once they were seen, do the same before it comes to that. ``wait`` False never waits.

    Any thread may call it. The turnstile's lock guards everything here; nothing is held while a thread waits.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_estimate",
        "_gate",
        "_headers",
        "_id",
        "_in_flight",
        "_provider",
        "_requests",
        "_tokens",
        "_tokens_in_flight",
        "_wait",
    )

    def __init__(
        self,
        id: str,
        *,
        requests: int | None = None,
        window: float = 60.0,
        tokens_per_minute: int | None = None,
        estimate: Callable[[AnyRequest], Estimate] | None = None,
        wait: bool = True,
        clock: Clock = time.monotonic,
        make_waiter: Callable[[], Waiter] = Waiter,
    ) -> None:
        self._id = id
        self._clock = clock
        self._wait = wait
        self._estimate = estimate
        self._requests = None if requests is None else Window(requests, window)
        self._tokens = None if tokens_per_minute is None else Window(tokens_per_minute, 60.0)
        self._provider = ProviderState(clock)
        self._headers = False
        self._in_flight = 0
        self._tokens_in_flight = 0
        self._gate = Turnstile(clock, make_waiter)
        reset_in_child(self)

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        """Admit, now or when there is room, or raise RateLimitError (``retry_after``: seconds, where known).

        After a spent quota QuotaExceededError comes at once for a while.
        """
        if self._requests is None and self._tokens is None and not self._headers and not self._provider.not_before:
            return self
        tokens = self.tokens_of(request)
        ticket = _Ticket(self, tokens)
        wait = self._gate.enter(ticket.take, request, self.longest_wait(max_queue_wait, tokens))
        if not wait:
            return ticket
        when = "" if wait == FOREVER else f"; free in {wait:.1f} s"
        raise full(f"rate limit reached{when}", wait)

    def count(self, request: AnyRequest) -> Permit:
        """Count an attempt that was admitted elsewhere, whatever the limits say."""
        ticket = _Ticket(self, self.tokens_of(request))
        with self._gate.lock:
            self._take(ticket, self._clock())
        return ticket

    def provider_wait(self, tokens: int) -> float:
        """Seconds until the provider would take another request, by what it said; 0.0 if now."""
        with self._gate.lock:
            return self._provider.wait(tokens, self._in_flight, self._tokens_in_flight, self._clock())

    def longest_wait(self, seconds: float, tokens: int) -> float:
        """Seconds to wait of those allowed: none where waiting is off, and none for a provider that holds requests back
        for more than a moment while another backend is left."""
        held = seconds != FOREVER and self.provider_wait(tokens) > BRIEF
        return seconds if self._wait and not held else 0.0

    def settle(self, outcome: Outcome) -> None:
        """The end of an attempt for which nothing was counted: observe what the provider said."""
        if outcome.error is not None:
            with self._gate.lock:
                self._observe_error(outcome.error)

    def observe_limits(self, limits: ProviderLimits) -> None:
        """A response's headers (see ``provider_limits.provider_limits``). Call it for each response, errors too."""
        with self._gate.lock:
            self._headers = True
            self._provider.observe_limits(limits)
            self._gate.notify()

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """What is used of each limit, and whether ``request`` would be admitted now."""
        with self._gate.lock:
            now = self._clock()
            parts = []
            if self._requests is not None:
                used = self._requests.usage(now)
                parts.append(f"{used} of {self._requests.limit} requests in {self._requests.length:g} s")
            if self._tokens is not None:
                parts.append(f"{self._tokens.usage(now)} of {self._tokens.limit} tokens in 60 s")
            wait = self._wait_for(1 if request is None else self.tokens_of(request), now)
            waiting = self._gate.waiting
        if wait:
            parts.append(f"free in {wait:.1f} s")
        if waiting:
            parts.append(f"{waiting} waiting")
        return PolicyState("rate limit", ", ".join(parts) or "none", ready=not wait and not waiting)

    def after_fork(self) -> None:
        """What was under way and who waited belongs to the parent; what was sent counts for the same key."""
        self._gate.forget()
        self._in_flight = self._tokens_in_flight = 0

    def take(self, ticket: _Ticket) -> float:
        """Take what the ticket needs, or return the seconds to wait; called with the lock held."""
        now = self._clock()
        quota_back = self._provider.quota_back(now)
        if quota_back:
            # Waiting does not help: who stands in the queue is told so too.
            raise QuotaExceededError(
                f"its quota was spent just now; asked again in {quota_back:.0f} s",
                backend=self._id,
                retry_after=quota_back,
                sent=False,
            )
        wait = self._wait_for(ticket.tokens, now)
        if not wait:
            self._take(ticket, now)
        return wait

    def give_back(self, ticket: _Ticket, outcome: Outcome) -> None:
        """Settle a ticket: what was not sent is free again, tokens are corrected to what was used."""
        with self._gate.lock:
            now = self._clock()
            self._in_flight = max(0, self._in_flight - 1)
            self._tokens_in_flight = max(0, self._tokens_in_flight - ticket.tokens)
            error = outcome.error
            unsent = outcome.output is None and (error is None or not error.sent)
            if unsent and ticket.request_entry is not None and self._requests is not None:
                self._requests.correct(ticket.request_entry, 0, now)
            if ticket.token_entry is not None and self._tokens is not None:
                used = 0 if unsent else tokens_used(outcome, ticket.tokens)
                self._tokens.correct(ticket.token_entry, used, now)
            if error is not None:
                self._observe_error(error)
            self._gate.notify()

    def _take(self, ticket: _Ticket, now: float) -> None:
        if self._requests is not None:
            ticket.request_entry = self._requests.take(1, now)
        if self._tokens is not None:
            ticket.token_entry = self._tokens.take(ticket.tokens, now)
        self._in_flight += 1
        self._tokens_in_flight += ticket.tokens

    def _wait_for(self, tokens: int, now: float) -> float:
        wait = self._provider.wait(tokens, self._in_flight, self._tokens_in_flight, now)
        if self._requests is not None:
            wait = max(wait, self._requests.wait(1, now))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait(tokens, now))
        return wait

    def _observe_error(self, error: BackendError) -> None:
        signal = hold_of(error)
        if signal is not None:
            self._provider.hold(*signal)

    def tokens_of(self, request: AnyRequest) -> int:
        """Tokens to reserve for a request, where tokens are counted at all."""
        if self._estimate is None or (self._tokens is None and not self._headers):
            return 0
        estimate = self._estimate(request)
        return estimate.prompt_tokens + (estimate.completion_tokens or 0)


class _Ticket:
    """What one attempt took; its permit."""

    __slots__ = ("_limit", "request_entry", "token_entry", "tokens")

    def __init__(self, limit: RateLimit, tokens: int) -> None:
        self._limit = limit
        self.tokens = tokens
        self.request_entry: WindowEntry | None = None
        self.token_entry: WindowEntry | None = None

    def take(self) -> float:
        return self._limit.take(self)

    def settle(self, outcome: Outcome) -> None:
        self._limit.give_back(self, outcome)


def hold_of(error: BackendError) -> tuple[float, bool] | None:
    """A provider's word that holds for all requests: seconds to send nothing, and whether its quota is spent.

    None for what concerns one request only, and for refusals of ours (nothing was sent).
    """
    if not error.sent:
        return None
    asked = error.retry_after if error.retry_after is not None and error.retry_after > 0 else None
    if isinstance(error, QuotaExceededError):
        return QUOTA_HOLD if asked is None else asked, True
    if asked is not None and (isinstance(error, RateLimitError) or error.status in (429, 503, 529)):
        return asked, False
    return None


def tokens_used(outcome: Outcome, reserved: int) -> int:
    """What an attempt that was sent used: as reported, else what was reserved for it."""
    usage = None if outcome.output is None else outcome.output.token_usage
    if usage is None:
        return reserved
    return usage.total_tokens or usage.prompt_tokens + usage.completion_tokens or reserved
