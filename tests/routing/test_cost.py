"""What the policies cost a call, by the interpreter's instructions: a busy machine must not fail these."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from complaint_llm.exceptions import CircuitOpenError, ServerError
from complaint_llm.messages import EmbeddingOutput, InferenceOutput
from complaint_llm.routing.policies.admission import admission
from complaint_llm.routing.policies.breaker import Breaker, BreakerSettings
from complaint_llm.routing.policies.load_meter import Meter
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import AnyRequest, Estimate, EventStream, Outcome, Policy, RetryPolicy
from tests.routing.routing_model import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

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


INSTRUCTIONS_A_MICROSECOND = 75
"""The interpreter's, as a quiet core of 2020's servers does them in code like this."""
MUCH = 10
"""By how many times the CPU time may be over the limit on a core that others use as well."""


def instructions(work: Callable[[], object]) -> int:
    """How many instructions of the interpreter one call of it is: the same on any machine, at any load."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    work()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def seconds(work: Callable[[], object]) -> float:
    """CPU time of this thread for one call of it, the best of many."""
    best = 1e9
    for _ in range(20):
        began = time.thread_time()
        for _ in range(100):
            work()
        best = min(best, (time.thread_time() - began) / 100)
    return best


def check(microseconds: float, work: Callable[[], object], less: Callable[[], object] | None = None) -> None:
    """``work`` costs at most so much, or so much more than ``less``: by instructions, and roughly by CPU time, which
    sees what the interpreter's instructions do not, such as system calls."""
    count, time_taken = instructions(work), seconds(work)
    if less is not None:
        count, time_taken = count - instructions(less), time_taken - seconds(less)
    assert 0 < count <= microseconds * INSTRUCTIONS_A_MICROSECOND
    assert time_taken <= microseconds * 1e-6 * MUCH


def test_a_known_dead_first_backend_adds_at_most_20_microseconds() -> None:
    breaker = Breaker("dead", BreakerSettings(1, 1e9))
    entered = breaker.enter(ask(), 0)
    assert not isinstance(entered, CircuitOpenError)
    entered.settle(Outcome(0.1, None, ServerError("500", status=500)))
    router, request = Router(), ask(seconds=600)
    dead, live = Instant((breaker,)), Instant(admission("a"))
    check(20.0, lambda: router.answer(request, (dead, live)), lambda: router.answer(request, (live,)))


def test_the_default_policies_take_at_most_20_microseconds_of_a_call() -> None:
    router, request, backend = Router(), ask(seconds=600), Instant(admission("a", meter=Meter()))
    check(20.0, lambda: router.answer(request, (backend,)))


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
    bare, limited = Instant(()), Instant(policies)
    check(25.0, lambda: router.answer(request, (limited,)), lambda: router.answer(request, (bare,)))
