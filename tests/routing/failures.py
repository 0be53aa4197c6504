"""How backends fail, and policies that write down what happens to them or are full, by script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from complaint_llm.exceptions import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    ModelNotFoundError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.routing.attempts import LOCAL_LIMIT
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState, RetryPolicy
from tests.routing.routing_model import ModelTime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FAILURES: dict[str, Callable[[], BackendError]] = {
    "500": lambda: ServerError("HTTP 500", status=500),
    "502": lambda: ServerError("HTTP 502", status=502),
    "529": lambda: ServerError("HTTP 529", status=529),
    "429": lambda: RateLimitError("HTTP 429", status=429),
    "429, Retry-After": lambda: RateLimitError("HTTP 429", status=429, retry_after=6.0),
    "429, short Retry-After": lambda: RateLimitError("HTTP 429", status=429, retry_after=0.5),
    "503": lambda: ServerError("HTTP 503", status=503),
    "503, Retry-After": lambda: ServerError("HTTP 503", status=503, retry_after=4.0),
    "refused": lambda: BackendConnectionError("connection refused", sent=False),
    "no name": lambda: BackendConnectionError("the host's name could not be resolved", sent=False),
    "no route": lambda: BackendTimeoutError("no connection in time", sent=False),
    "timeout": lambda: BackendTimeoutError("no answer in time", maybe_received=True),
    "cut": lambda: BackendConnectionError("the connection broke", maybe_received=True),
    "cut stream": lambda: StreamInterruptedError("the stream ended before its proper end"),
    "malformed": lambda: ResponseFormatError("not JSON"),
    "401": lambda: AuthenticationError("HTTP 401", status=401),
    "404": lambda: ModelNotFoundError("HTTP 404", status=404),
    "quota": lambda: QuotaExceededError("HTTP 429 quota", status=429),
    "bug": lambda: BackendError("failed inside the plugin"),
}


AT_ONCE = (
    "429, Retry-After",
    "503",
    "503, Retry-After",
    "refused",
    "no name",
    "no route",
    "timeout",
    "malformed",
    "401",
)


RETRY = RetryPolicy(2)


def router(time: ModelTime, **keys: Any) -> Router:
    return Router(clock=time.clock, sleep=time.sleep, random=lambda: 1.0, **keys)


class Full:
    """A limit that refuses as long as its script says: seconds that are known, an error, or None to admit.

    With ``time`` and not ``known`` it never admits: it holds the caller that long, as a full slot does.
    """

    def __init__(
        self, script: Sequence[float | BackendError | None], time: ModelTime | None = None, *, known: bool = True
    ) -> None:
        self.script = list(script)
        self.time = time
        self.known = known
        self.asked = 0

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit | None:
        self.asked += 1
        step = self.script.pop(0)
        if isinstance(step, BackendError):
            raise step
        if not self.known:
            assert self.time is not None
            self.time.advance(min(max_queue_wait, request.deadline.remaining()))
            raise RateLimitError("full", code=LOCAL_LIMIT, sent=False)
        if step is None:
            return None
        raise RateLimitError("full", code=LOCAL_LIMIT, retry_after=step, sent=False)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        return PolicyState("full", "")


class Recorder:
    """A policy that writes down what happens to it, and refuses what it is told to."""

    def __init__(self, log: list[str], name: str, refuse: Callable[[], BackendError | None] = lambda: None) -> None:
        self.log, self.name, self.refuse = log, name, refuse
        self.max_queue_wait: list[float] = []
        self.outcomes: list[Outcome] = []

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        self.max_queue_wait.append(max_queue_wait)
        refusal = self.refuse()
        if refusal is not None:
            raise refusal
        self.log.append(f"enter {self.name}")
        return self

    def settle(self, outcome: Outcome) -> None:
        self.log.append(f"settle {self.name}")
        self.outcomes.append(outcome)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        return PolicyState(self.name, "")
