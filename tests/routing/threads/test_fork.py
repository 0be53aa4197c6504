"""A forked child can use every policy, even if a thread of its parent held a lock or waited at that moment."""

from __future__ import annotations

import os
import threading
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from complaint_llm.exceptions import RateLimitError, ServerError
from complaint_llm.messages import InferenceOutput
from complaint_llm.routing.cache.response_cache import Cache
from complaint_llm.routing.policies.breaker import Breaker, BreakerSettings
from complaint_llm.routing.policies.concurrency import Concurrency
from complaint_llm.routing.policies.load_meter import Meter
from complaint_llm.routing.policies.rate_limit import RateLimit
from complaint_llm.routing.router import Router
from complaint_llm.routing.strategies import make_strategy
from complaint_llm.routing.target import AnyRequest, Outcome
from complaint_llm.routing.threads.waiting import Waiter
from tests.routing.held_lock import Gate, held_elsewhere
from tests.routing.routing_model import Scripted, answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_child(work: Callable[[], bool]) -> bool:
    """Whether ``work`` returned True in a forked child, within ten seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forking with threads: that is what is tried here
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            threading.Timer(10.0, os._exit, [2]).start()
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


FAILED = Outcome(0.1, None, ServerError("HTTP 500", status=500))


class Slow(NamedTuple):
    """An outcome that is read under the lock."""

    gate: Gate
    output: InferenceOutput = answer()
    error: None = None

    @property
    def seconds(self) -> float:
        self.gate.hold()
        return 0.1


def clock_at(gate: Gate) -> Callable[[], float]:
    def clock() -> float:
        gate.hold()
        return 1000.0

    return clock


def busy_meter(gate: Gate) -> tuple[Any, Callable[[], object]]:
    meter = Meter()
    return meter, lambda: meter.settle(Slow(gate))  # type: ignore[arg-type]


def busy_breaker(gate: Gate) -> tuple[Any, Callable[[], object]]:
    breaker = Breaker("a", BreakerSettings(failures=1), clock_at(gate))
    return breaker, lambda: breaker.enter(ask(), 0).settle(FAILED)  # type: ignore[union-attr]


def busy_places(gate: Gate) -> tuple[Any, Callable[[], object]]:
    def still_running() -> int:
        gate.hold()
        return 0

    places = Concurrency(1, still_running=still_running)
    return places, lambda: places.enter(ask(), 0)


def busy_limit(gate: Gate) -> tuple[Any, Callable[[], object]]:
    limit = RateLimit("a", requests=5, clock=clock_at(gate))
    return limit, lambda: limit.enter(ask(), 0)


@pytest.mark.parametrize("make", [busy_meter, busy_breaker, busy_places, busy_limit])
def test_a_lock_that_was_held_is_free_in_the_child(make: Callable[[Gate], tuple[Any, Callable[[], object]]]) -> None:
    gate = Gate()
    policy, work = make(gate)
    with held_elsewhere(gate, work):
        assert in_child(lambda: policy.enter(ask(), 1.0).settle(Outcome(0.1, answer())) is None)


def test_what_was_under_way_belongs_to_the_parent() -> None:
    places, meter = Concurrency(1), Meter()
    places.enter(ask(), 0)
    meter.enter(ask(), 0)
    assert in_child(lambda: places.enter(ask(), 0) is not None and meter.in_flight == 0)
    with pytest.raises(RateLimitError):
        places.enter(ask(), 0)


def test_what_was_sent_counts_for_the_child_too() -> None:
    limit = RateLimit("a", requests=1)
    limit.enter(ask(), 0)

    def refused() -> bool:
        try:
            limit.enter(ask(), 0)
        except RateLimitError:
            return True
        return False

    assert in_child(refused)


class Weighing(Scripted):
    """Its weight is read under the strategy's lock, its load under that of an order by load."""

    gate = Gate()

    def __getattribute__(self, name: str) -> Any:
        if name in ("weight", "meter"):
            type(self).gate.hold()
        return super().__getattribute__(name)


@pytest.mark.parametrize("name", ["weighted", "least_loaded", "lowest_latency"])
def test_a_strategy_that_was_at_work_answers_in_the_child(name: str) -> None:
    class Mine(Weighing):
        gate = Gate()

    strategy, backends = make_strategy(name), [Mine("a"), Mine("b")]
    with held_elsewhere(Mine.gate, lambda: list(strategy.order(backends, ask()))):
        assert in_child(lambda: Router().answer(ask(), list(strategy.order(backends, ask()))).content == "hello")


def test_a_router_with_a_cache_answers_in_the_child() -> None:
    """One thread of the parent looks a kept answer up, another waits for an identical request."""
    looks, follows = Gate(), Gate()

    def make_waiter() -> Waiter:
        follows.hold()
        return Waiter()

    router = Router(cache=Cache(clock=clock_at(looks), make_waiter=make_waiter))
    backends = [Scripted("a", identity="a"), Scripted("b", identity="b")]
    assert router.answer(ask("kept"), backends).content == "hello"
    asked, answers = threading.Event(), threading.Event()

    def answer_late(request: AnyRequest) -> InferenceOutput:
        asked.set()
        assert answers.wait(30)
        return answer()

    late = [Scripted("a", [answer_late], identity="a")]
    leader = threading.Thread(target=lambda: router.answer(ask("late"), late), daemon=True)
    leader.start()
    assert asked.wait(30)
    with (
        held_elsewhere(follows, lambda: router.answer(ask("late"), late)),
        held_elsewhere(looks, lambda: router.answer(ask("kept"), backends)),
    ):
        assert in_child(lambda: router.answer(ask("kept"), backends).content == "hello")
        assert in_child(lambda: router.answer(ask("other"), backends).content == "hello")
        answers.set()
    leader.join(30)
