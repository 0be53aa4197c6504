"""When the same backend is asked again, how long that waits, and how the deadline is shared."""

from __future__ import annotations

import pytest

from complaint_llm.call import CancelToken
from complaint_llm.exceptions import (
    AllBackendsFailedError,
    BackendError,
    BackendTimeoutError,
    CancelledError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
)
from complaint_llm.messages import InferenceOutput
from complaint_llm.request import Request
from complaint_llm.routing.attempts import LOCAL_LIMIT
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import RetryPolicy
from tests.routing.failures import Recorder, router
from tests.routing.routing_model import ModelTime, Scripted, answer, ask


class TestRetries:
    def test_the_same_backend_is_tried_again_at_most_max_retries_times_with_growing_delays(self) -> None:
        time = ModelTime()
        backend = Scripted("a", [ServerError("500", status=500)], retry=RetryPolicy(3, 0.5, 1.5))
        start = time.clock()
        with pytest.raises(ServerError) as caught:
            router(time, max_attempts=9).answer(ask(time=time, seconds=100), [backend])
        assert len(backend.seen) == len(caught.value.attempts) == 4
        assert time.clock() - start == pytest.approx(0.5 + 1.0 + 1.5)

    def test_full_jitter_multiplies_the_delay_by_the_random_number(self) -> None:
        time = ModelTime()
        backend = Scripted("a", [ServerError("500", status=500), answer()], retry=RetryPolicy(1, 4.0))
        start = time.clock()
        Router(clock=time.clock, sleep=time.sleep, random=lambda: 0.25).answer(ask(time=time), [backend])
        assert time.clock() - start == 1.0

    def test_without_exponential_backoff_the_delay_stays(self) -> None:
        time = ModelTime()
        backend = Scripted("a", [ServerError("500", status=500)], retry=RetryPolicy(3, 0.5, exponential=False))
        start = time.clock()
        with pytest.raises(ServerError):
            router(time, max_attempts=9).answer(ask(time=time, seconds=100), [backend])
        assert time.clock() - start == pytest.approx(1.5)

    @pytest.mark.parametrize(("asked", "seconds", "waits"), [
        (0.2, 10, True), (1.0, 10, True), (0.0, 10, True), (1.0, 2.5, True),
        (1.01, 10, False), (4.0, 60, False), (6.0, 600, False), (1.0, 1.9, False), (0.9, 1.5, False),
    ])  # fmt: skip
    def test_retry_after_is_waited_for_where_it_is_short_and_fits_the_share_else_the_next_is_asked_at_once(
        self, asked: float, seconds: float, waits: bool
    ) -> None:
        time = ModelTime()
        limited = Scripted("a", [RateLimitError("429", status=429, retry_after=asked), answer()], retry=RetryPolicy(2))
        start = time.clock()
        output = router(time).answer(ask(time=time, seconds=seconds), [limited, Scripted("b")])
        assert output.attempts[-1].backend == ("a" if waits else "b")
        # Without a time to wait the usual backoff holds.
        assert time.clock() - start == pytest.approx(asked or 0.5 if waits else 0.0)

    @pytest.mark.parametrize("asked", [0.5, 3.0, 9.0])
    def test_the_only_backend_is_asked_again_after_the_time_that_it_asks_for(self, asked: float) -> None:
        time = ModelTime()
        limited = Scripted("a", [RateLimitError("429", status=429, retry_after=asked), answer()], retry=RetryPolicy(2))
        start = time.clock()
        assert len(router(time).answer(ask(time=time, seconds=10), [limited]).attempts) == 2
        assert time.clock() - start == pytest.approx(asked)

    def test_a_read_timeout_goes_to_the_next_backend_rather_than_to_the_same(self) -> None:
        time = ModelTime()
        late = BackendTimeoutError("late", maybe_received=True)
        first, second = Scripted("a", [late], retry=RetryPolicy(2)), Scripted("b")
        router(time).answer(ask(time=time), [first, second])
        assert len(first.seen) == 1
        again = Scripted("a", [late, answer()], retry=RetryPolicy(2))
        assert len(router(time).answer(ask(time=time), [again]).attempts) == 2

    def test_quota_errors_are_not_retried(self) -> None:
        time = ModelTime()
        backend = Scripted("a", [QuotaExceededError("spent", status=429)], retry=RetryPolicy(2))
        with pytest.raises(QuotaExceededError):
            router(time).answer(ask(time=time), [backend])
        assert len(backend.seen) == 1

    def test_retry_on_rate_limit_false_never_retries_a_429(self) -> None:
        time = ModelTime()
        backend = Scripted("a", [RateLimitError("429", status=429)], retry=RetryPolicy(2, on_rate_limit=False))
        with pytest.raises(RateLimitError):
            router(time).answer(ask(time=time), [backend])
        assert len(backend.seen) == 1

    @pytest.mark.parametrize(("status", "tries"), [(500, 1), (503, 3), (418, 3), (429, 1)])
    def test_retry_on_errors_replaces_the_list_of_statuses(self, status: int, tries: int) -> None:
        time = ModelTime()
        kind = RateLimitError if status == 429 else ServerError if status >= 500 else BackendError
        retry = RetryPolicy(2, on_status=frozenset((503, 418)))
        backend = Scripted("a", [kind("x", status=status)], retry=retry)
        with pytest.raises(kind):
            router(time).answer(ask(time=time), [backend])
        assert len(backend.seen) == tries

    def test_a_provider_that_forbids_the_retry_is_obeyed(self) -> None:
        time = ModelTime()
        backend = Scripted("a", [ServerError("500", status=500, retryable=False)], retry=RetryPolicy(2))
        with pytest.raises(ServerError):
            router(time).answer(ask(time=time), [backend])
        assert len(backend.seen) == 1

    def test_max_attempts_caps_the_sum_of_all_attempts(self) -> None:
        time = ModelTime()
        busy = [ServerError("500", status=500)]
        backends = [Scripted(name, list(busy), retry=RetryPolicy(9, 0.0)) for name in "abc"]
        with pytest.raises(AllBackendsFailedError, match="max_attempts") as caught:
            router(time, max_attempts=11).answer(ask(time=time), backends)
        # One attempt is kept for each that had none; the retries use the rest.
        assert [len(backend.seen) for backend in backends] == [9, 1, 1]
        assert len(caught.value.attempts) == 11

    @pytest.mark.parametrize(("retries", "most"), [((2, 2, 2), 5), ((0, 0, 0), 3), ((0, 4, 1), 7), ((9, 0, 0), 12)])
    def test_by_default_there_is_an_attempt_for_each_target_and_the_most_retries_of_one(
        self, retries: tuple[int, ...], most: int
    ) -> None:
        time = ModelTime()
        backends = [
            Scripted(name, [ServerError("5", status=500)], retry=RetryPolicy(number, 0.0))
            for name, number in zip("abc", retries, strict=True)
        ]
        with pytest.raises(AllBackendsFailedError) as caught:
            router(time).answer(ask(time=time), backends)
        assert len(caught.value.attempts) == most

    def test_cancelling_during_the_delay_ends_the_call_at_once(self) -> None:
        time = ModelTime()
        request = ask(time=time)

        def sleep(seconds: float, cancel: CancelToken) -> None:
            cancel.cancel("mediator was closed")

        backend = Scripted("a", [ServerError("500", status=500)], retry=RetryPolicy(2))
        with pytest.raises(CancelledError, match="mediator was closed"):
            Router(clock=time.clock, sleep=sleep).answer(request, [backend])
        assert len(backend.seen) == 1

    def test_cancelling_while_a_limit_is_waited_for_is_a_cancellation(self) -> None:
        time = ModelTime()
        request = ask(time=time)

        def refuse() -> BackendError:
            request.cancel.cancel("mediator was closed")
            return RateLimitError("full", code=LOCAL_LIMIT, sent=False)

        with pytest.raises(CancelledError, match="mediator was closed"):
            router(time).answer(request, [Scripted("a", policies=[Recorder([], "p", refuse)])])


class TestDeadlines:
    def test_an_attempt_ends_at_its_share_and_the_last_takes_all(self) -> None:
        time = ModelTime()
        shares: list[float] = []

        def late(request: Request) -> InferenceOutput:
            shares.append(request.deadline.remaining())
            time.advance(request.deadline.remaining())
            raise BackendTimeoutError("late", maybe_received=True)

        start = time.clock()
        with pytest.raises(AllBackendsFailedError, match="before the deadline"):
            router(time).answer(ask(time=time, seconds=12), [Scripted(name, [late]) for name in "abc"])
        assert shares == pytest.approx([4.0, 4.0, 4.0])
        assert time.clock() - start == pytest.approx(12.0)

    def test_a_quick_failure_leaves_its_time_to_the_others(self) -> None:
        time = ModelTime()
        last = Scripted("b")
        router(time).answer(ask(time=time, seconds=12), [Scripted("a", [ServerError("x", status=500)]), last])
        assert last.seen[0].deadline.remaining() == pytest.approx(12.0)

    def test_a_backends_own_timeout_is_kept_where_it_is_shorter(self) -> None:
        time = ModelTime()
        backend = Scripted("a", timeout=3.0)
        router(time).answer(ask(time=time, seconds=12), [backend])
        assert backend.seen[0].deadline.remaining() == pytest.approx(3.0)

    def test_a_deadline_that_passed_before_anything_was_sent_is_a_timeout(self) -> None:
        time = ModelTime()
        request = ask(time=time, seconds=1)
        time.advance(2)
        backend = Scripted("a")
        with pytest.raises(BackendTimeoutError) as caught:
            router(time).answer(request, [backend])
        assert not caught.value.sent
        assert not backend.seen

    def test_a_call_that_was_cancelled_before_it_began_sends_nothing(self) -> None:
        time = ModelTime()
        request = ask(time=time)
        request.cancel.cancel("closed")
        backend = Scripted("a")
        with pytest.raises(CancelledError, match="closed"):
            router(time).answer(request, [backend])
        assert not backend.seen
