"""Many threads through every policy at once: no lost answer, no deadlock, and nothing left behind."""

from __future__ import annotations

import gc
import random
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING

from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    RateLimitError,
    ServerError,
)
from complaint_llm.messages import Done, InferenceOutput, TokenUsage
from complaint_llm.routing.cache.response_cache import Cache
from complaint_llm.routing.cache.sqlite_store import CacheFile
from complaint_llm.routing.policies.admission import admission
from complaint_llm.routing.policies.bound import Bound
from complaint_llm.routing.policies.breaker import BreakerSettings
from complaint_llm.routing.policies.budget import Account
from complaint_llm.routing.policies.budget_book import BudgetLimits
from complaint_llm.routing.router import Router
from complaint_llm.routing.strategies import make_strategy
from complaint_llm.routing.target import AnyRequest, Estimate, RetryPolicy
from tests.routing.routing_model import ListStream, Scripted, ask, events

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_llm.request import Request

THREADS, CALLS = 64, 50


def guess(request: AnyRequest) -> Estimate:
    return Estimate(10, 10, 0.0001)


class Unsteady:
    """Attempts that take about a millisecond and now and then fail in some way; they end when they are cancelled."""

    def __init__(self, seed: int, failing: float) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._failing = failing

    def __call__(self, request: Request) -> InferenceOutput:
        with self._lock:
            lot, pause = self._random.random(), self._random.random() * 0.002
        gate = threading.Event()
        request.cancel.attach(gate.set)
        gate.wait(min(pause, max(0.0, request.deadline.remaining())))
        if lot < self._failing:
            raise self._failure(lot / self._failing)
        text = request.messages[0].text
        return InferenceOutput(text, token_usage=TokenUsage(5, 5, 10), cost=0.00005, finish_reason="stop")

    def stream(self, request: Request) -> ListStream:
        output = self(request)
        return ListStream(events(output.content[:3], output.content[3:]))

    @staticmethod
    def _failure(lot: float) -> BackendError:
        if lot < 0.3:
            return ServerError("500", status=500)
        if lot < 0.5:
            return RateLimitError("429", status=429, retry_after=0.003)
        if lot < 0.8:
            return BackendConnectionError("reset", maybe_received=True)
        return BackendTimeoutError("late", maybe_received=True)


def backend(id: str, attempts: Unsteady, account: Account, streamed: bool) -> Scripted:
    made = Scripted(
        id,
        [attempts.stream if streamed else attempts],
        retry=RetryPolicy(1, 0.001, 0.002),
        identity=f"{id} model 1",
        guess=guess(ask()),
    )
    made.policies = admission(
        id,
        meter=made.meter,
        breaker=BreakerSettings(5, 0.02),
        max_concurrency=12,
        rate_limit=400,
        window=0.2,
        tokens_per_minute=10_000_000,
        budget=account,
        estimate=guess,
        bound=lambda request: Bound(0.0001),
    )
    return made


def test_64_threads_times_50_calls_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    tracemalloc.start()
    threads_before = threading.active_count()
    account = Account("all", BudgetLimits(total=100.0, day=100.0), tmp_path / "s" / "state.db")
    file = CacheFile(tmp_path / "s" / "cache.db", 1000)
    sources = [Unsteady(1, 0.5), Unsteady(2, 0.2), Unsteady(3, 0.0)]
    plain = [backend(f"p{n}", source, account, streamed=False) for n, source in enumerate(sources)]
    streamed = [backend(f"s{n}", source, account, streamed=True) for n, source in enumerate(sources)]
    router = Router(hedge_after=0.004, cache=Cache(ttl=60.0, size=100, file=file), max_attempts=12)
    strategies = [
        make_strategy(name) for name in ("round_robin", "weighted", "least_loaded", "lowest_latency", "random")
    ]
    wrong: list[object] = []
    answered = [0] * THREADS

    def work(number: int) -> None:
        for call in range(CALLS):
            strategy = strategies[(number + call) % len(strategies)]
            text = f"prompt {number % 8} {call % 10}" if call % 2 else f"prompt {number} {call} of its own"
            request = ask(text, seconds=40.0)
            try:
                if call % 3:
                    content = router.answer(request, strategy.order(plain, request)).content
                else:
                    last = list(router.stream(request, strategy.order(streamed, request)))[-1]
                    assert isinstance(last, Done)
                    content = last.output.content
            except BaseException as error:
                wrong.append(error)
                continue
            if content != text:
                wrong.append((text, content))
            answered[number] += 1

    def round_of_calls() -> None:
        threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 60.0
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
            assert not thread.is_alive(), "deadlock: a call did not end within 60 s"

    round_of_calls()
    assert wrong == []
    assert answered == [CALLS] * THREADS
    router.close()
    account.close()
    file.close()
    assert eventually(lambda: threading.active_count() <= threads_before), threading.enumerate()
    for each in (*plain, *streamed):
        each.seen.clear()
        assert eventually(lambda each=each: each.meter.in_flight == 0)
        states = {state.name: state.line for state in (policy.state() for policy in each.policies)}
        assert states["concurrency"] == "0 of 12 under way"
        assert "reserved" not in states["budget"]
    account.close()
    gc.collect()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The cache's 100 answers, the windows' logs and the pool's bookkeeping: not the thousands of calls.
    assert left < 6_000_000


def eventually(condition: object) -> bool:
    assert callable(condition)
    for _ in range(300):
        if condition():
            return True
        time.sleep(0.01)
    return False
