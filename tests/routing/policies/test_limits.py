"""Our own limits: never exceeded, always used while work waits, first come first served."""

from __future__ import annotations

import random
import threading
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.call import CancelToken
from complaint_llm.exceptions import RateLimitError, ServerError
from complaint_llm.messages import TokenUsage
from complaint_llm.routing.policies.concurrency import Concurrency
from complaint_llm.routing.policies.rate_limit import RateLimit
from complaint_llm.routing.policies.window import Window
from complaint_llm.routing.target import Estimate, Outcome
from tests.routing.routing_model import ModelTime, answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANSWERED = Outcome(0.1, answer())


LONG = 1e6


def limiter(time: ModelTime, **keys: Any) -> RateLimit:
    return RateLimit("a", clock=time.clock, make_waiter=time.waiter, **keys)


def most_in_any(times: Sequence[float], amounts: Sequence[int], length: float) -> int:
    """The most that was taken in any half-open window of ``length`` seconds."""
    most = total = start = 0
    for end, at in enumerate(times):
        total += amounts[end]
        while at - times[start] >= length:
            total -= amounts[start]
            start += 1
        most = max(most, total)
    return most


class TestSimulation:
    """10,000 requests of 50 threads in model time."""

    THREADS, EACH = 50, 200

    def admitted(self, time: ModelTime, work: Callable[[random.Random], None]) -> None:
        def body(seed: int) -> Callable[[], None]:
            def run() -> None:
                rng = random.Random(seed)
                for _ in range(self.EACH):
                    work(rng)

            return run

        time.run([body(seed) for seed in range(self.THREADS)])

    def test_a_request_limit_is_never_exceeded_and_always_used_while_work_waits(self) -> None:
        time = ModelTime()
        limit = limiter(time, requests=500, window=60.0)
        log: list[float] = []

        def work(rng: random.Random) -> None:
            permit = limit.enter(ask(seconds=LONG, time=time), LONG)
            log.append(time.clock())
            time.sleep(rng.random() * 0.01)
            permit.settle(ANSWERED)

        self.admitted(time, work)
        assert len(log) == 10_000
        assert most_in_any(log, [1] * len(log), 60.0) == 500
        # Work waits all along: in every whole window from the start to the last but one the limit is used up.
        for start in range(int(log[0]), int(log[-1] - 60.0)):
            used = bisect_right(log, start + 60.0 - 1e-9) - bisect_right(log, start - 1e-9)
            assert used >= 0.95 * 500

    def test_a_token_limit_is_never_exceeded_by_what_was_used_and_the_brim_is_reached(self) -> None:
        time = ModelTime()
        limit = limiter(
            time, tokens_per_minute=100_000, estimate=lambda request: Estimate(int(request.messages[0].text), 200)
        )
        log: list[float] = []
        used: list[int] = []
        lock = threading.Lock()

        def work(rng: random.Random) -> None:
            prompt = rng.randrange(50, 1500)
            permit = limit.enter(ask(str(prompt), seconds=LONG, time=time), LONG)
            at = time.clock()
            actual = prompt + rng.randrange(1, 200)
            time.sleep(rng.random() * 0.5)
            with lock:
                log.append(at)
                used.append(actual)
            permit.settle(Outcome(0.1, answer()._replace(token_usage=TokenUsage(prompt, actual - prompt, actual))))

        self.admitted(time, work)
        order = sorted(range(len(log)), key=log.__getitem__)
        times, amounts = [log[i] for i in order], [used[i] for i in order]
        assert len(log) == 10_000
        assert most_in_any(times, amounts, 60.0) <= 100_000
        last = times[-1] - 60.0
        for start in range(int(times[0]), int(last), 7):
            window = sum(amount for at, amount in zip(times, amounts, strict=True) if start <= at < start + 60.0)
            assert window >= 95_000

    def test_both_at_once_hold(self) -> None:
        time = ModelTime()
        limit = limiter(
            time, requests=300, window=10.0, tokens_per_minute=400_000, estimate=lambda request: Estimate(300, 100)
        )
        log: list[float] = []

        def work(rng: random.Random) -> None:
            permit = limit.enter(ask(seconds=LONG, time=time), LONG)
            log.append(time.clock())
            permit.settle(Outcome(0.1, answer()._replace(token_usage=TokenUsage(300, 100, 400))))

        self.admitted(time, work)
        assert most_in_any(log, [1] * len(log), 10.0) <= 300
        assert most_in_any(log, [400] * len(log), 60.0) <= 400_000

    def test_no_more_than_max_concurrency_run_and_never_fewer_while_work_waits(self) -> None:
        time = ModelTime()
        limit = Concurrency(7, time.clock, time.waiter)
        running = most = 0
        lock = threading.Lock()

        def work(rng: random.Random) -> None:
            nonlocal running, most
            permit = limit.enter(ask(seconds=LONG, time=time), LONG)
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(rng.random())
            with lock:
                running -= 1
            permit.settle(ANSWERED)

        start = time.clock()
        self.admitted(time, work)
        assert most == 7
        # 10,000 runs of half a second on average over 7 places: less than 3 % above the ideal.
        assert time.clock() - start < 1.03 * 10_000 * 0.5 / 7

    def test_threads_are_served_in_the_order_of_their_coming(self) -> None:
        time = ModelTime()
        limit = limiter(time, requests=1, window=1.0)
        served: list[int] = []

        def body(number: int) -> Callable[[], None]:
            def run() -> None:
                time.sleep(number * 0.001)
                limit.enter(ask(seconds=LONG, time=time), LONG)
                served.append(number)

            return run

        time.run([body(number) for number in range(50)])
        assert served == list(range(50))


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 30)), max_size=60),
)
def test_a_window_never_lets_more_than_its_limit_through(limit: int, steps: list[tuple[float, int]]) -> None:
    window = Window(limit, 10.0)
    now = 1e5
    times: list[float] = []
    amounts: list[int] = []
    for pause, amount in steps:
        now += pause
        wait = window.wait(amount, now)
        if wait:
            assert wait <= 10.0
            now += wait
            while window.wait(amount, now):
                now += 1e-6
        times.append(now)
        amounts.append(window.take(amount, now).amount)
    assert most_in_any(times, amounts, 10.0) <= limit


class TestRateLimit:
    def test_it_refuses_at_once_where_the_wait_exceeds_the_patience(self) -> None:
        time = ModelTime()
        limit = limiter(time, requests=1, window=60.0)
        limit.enter(ask(time=time), 0)
        time.advance(20)
        with pytest.raises(RateLimitError) as caught:
            limit.enter(ask(time=time, seconds=300), 1.0)
        assert caught.value.retry_after == pytest.approx(40.0)
        assert not caught.value.sent
        assert time.clock() == 1020.0

    def test_it_never_waits_beyond_the_deadline(self) -> None:
        time = ModelTime()
        limit = limiter(time, requests=1, window=60.0)
        limit.enter(ask(time=time), 0)
        with pytest.raises(RateLimitError):
            limit.enter(ask(time=time, seconds=5), LONG)
        assert time.clock() == 1000.0

    def test_told_not_to_wait_it_refuses_at_once(self) -> None:
        time = ModelTime()
        limit = limiter(time, requests=1, window=0.5, wait=False)
        limit.enter(ask(time=time), LONG)
        with pytest.raises(RateLimitError):
            limit.enter(ask(time=time), LONG)
        assert time.clock() == 1000.0

    @pytest.mark.parametrize("outcome", [Outcome(0.0), Outcome(0.1, None, ServerError("no", sent=False))])
    def test_what_was_never_sent_is_free_again(self, outcome: Outcome) -> None:
        time = ModelTime()
        limit = limiter(time, requests=1, tokens_per_minute=100, estimate=lambda request: Estimate(100))
        limit.enter(ask(time=time), 0).settle(outcome)
        limit.enter(ask(time=time), 0)

    def test_tokens_are_settled_with_what_was_used(self) -> None:
        time = ModelTime()
        limit = limiter(time, tokens_per_minute=100, estimate=lambda request: Estimate(50, 50))
        limit.enter(ask(time=time), 0).settle(ANSWERED)
        assert limit.state().line == "15 of 100 tokens in 60 s"

    def test_a_lost_answer_keeps_its_reservation(self) -> None:
        time = ModelTime()
        limit = limiter(time, tokens_per_minute=100, estimate=lambda request: Estimate(50, 50))
        limit.enter(ask(time=time), 0).settle(Outcome(1.0, None, ServerError("500", status=500)))
        assert limit.state().line == "100 of 100 tokens in 60 s, free in 60.0 s"

    def test_a_request_above_the_whole_limit_waits_for_an_empty_window_instead_of_for_ever(self) -> None:
        time = ModelTime()
        limit = limiter(time, tokens_per_minute=100, estimate=lambda request: Estimate(500))
        limit.enter(ask(time=time), 0)
        limit.enter(ask(time=time, seconds=100), LONG)
        assert time.clock() == pytest.approx(1060.0)

    def test_cancelling_ends_the_wait_and_frees_the_turn(self) -> None:
        time = ModelTime()
        limit = limiter(time, requests=1, window=60.0)
        limit.enter(ask(time=time), 0)
        cancelled = ask(seconds=LONG, time=time)
        ended: list[float] = []

        def waits() -> None:
            with pytest.raises(RateLimitError):
                limit.enter(cancelled, LONG)
            ended.append(time.clock())

        def cancels() -> None:
            time.sleep(5)
            cancelled.cancel.cancel("closed")

        time.run([waits, cancels])
        assert ended == [1005.0]
        limit.enter(ask(seconds=LONG, time=time), LONG)
        assert time.clock() == pytest.approx(1060.0)


def test_an_interrupt_before_the_wait_leaves_nobody_in_the_queue() -> None:
    """Whoever comes next would wait behind it for ever."""

    class Interrupted(CancelToken):
        def attach(self, callback: Callable[[], None]) -> None:
            raise KeyboardInterrupt

    gate = Concurrency(1)
    permit = gate.enter(ask(), 0.0)
    with pytest.raises(KeyboardInterrupt):
        gate.enter(ask()._replace(cancel=Interrupted()), 10.0)
    permit.settle(ANSWERED)
    gate.enter(ask(), 0.0).settle(ANSWERED)
