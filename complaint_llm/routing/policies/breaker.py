"""The circuit breaker: a backend that keeps failing is left alone for a while, then probed once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from complaint_llm.exceptions import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    CircuitOpenError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from complaint_llm.call import Clock

COUNTED = (
    BackendTimeoutError,
    BackendConnectionError,
    ServerError,
    ResponseFormatError,
    StreamInterruptedError,
    AuthenticationError,
)
"""Failures that count. Other refusals (4xx), limits of ours and cancellations say nothing of the backend's health."""


class BreakerSettings(NamedTuple):
    """``failures`` in a row open the circuit; after ``cooldown`` seconds one probe is let through."""

    failures: int = 5
    cooldown: float = 30.0


USUAL = BreakerSettings()


class Breaker:
    """Closed: all pass. Open: none for ``cooldown``. Then one probe: its success closes, its failure opens again.

    Any thread may call it; ``_lock`` guards the fields and is never held over an attempt. A probe that is not settled
     within ``cooldown`` has lost its lease, and the next request is the probe. Outcomes count only for the state in
    which their attempt started: each change of state makes a new ``_Term``.
    """

    __slots__ = ("__weakref__", "_clock", "_failures", "_id", "_lock", "_open_until", "_settings", "_term")

    def __init__(self, id: str, settings: BreakerSettings = USUAL, clock: Clock = time.monotonic) -> None:
        self._id = id
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._term = _Term(self)
        reset_in_child(self)

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit | CircuitOpenError:
        """Admit, or return the refusal at once; it never waits."""
        until = self._open_until
        if until is None:
            return self._term
        with self._lock:
            until, now = self._open_until, self._clock()
            left = 0.0 if until is None else until - now
            if until is not None and left <= 0:
                # This request is the probe; until its lease ends the circuit stays shut for all others.
                self._open_until = now + self._settings.cooldown
                self._term = _Term(self, probe=True)
            if left <= 0:
                return self._term
        return CircuitOpenError(f"circuit open, probed in {left:.1f} s", backend=self._id, retry_after=left, sent=False)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """Closed with its failures so far, or open with the time to the next probe."""
        until = self._open_until
        if until is None:
            return PolicyState("circuit", f"closed, {self._failures} of {self._settings.failures} failures")
        left = until - self._clock()
        if left <= 0:
            return PolicyState("circuit", "half open: the next request is the probe")
        return PolicyState("circuit", f"open, probed in {left:.1f} s", ready=False)

    def after_fork(self) -> None:
        """The child has none of the parent's threads: nobody holds the lock or the probe."""
        self._lock = threading.Lock()

    def record_outcome(self, term: _Term, outcome: Outcome) -> None:
        """Count how an attempt of ``term`` ended."""
        error = outcome.error
        if outcome.output is not None and not term.probe and not self._failures:
            return
        with self._lock:
            if term is not self._term:
                return
            if outcome.output is not None:
                self._close()
            elif error is not None and counts(error):
                self._failures += 1
                if term.probe or self._failures >= self._settings.failures:
                    self._open()
            elif term.probe:
                if error is not None and error.sent and error.status is not None:
                    self._close()  # it refused this request, but it is there and answers
                else:
                    self._open_until = self._clock()  # the probe said nothing: let the next request be one

    def _open(self) -> None:
        self._open_until = self._clock() + self._settings.cooldown
        self._term = _Term(self)

    def _close(self) -> None:
        self._failures = 0
        if self._open_until is not None:
            self._open_until = None
            self._term = _Term(self)


class _Term:
    """One stretch of one state, and the permit of all attempts that start in it."""

    __slots__ = ("_breaker", "probe")

    def __init__(self, breaker: Breaker, *, probe: bool = False) -> None:
        self._breaker = breaker
        self.probe = probe

    def settle(self, outcome: Outcome) -> None:
        self._breaker.record_outcome(self, outcome)


def counts(error: BackendError) -> bool:
    """Whether this failure says that the backend is unwell."""
    return isinstance(error, COUNTED)
