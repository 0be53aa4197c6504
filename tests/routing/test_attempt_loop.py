"""The attempt loop: fallback, retries, deadline shares, skips, and what is recorded and raised."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from routing_model import ModelTime, Scripted, answer, ask

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import (
    AllBackendsFailedError,
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BudgetExceededError,
    CancelledError,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import EmbeddingOutput, InferenceOutput
from complaint_llm.request import EmbeddingRequest, Request
from complaint_llm.routing.attempts import LOCAL_LIMIT
from complaint_llm.routing.retry_table import TOTAL_BUDGET
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable


def router(time: ModelTime, **keys: Any) -> Router:
    return Router(clock=time.clock, sleep=time.sleep, random=lambda: 1.0, **keys)


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


def test_the_first_answer_comes_back_with_its_attempt() -> None:
    time = ModelTime()

    def slow(request: Request) -> InferenceOutput:
        time.advance(0.25)
        return answer("yes")

    output = router(time).answer(ask(time=time), [Scripted("a", [slow])])
    assert output.content == "yes"
    assert [(a.backend, a.error, a.seconds) for a in output.attempts] == [("a", None, 0.25)]


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("bad key", status=401),
        QuotaExceededError("no credit", status=402),
        ModelNotFoundError("no model", status=404),
        InvalidRequestError("400", status=400),
        ContextLengthError("long", status=400),
        RateLimitError("slow down", status=429),
        QuotaExceededError("quota", status=429),
        ServerError("500", status=500),
        ResponseFormatError("not JSON"),
        BackendConnectionError("refused", sent=False),
        BackendTimeoutError("late", maybe_received=True),
        BackendError("plugin bug"),
    ],
)
def test_every_failure_of_one_backend_moves_on_to_the_next(error: BackendError) -> None:
    time = ModelTime()
    output = router(time).answer(ask(time=time), [Scripted("a", [error]), Scripted("b")])
    assert [(a.backend, a.error is None) for a in output.attempts] == [("a", False), ("b", True)]
    assert (output.attempts[0].error or "").startswith(f"{type(error).__name__}: {error.message}")
    assert output.attempts[0].maybe_received == error.maybe_received
    assert output.attempts[0].sent == error.sent


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequestError("two tools have one name", sent=False),
        CancelledError("closed"),
        BudgetExceededError("10 of 10 dollars are spent", code=TOTAL_BUDGET, sent=False),
    ],
)
def test_own_mistakes_cancellation_and_the_whole_budget_stop_the_call(error: BackendError) -> None:
    time = ModelTime()
    second = Scripted("b")
    with pytest.raises(type(error)) as caught:
        router(time).answer(ask(time=time), [Scripted("a", [error]), second])
    assert caught.value is error
    assert [a.backend for a in error.attempts] == ["a"]
    assert not second.seen


def test_one_backend_raises_its_own_error_and_several_raise_all_of_them() -> None:
    time = ModelTime()
    alone = ServerError("boom", status=500)
    with pytest.raises(ServerError) as one:
        router(time).answer(ask(time=time), [Scripted("a", [alone])])
    assert one.value is alone
    assert len(alone.attempts) == 1
    first, second = ServerError("boom", status=500), AuthenticationError("bad key", status=401)
    with pytest.raises(AllBackendsFailedError) as several:
        router(time).answer(ask(time=time), [Scripted("a", [first]), Scripted("b", [second])])
    assert several.value.errors == {"a": first, "b": second}
    assert several.value.__cause__ is second
    assert str(several.value).splitlines()[1:] == [
        "  a: ServerError: boom (0.00 s)",
        "  b: AuthenticationError: bad key (0.00 s)",
    ]


def test_a_failed_key_or_model_is_logged_as_an_error_without_the_prompt(caplog: pytest.LogCaptureFixture) -> None:
    time = ModelTime()
    with caplog.at_level(logging.DEBUG):
        router(time).answer(
            ask("my secret case", time=time),
            [Scripted("a", [AuthenticationError("bad key", status=401)]), Scripted("b")],
        )
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "a: AuthenticationError: bad key" in caplog.text
    assert "secret" not in caplog.text


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


class TestSkips:
    def test_refused_targets_are_listed_unsent_and_use_up_no_attempts(self) -> None:
        time = ModelTime()
        refusal = lambda: BudgetExceededError("5 of 5 dollars are spent", sent=False)  # noqa: E731
        skipped = [Scripted(f"s{n}", policies=[Recorder([], "p", refusal)]) for n in range(5)]
        output = router(time, max_attempts=1).answer(ask(time=time), [*skipped, Scripted("b")])
        assert [(a.backend, a.sent) for a in output.attempts] == [*((f"s{n}", False) for n in range(5)), ("b", True)]
        assert output.attempts[0].error == "BudgetExceededError: 5 of 5 dollars are spent"

    def test_what_lacks_a_capability_is_passed_over_and_takes_no_share(self) -> None:
        time = ModelTime()
        blind, seeing = Scripted("a", lacking="no images"), Scripted("b")
        output = router(time).answer(ask(time=time, seconds=8), [seeing, blind])
        assert seeing.seen[0].deadline.remaining() == pytest.approx(8.0)
        assert [a.error for a in output.attempts] == ["InvalidRequestError: cannot serve this request: no images", None]

    def test_when_none_can_serve_the_request_the_error_names_what_each_lacks(self) -> None:
        time = ModelTime()
        with pytest.raises(InvalidRequestError, match=r"a: .*no images; b: .*no tools") as caught:
            router(time).answer(ask(time=time), [Scripted("a", lacking="no images"), Scripted("b", lacking="no tools")])
        assert not caught.value.sent

    def test_a_private_request_reaches_only_local_targets_and_touches_no_policy_of_others(self) -> None:
        time = ModelTime()
        log: list[str] = []
        remote = Scripted("a", policies=[Recorder(log, "remote")])
        local = Scripted("b", local=True)
        output = router(time).answer(ask(time=time, privacy="local"), [remote, local])
        assert output.attempts[-1].backend == "b"
        assert not remote.seen
        assert not log
        with pytest.raises(InvalidRequestError, match="not local"):
            router(time).answer(ask(time=time, privacy="local"), [remote])

    def test_no_targets_at_all_is_an_error_that_says_so(self) -> None:
        with pytest.raises(InvalidRequestError, match="no backend"):
            Router().answer(ask(), [])


class TestPolicies:
    def test_policies_are_entered_in_order_and_settled_in_reverse(self) -> None:
        log: list[str] = []
        policies = [Recorder(log, "one"), Recorder(log, "two")]
        Router().answer(ask(), [Scripted("a", policies=policies)])
        assert log == ["enter one", "enter two", "settle two", "settle one"]
        assert all(policy.outcomes[0].output is not None for policy in policies)

    def test_a_refusal_gives_back_what_the_earlier_ones_gave(self) -> None:
        log: list[str] = []
        first = Recorder(log, "one")
        refusing = Recorder(log, "two", lambda: BudgetExceededError("spent", sent=False))
        with pytest.raises(BudgetExceededError):
            Router().answer(ask(), [Scripted("a", policies=[first, refusing])])
        assert log == ["enter one", "settle one"]
        assert first.outcomes == [Outcome(0.0)]

    @pytest.mark.parametrize("crash", [KeyboardInterrupt(), ZeroDivisionError()])
    def test_whatever_ends_an_attempt_settles_it_once(self, crash: BaseException) -> None:
        policy = Recorder([], "one")
        with pytest.raises(type(crash)):
            Router().answer(ask(), [Scripted("a", [crash], policies=[policy])])
        assert len(policy.outcomes) == 1
        assert isinstance(policy.outcomes[0].error, CancelledError)

    def test_a_full_local_limit_holds_a_call_one_second_while_others_are_left(self) -> None:
        time = ModelTime()
        limited = Recorder([], "limit", lambda: RateLimitError("full", code=LOCAL_LIMIT, retry_after=5.0, sent=False))
        output = router(time).answer(ask(time=time), [Scripted("a", policies=[limited]), Scripted("b")])
        assert limited.max_queue_wait == [1.0]
        assert [(a.backend, a.sent) for a in output.attempts] == [("a", False), ("b", True)]

    def test_when_all_others_failed_the_soonest_free_is_waited_for(self) -> None:
        time = ModelTime()
        later = Recorder([], "a", lambda: RateLimitError("full", code=LOCAL_LIMIT, retry_after=5.0, sent=False))
        refusals = iter([RateLimitError("full", code=LOCAL_LIMIT, retry_after=2.0, sent=False), None])
        sooner = Recorder([], "b", lambda: next(refusals))
        broken = Scripted("c", [ServerError("x", status=500)])
        backends = [Scripted("a", policies=[later]), Scripted("b", policies=[sooner]), broken]
        output = router(time).answer(ask(time=time), backends)
        assert [a.backend for a in output.attempts] == ["a", "b", "c", "b"]
        assert len(sooner.max_queue_wait) == 2
        assert sooner.max_queue_wait[1] == pytest.approx(5.0)
        assert len(later.max_queue_wait) == 1

    def test_refusing_instead_of_waiting_is_a_skip(self) -> None:
        time = ModelTime()
        limited = Recorder([], "limit", lambda: RateLimitError("full", code=LOCAL_LIMIT, retry_after=5.0, sent=False))
        backend = Scripted("a", policies=[limited], retry=RetryPolicy(on_rate_limit=False))
        with pytest.raises(RateLimitError) as caught:
            router(time).answer(ask(time=time), [backend])
        assert not caught.value.sent
        assert not backend.seen


def test_embeddings_take_the_same_loop() -> None:
    request = EmbeddingRequest(("a", "b"), Deadline(5), CancelToken())
    vectors = EmbeddingOutput(((1.0,), (2.0,)))
    output = Router().embed(request, [Scripted("a", [ServerError("x", status=500)]), Scripted("b", [vectors])])
    assert output.vectors == vectors.vectors
    assert [a.backend for a in output.attempts] == ["a", "b"]
