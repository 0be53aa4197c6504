"""The last healthy backend is reached, wherever it stands and whatever the others do; what may come back waits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_model import ModelTime, Scripted, answer, ask, events

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import (
    AllBackendsFailedError,
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BudgetExceededError,
    CircuitOpenError,
    ContextLengthError,
    ModelNotFoundError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.messages import Attempt, Done, EmbeddingOutput, InferenceOutput
from complaint_llm.request import EmbeddingRequest, Request
from complaint_llm.routing.attempts import LOCAL_LIMIT
from complaint_llm.routing.explain import explain
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import AnyRequest, Estimate, Permit, PolicyState, RetryPolicy
from tests.sampled import sampled

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


def whole(router: Router, time: ModelTime, backends: Sequence[Scripted]) -> Sequence[Attempt]:
    return router.answer(ask(time=time, seconds=600), backends).attempts


def streamed(router: Router, time: ModelTime, backends: Sequence[Scripted]) -> Sequence[Attempt]:
    *_, last = router.stream(ask(time=time, seconds=600), backends)
    assert isinstance(last, Done)
    return last.output.attempts


def in_a_batch(router: Router, time: ModelTime, backends: Sequence[Scripted]) -> Sequence[Attempt]:
    return router.for_batches().answer(ask(time=time, seconds=600), backends).attempts


def embedded(router: Router, time: ModelTime, backends: Sequence[Scripted]) -> Sequence[Attempt]:
    request = EmbeddingRequest(("a",), time.deadline(600), CancelToken())
    return router.embed(request, backends).attempts


WAYS: dict[str, tuple[Callable[..., Sequence[Attempt]], Callable[[], Any]]] = {
    "whole": (whole, answer),
    "streamed": (streamed, lambda: events("yes")),
    "in a batch": (in_a_batch, answer),
    "embedded": (embedded, lambda: EmbeddingOutput(((1.0,),))),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("way", WAYS)
def test_the_only_healthy_of_2_to_8_is_reached_at_every_place(way: str, failure: str) -> None:
    """With the retries and the cap of a default config."""
    go, good = WAYS[way]
    for number in range(2, 9):
        for place in range(number):
            time = ModelTime()
            backends = [Scripted(f"b{n}", [FAILURES[failure]()], retry=RETRY) for n in range(number)]
            backends[place].script = [good()]
            attempts = go(router(time), time, backends)
            assert attempts[-1].backend == f"b{place}", (number, place)
            assert attempts[-1].error is None
            assert [len(backend.seen) > 0 for backend in backends] == [n <= place for n in range(number)]
            assert all(len(backend.seen) <= 3 for backend in backends)


@pytest.mark.parametrize("failure", AT_ONCE)
def test_no_time_is_lost_on_what_is_not_there_while_another_is_left(failure: str) -> None:
    for number in range(1, 8):
        time = ModelTime()
        start = time.clock()
        backends = [Scripted(f"b{n}", [FAILURES[failure]()], retry=RETRY) for n in range(number)]
        output = router(time).answer(ask(time=time, seconds=600), [*backends, Scripted("good")])
        assert output.attempts[-1].backend == "good"
        assert time.clock() == start
        assert [len(backend.seen) for backend in backends] == [1] * number


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(FAILURES)), st.integers(0, 4)).filter(lambda one: one[0] != "bug"),
        min_size=1,
        max_size=7,
    ),
    st.integers(0, 7),
    st.none() | st.integers(0, 5),
)
@sampled(100, of=1000)
def test_any_mixture_of_failures_and_retries_reaches_it(
    dead: list[tuple[str, int]], place: int, more: int | None
) -> None:
    """By the default cap, and by any explicit one that is not below the number of backends."""
    time = ModelTime()
    backends = [
        Scripted(f"b{n}", [FAILURES[failure]()], retry=RetryPolicy(retries))
        for n, (failure, retries) in enumerate(dead)
    ]
    backends.insert(place, Scripted("good"))
    cap = None if more is None else len(backends) + more
    output = router(time, max_attempts=cap).answer(ask(time=time, seconds=1e6), backends)
    assert output.attempts[-1].backend == "good"
    most = max(backend.retry.max_retries for backend in backends)
    assert len(output.attempts) <= (len(backends) + most if cap is None else cap)
    assert all(len(each.seen) <= 1 + each.retry.max_retries for each in backends)


@given(st.lists(st.tuples(st.sampled_from(sorted(FAILURES)), st.integers(0, 3)), min_size=1, max_size=6))
@sampled(80, of=1000)
def test_where_nobody_answers_each_was_asked_and_none_more_often_than_it_may(dead: list[tuple[str, int]]) -> None:
    time = ModelTime()
    backends = [
        Scripted(f"b{n}", [FAILURES[failure]()], retry=RetryPolicy(retries))
        for n, (failure, retries) in enumerate(dead)
    ]
    with pytest.raises(BackendError) as caught:
        router(time).answer(ask(time=time, seconds=1e6), backends)
    assert all(1 <= len(each.seen) <= 1 + each.retry.max_retries for each in backends)
    assert len(caught.value.attempts) <= len(backends) + max(each.retry.max_retries for each in backends)
    assert time.clock() <= 1000.0 + 1e6


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

    @given(st.lists(st.floats(1.1, 50.0), min_size=2, max_size=6, unique=True))
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


class TestCaps:
    @pytest.mark.parametrize("cap", range(1, 8))
    def test_an_explicit_cap_is_never_passed_and_reaches_as_far_as_it_goes(self, cap: int) -> None:
        time = ModelTime()
        backends = [Scripted(f"b{n}", [FAILURES["500"]()], retry=RetryPolicy(9, 0.0)) for n in range(4)]
        with pytest.raises(BackendError) as caught:
            router(time, max_attempts=cap).answer(ask(time=time, seconds=60), backends)
        assert len(caught.value.attempts) == cap
        assert [len(backend.seen) > 0 for backend in backends] == [n < cap for n in range(4)]

    @pytest.mark.parametrize("cap", [None, *range(1, 6)])
    def test_explain_names_whom_an_explicit_cap_leaves_out_of_reach(self, cap: int | None) -> None:
        unable = Scripted("x", lacking="no images")
        backends = [Scripted("b0"), unable, *(Scripted(f"b{n}") for n in range(1, 4))]
        found = Router(max_attempts=cap).explain(ask(), backends)
        beyond = [each.backend for each in found if each.skip is not None and "max_attempts" in each.skip]
        assert beyond == [f"b{n}" for n in range(4)][4 if cap is None else cap :]
        assert len(explain(ask(), backends)) == 5


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


class TestContextWindow:
    """A prompt longer than a known window goes to those with room first; to the largest window last."""

    @pytest.mark.parametrize(
        ("windows", "asked"),
        [
            ((50, 200), ["b"]),
            ((200, 50), ["a"]),
            ((None, 50), ["a"]),
            ((50, None), ["b"]),
            ((100, 50), ["a"]),
            ((99, 100), ["b"]),
            ((50, 60, 200), ["c"]),
            ((50, 60), ["b"]),
            ((60, 50), ["a"]),
            ((10, 90, 50), ["b"]),
            ((50, 50), ["a"]),
        ],
    )
    def test_it_is_routed_past_those_that_are_too_small(
        self, windows: Sequence[int | None], asked: Sequence[str]
    ) -> None:
        time = ModelTime()
        backends = [
            Scripted(name, window=window, guess=Estimate(100, 5, 0.0))
            for name, window in zip("abc", windows, strict=False)
        ]
        output = router(time).answer(ask(time=time), backends)
        assert [attempt.backend for attempt in output.attempts if attempt.sent] == asked
        assert [backend.id for backend in backends if backend.seen] == asked
        skipped = [attempt.error for attempt in output.attempts if not attempt.sent]
        assert all((error or "").startswith("ContextLengthError: the prompt has about 100 tokens") for error in skipped)
        first = next(each for each in Router().explain(ask(), backends) if each.skip is None)
        assert first.backend == asked[0]

    def test_where_those_with_room_fail_the_largest_of_the_others_is_asked(self) -> None:
        """The estimate is rough: the last healthy backend is reached."""
        time = ModelTime()
        guess = Estimate(100, 5, 0.0)
        small, large = Scripted("a", window=50, guess=guess), Scripted("b", window=90, guess=guess)
        output = router(time).answer(ask(time=time), [small, large, Scripted("c", [FAILURES["401"]()], guess=guess)])
        assert output.attempts[-1].backend == "b"

    def test_what_the_largest_refuses_as_too_long_is_not_sent_to_smaller_ones(self) -> None:
        time = ModelTime()
        guess = Estimate(100, 5, 0.0)
        small = Scripted("a", window=50, guess=guess)
        large = Scripted("b", [ContextLengthError("HTTP 400", status=400)], window=90, guess=guess)
        with pytest.raises(ContextLengthError, match="HTTP 400"):
            router(time).answer(ask(time=time), [small, large])
        assert not small.seen

    def test_a_stream_is_routed_past_too(self) -> None:
        guess = Estimate(100, 5, 0.0)
        small, large = Scripted("a", [events("a")], window=50, guess=guess), Scripted("b", [events("b")], guess=guess)
        *_, last = Router().stream(ask(), [small, large])
        assert isinstance(last, Done)
        assert not small.seen


def test_a_hedge_uses_the_attempt_that_is_kept_for_its_target() -> None:
    """With a cap of one for each backend both are asked, and the third keeps its own."""
    from test_hedging import SOON, Stuck

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
    from test_hedging import SOON, Stuck

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
