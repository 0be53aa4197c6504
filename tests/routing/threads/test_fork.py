"""A forked child can use every policy, even if a thread of its parent held a lock or waited at that moment."""

from __future__ import annotations

import os
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.exceptions import RateLimitError
from complaint_llm.routing.cache.response_cache import Cache
from complaint_llm.routing.policies.breaker import Breaker
from complaint_llm.routing.policies.concurrency import Concurrency
from complaint_llm.routing.policies.load_meter import Meter
from complaint_llm.routing.policies.rate_limit import RateLimit
from complaint_llm.routing.router import Router
from complaint_llm.routing.strategies import RoundRobin
from complaint_llm.routing.target import Outcome
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


def lock_of(policy: Any) -> threading.Lock:
    found = getattr(policy, "_lock", None) or policy._gate.lock
    assert isinstance(found, type(threading.Lock()))
    return found


@pytest.mark.parametrize(
    "make", [Meter, lambda: Breaker("a"), lambda: Concurrency(1), lambda: RateLimit("a", requests=5)]
)
def test_a_lock_that_was_held_is_free_in_the_child(make: Callable[[], Any]) -> None:
    policy = make()
    with lock_of(policy):
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


def test_a_router_with_cache_and_strategy_answers_in_the_child() -> None:
    cache, strategy = Cache(), RoundRobin()
    router = Router(cache=cache)
    backends = [Scripted("a", identity="a"), Scripted("b", identity="b")]
    with cache._lock, cache._flights._lock, strategy._shares._lock:
        assert in_child(lambda: router.answer(ask(), strategy.order(backends, ask())).content == "hello")
