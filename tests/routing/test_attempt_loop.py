"""The attempt loop: fallback, skips, policies, and what is recorded and raised."""

from __future__ import annotations

import logging
from contextlib import nullcontext

import pytest

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
from complaint_llm.routing.target import Outcome, RetryPolicy
from tests.routing.failures import Recorder, router
from tests.routing.routing_model import ModelTime, Scripted, answer, ask


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


@pytest.mark.parametrize("answered", [True, False], ids=["another answered", "raised"])
@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (AuthenticationError("bad key", status=401), True),
        (BackendError("no money", status=402), True),
        (BackendError("not you", status=403), True),
        (BackendError("no model", status=404), True),
        (BackendError("too fast", status=429), False),
        (ServerError("boom", status=500), False),
        (ServerError("busy", status=503), False),
        (BackendError("odd", status=400), False),
        (BackendError("too large", status=413), False),
        (BackendError("late", status=408), False),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
def test_what_somebody_has_to_mend_is_logged_once_and_marked_if_it_is_raised(
    caplog: pytest.LogCaptureFixture, error: BackendError, logged: bool, answered: bool
) -> None:
    """The mark is for programs that print what is raised themselves."""
    time = ModelTime()
    backends = [Scripted("a", [error] * 3), *([Scripted("b")] if answered else [])]
    with caplog.at_level(logging.DEBUG), nullcontext() if answered else pytest.raises(BackendError):
        router(time).answer(ask(time=time), backends)
    found = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [getattr(record, "raised", None) for record in found] == ([not answered] if logged else [])
