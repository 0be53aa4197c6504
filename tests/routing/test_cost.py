"""What the policies cost a call in CPU, by the best of several measurements: a busy machine must not fail these."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from routing_model import ask

from complaint_llm.exceptions import CircuitOpenError, ServerError
from complaint_llm.messages import EmbeddingOutput, InferenceOutput
from complaint_llm.routing.policies.admission import admission
from complaint_llm.routing.policies.breaker import Breaker, BreakerSettings
from complaint_llm.routing.policies.load_meter import Meter
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import AnyRequest, Estimate, EventStream, Outcome, Policy, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.request import EmbeddingRequest, Request

ANSWER = InferenceOutput("x", backend="a")


class Instant:
    """A backend that answers without doing anything, so that what is measured is the router."""

    timeout = None
    retry = RetryPolicy()
    weight = 1.0
    local = True
    demo = False
    cancellable = True
    embedding_model = None

    def __init__(self, policies: tuple[Policy, ...]) -> None:
        self.id = "a"
        self.meter = Meter()
        self.policies = policies

    def lacks(self, request: AnyRequest) -> str | None:
        return None

    def estimate(self, request: AnyRequest) -> Estimate:
        return Estimate(1, 1, 0.0)

    def context_window(self, request: AnyRequest) -> int | None:
        return None

    cache_ttl: float | None = None

    def cache_identity(self, request: Request) -> str | None:
        return None

    def bind(self, request: Request) -> Request:
        return request

    def attempt(self, request: Request) -> InferenceOutput:
        return ANSWER

    def attempt_stream(self, request: Request) -> EventStream:
        raise NotImplementedError

    def attempt_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        raise NotImplementedError


CALLS_A_MICROSECOND = 17
"""Empty function calls that a quiet core of 2020's servers makes in a microsecond. A core that others use as well makes
fewer, and everything else takes longer on it too: limits are in microseconds of that quiet core."""


def nothing() -> None:
    """The yardstick."""


def microseconds(*works: Callable[[], object]) -> list[float]:
    """CPU time of this thread per call of each, in microseconds of a quiet core; measured in turn, the best of each."""
    best = [1e9] * (len(works) + 1)
    for _ in range(20):
        for place, work in enumerate((*works, nothing)):
            times = range(300 if work is not nothing else 5000)
            began = time.thread_time()
            for _ in times:
                work()
            best[place] = min(best[place], (time.thread_time() - began) / len(times) * 1e6)
    slower = max(1.0, best.pop() * CALLS_A_MICROSECOND)
    return [each / slower for each in best]


def test_a_known_dead_first_backend_adds_at_most_20_microseconds() -> None:
    breaker = Breaker("dead", BreakerSettings(1, 1e9))
    entered = breaker.enter(ask(), 0)
    assert not isinstance(entered, CircuitOpenError)
    entered.settle(Outcome(0.1, None, ServerError("500", status=500)))
    router, request = Router(), ask(seconds=600)
    dead, live = Instant((breaker,)), Instant(admission("a"))
    alone, behind = microseconds(lambda: router.answer(request, (live,)), lambda: router.answer(request, (dead, live)))
    assert behind - alone <= 20.0


def test_the_default_policies_take_at_most_20_microseconds_of_a_call() -> None:
    router, request, backend = Router(), ask(seconds=600), Instant(admission("a", meter=Meter()))
    (taken,) = microseconds(lambda: router.answer(request, (backend,)))
    assert taken <= 20.0


def test_all_limits_together_take_at_most_25_microseconds() -> None:
    router, request = Router(), ask(seconds=600)
    policies = admission(
        "a",
        meter=Meter(),
        max_concurrency=8,
        rate_limit=10**9,
        tokens_per_minute=10**12,
        estimate=lambda request: Estimate(1, 1, 0.0),
    )
    bare, limited = microseconds(
        lambda: router.answer(request, (Instant(()),)), lambda: router.answer(request, (Instant(policies),))
    )
    assert limited - bare <= 25.0
