"""What may come back waits its turn, without a share of the deadline, and is asked when all others failed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.call import Deadline
from complaint_llm.exceptions import (
    AllBackendsFailedError,
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BudgetExceededError,
    CircuitOpenError,
    RateLimitError,
    ServerError,
)
from complaint_llm.messages import InferenceOutput
from complaint_llm.request import Request
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import RetryPolicy
from tests.routing.failures import FAILURES, RETRY, Full, router
from tests.routing.routing_model import ModelTime, Scripted, answer, ask

if TYPE_CHECKING:
    from collections.abc import Sequence


class TestComingBack:
    """Those that may come back wait in one list and are taken in turns, when all others failed."""

    @pytest.mark.parametrize("failure", ["503", "refused", "no name", "no route", "timeout", "429, Retry-After"])
    def test_one_that_comes_back_answers_after_all_others_failed(self, failure: str) -> None:
        time = ModelTime()
        gone = Scripted("a", [FAILURES[failure](), answer("back")], retry=RETRY)
        broken = Scripted("b", [FAILURES["401"]()])
        output = router(time).answer(ask(time=time, seconds=60), [gone, broken])
        assert [attempt.backend for attempt in output.attempts] == ["a", "b", "a"]
        assert output.content == "back"

    @pytest.mark.parametrize(
        "waits",
        [*itertools.permutations((9.0, 5.0, 2.0)), (3.0, 2.0), (2.0, 3.0), (40.0, 30.0, 20.0, 10.0), (1.5, 8.0)],
    )
    def test_the_soonest_ready_comes_first(self, waits: Sequence[float]) -> None:
        time = ModelTime()
        backends = [
            Scripted(f"b{n}", [RateLimitError("x", status=429, retry_after=wait), answer()], retry=RETRY)
            for n, wait in enumerate(waits)
        ]
        start = time.clock()
        output = router(time).answer(ask(time=time, seconds=60), backends)
        soonest = f"b{waits.index(min(waits))}"
        assert [attempt.backend for attempt in output.attempts] == [*(each.id for each in backends), soonest]
        assert time.clock() - start == min(waits)

    @given(st.lists(st.integers(110, 5000).map(lambda each: each / 100), min_size=2, max_size=6, unique=True))
    @settings(max_examples=60, deadline=None)
    def test_they_come_in_the_order_in_which_they_are_ready(self, waits: list[float]) -> None:
        time = ModelTime()
        backends = [
            Scripted(
                f"b{n}",
                [RateLimitError("x", status=429, retry_after=wait), FAILURES["401"]()],
                retry=RETRY,
            )
            for n, wait in enumerate(waits)
        ]
        with pytest.raises(AllBackendsFailedError) as caught:
            router(time, max_attempts=99).answer(ask(time=time, seconds=60), backends)
        order = sorted(range(len(waits)), key=waits.__getitem__)
        assert [attempt.backend for attempt in caught.value.attempts][len(waits) :] == [f"b{n}" for n in order]

    def test_equals_take_turns(self) -> None:
        time = ModelTime()
        backends = [Scripted(name, [FAILURES["refused"]()], retry=RetryPolicy(2, 0.0)) for name in "ab"]
        with pytest.raises(AllBackendsFailedError) as caught:
            router(time, max_attempts=6).answer(ask(time=time, seconds=60), backends)
        assert [attempt.backend for attempt in caught.value.attempts] == ["a", "b", "a", "b", "a", "b"]

    def test_the_backoff_grows_and_is_kept(self) -> None:
        time = ModelTime()
        backends = [Scripted(name, [FAILURES["refused"]()], retry=RetryPolicy(2, 0.5)) for name in "ab"]
        start = time.clock()
        with pytest.raises(AllBackendsFailedError):
            router(time, max_attempts=6).answer(ask(time=time, seconds=60), backends)
        assert time.clock() - start == pytest.approx(0.5 + 1.0)

    def test_what_cannot_be_ready_before_the_deadline_is_not_waited_for(self) -> None:
        time = ModelTime()
        start = time.clock()
        backends = [Scripted(name, [RateLimitError("x", status=429, retry_after=90.0)], retry=RETRY) for name in "ab"]
        with pytest.raises(AllBackendsFailedError):
            router(time).answer(ask(time=time, seconds=60), backends)
        assert time.clock() == start

    def test_one_with_a_full_limit_keeps_its_first_attempt(self) -> None:
        """Retries of others do not use it up."""
        time = ModelTime()
        limited = Scripted("a", policies=[Full([3.0, None])], retry=RetryPolicy(0))
        failing = Scripted("b", [FAILURES["500"]()], retry=RetryPolicy(5, 0.1))
        output = router(time, max_attempts=4).answer(ask(time=time, seconds=60), [limited, failing])
        assert [(attempt.backend, attempt.sent) for attempt in output.attempts] == [
            ("a", False), ("b", True), ("b", True), ("b", True), ("a", True)
        ]  # fmt: skip

    def test_a_full_limit_without_a_known_end_is_asked_in_turns_until_the_deadline(self) -> None:
        time = ModelTime()
        start = time.clock()
        full = [Full([None] * 99, time=time, known=False) for _ in range(2)]
        backends = [Scripted(name, policies=[policy]) for name, policy in zip("ab", full, strict=True)]
        with pytest.raises(BackendError):
            router(time).answer(ask(time=time, seconds=8), backends)
        assert 8.0 <= time.clock() - start <= 10.0
        assert all(3 <= policy.asked <= 6 for policy in full)

    def test_one_that_is_refused_for_good_gives_its_attempt_to_the_retries_of_others(self) -> None:
        time = ModelTime()
        open_ = CircuitOpenError("circuit open", sent=False)
        spent = BudgetExceededError("spent", sent=False)
        refused = [Scripted(f"r{n}", policies=[Full([error])]) for n, error in enumerate((open_, spent))]
        failing = Scripted("b", [FAILURES["500"](), FAILURES["500"](), answer()], retry=RetryPolicy(2, 0.1))
        output = router(time, max_attempts=3).answer(ask(time=time, seconds=60), [*refused, failing])
        assert output.attempts[-1].backend == "b"


class TestRetryAfter:
    """The error of many says when the first of them may answer again."""

    @pytest.mark.parametrize(
        ("waits", "soonest"),
        [
            ((90.0, 70.0), 70.0),
            ((70.0, 90.0), 70.0),
            ((90.0, None), 90.0),
            ((None, 61.5), 61.5),
            ((None, None), None),
            ((90.0, 80.0, 100.0), 80.0),
            ((90.0, None, 75.0), 75.0),
            ((86400.0, 3600.0), 3600.0),
            ((61.0, 61.0), 61.0),
            ((1e9, None, None, 1e8), 1e8),
        ],
    )
    def test_it_is_the_soonest_one_known(self, waits: Sequence[float | None], soonest: float | None) -> None:
        time = ModelTime()
        backends = [
            Scripted(f"b{n}", [RateLimitError("x", status=429, retry_after=wait)]) for n, wait in enumerate(waits)
        ]
        with pytest.raises(AllBackendsFailedError) as caught:
            router(time).answer(ask(time=time, seconds=60), backends)
        assert caught.value.retry_after == soonest

    def test_the_time_that_passed_since_is_taken_off(self) -> None:
        time = ModelTime()

        def slowly(request: Request) -> InferenceOutput:
            time.advance(20.0)
            raise ServerError("HTTP 500", status=500)

        backends = [Scripted("a", [RateLimitError("x", status=429, retry_after=90.0)]), Scripted("b", [slowly])]
        with pytest.raises(AllBackendsFailedError) as caught:
            router(time).answer(ask(time=time, seconds=60), backends)
        assert caught.value.retry_after == 70.0

    def test_an_open_circuit_s_probe_counts(self) -> None:
        time = ModelTime()
        open_ = CircuitOpenError("open", retry_after=12.0, sent=False)
        backends = [Scripted("a", policies=[Full([open_])]), Scripted("b", [FAILURES["500"]()])]
        backends.append(Scripted("c", [FAILURES["500"]()]))
        with pytest.raises(AllBackendsFailedError) as caught:
            router(time).answer(ask(time=time, seconds=60), backends)
        assert caught.value.retry_after == 12.0


class TestShares:
    @pytest.mark.parametrize("gone", range(1, 6))
    @pytest.mark.parametrize("after", range(3))
    def test_those_that_wait_to_come_back_take_no_share_of_the_deadline(self, gone: int, after: int) -> None:
        time = ModelTime()
        left: list[float] = []

        def look(request: Request) -> InferenceOutput:
            left.append(request.deadline.remaining())
            return answer()

        dead = [Scripted(f"g{n}", [FAILURES["refused"]()], retry=RETRY) for n in range(gone)]
        others = [Scripted(f"o{n}") for n in range(after)]
        router(time).answer(ask(time=time, seconds=60), [*dead, Scripted("b", [look]), *others])
        assert left == [60.0 / (after + 1)]

    def test_one_that_was_never_tried_and_can_be_ready_in_time_does(self) -> None:
        time = ModelTime()
        left: list[float] = []

        def look(request: Request) -> InferenceOutput:
            left.append(request.deadline.remaining())
            return answer()

        for wait in (5.0, 61.0):
            router(time).answer(
                ask(time=time, seconds=60), [Scripted("a", policies=[Full([wait, None])]), Scripted("b", [look])]
            )
        assert left == [30.0, 60.0]


def test_a_hedge_uses_the_attempt_that_is_kept_for_its_target() -> None:
    """With a cap of one for each backend both are asked, and the third keeps its own."""
    from tests.routing.test_hedging import SOON, Stuck

    stuck = Stuck(ServerError("first", status=500))

    def second(request: Request) -> InferenceOutput:
        stuck.release.set()
        raise ServerError("second", status=500)

    third = Scripted("c", [answer("third")])
    backends = [Scripted("a", [stuck], retry=RETRY), Scripted("b", [second], retry=RETRY), third]
    output = Router(hedge_after=SOON, max_attempts=3).answer(ask(), backends)
    assert output.content == "third"
    assert sorted(attempt.backend for attempt in output.attempts) == ["a", "b", "c"]


def test_a_hedge_s_target_that_failed_may_come_back() -> None:
    from tests.routing.test_hedging import SOON, Stuck

    stuck = Stuck(AuthenticationError("first", status=401))
    steps: list[Any] = []

    def second(request: Request) -> InferenceOutput:
        steps.append(request)
        if len(steps) > 1:
            return answer("second")
        stuck.release.set()
        raise BackendConnectionError("connection refused", sent=False)

    backends = [Scripted("a", [stuck]), Scripted("b", [second], retry=RetryPolicy(1, 0.0))]
    assert Router(hedge_after=SOON).answer(ask(), backends).content == "second"


def test_a_deadline_that_passes_while_one_comes_back_ends_the_call() -> None:
    time = ModelTime()
    backend = Scripted("a", [FAILURES["refused"]()], retry=RetryPolicy(99, 4.0, 4.0))
    request = ask(time=time, seconds=10)
    with pytest.raises(BackendConnectionError):
        router(time).answer(request, [backend])
    assert isinstance(request.deadline, Deadline)
    assert time.clock() - 1000.0 == 8.0
    assert len(backend.seen) == 3
