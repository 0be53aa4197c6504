"""A re-ask is an attempt of its own: admission, reservation, share of the deadline, entry, usage and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.exceptions import (
    AllBackendsFailedError,
    BudgetExceededError,
    InvalidRequestError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import Done, InferenceOutput, Message, TokenUsage
from complaint_llm.routing.policies.bound import Bound
from complaint_llm.routing.policies.budget import Account, Budget
from complaint_llm.routing.policies.budget_book import BudgetLimits
from complaint_llm.routing.reask import Kind, ReAsk, with_earlier
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState, RetryPolicy
from tests.routing.routing_model import ModelTime, Scripted, answer, ask, events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from complaint_llm.request import Request

MISFIT = "the answer is no JSON"


def router(time: ModelTime, **keys: Any) -> Router:
    return Router(clock=time.clock, sleep=time.sleep, random=lambda: 1.0, **keys)


def again(
    kind: Kind = "structure", output: InferenceOutput | None = None, first: Callable[[], None] = lambda: None
) -> Callable[[Request], InferenceOutput]:
    """A step that wants to be asked again with one more message."""

    def step(request: Request) -> InferenceOutput:
        first()
        asked = request._replace(messages=(*request.messages, Message("user", "again")))
        raise ReAsk(kind, asked, ResponseFormatError(MISFIT), output)

    return step


class Slot:
    """A policy that keeps what it was asked and how its permits were settled; refuses from ``refuse_from`` on."""

    def __init__(self, refuse_from: int = 99, refusal: type[Exception] = BudgetExceededError, **facts: Any) -> None:
        self.refuse_from, self.refusal, self.facts = refuse_from, refusal, facts
        self.seen: list[AnyRequest] = []
        self.outcomes: list[Outcome] = []

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        self.seen.append(request)
        if len(self.seen) > self.refuse_from:
            raise self.refusal("no", sent=False, **self.facts)
        return self

    def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        return PolicyState("slot", "")


def paid(tokens: int, cost: float | None) -> InferenceOutput:
    return InferenceOutput("{", token_usage=TokenUsage(tokens, 1, tokens + 1), cost=cost)


def test_it_is_admitted_settled_and_listed_like_any_attempt() -> None:
    time, slot = ModelTime(), Slot()
    backend = Scripted("a", [again(output=paid(7, 0.5)), answer("{}")], policies=[slot])
    output = router(time).answer(ask(time=time), [backend])
    assert [(a.backend, a.error, a.sent) for a in output.attempts] == [
        ("a", f"ResponseFormatError: {MISFIT}", True),
        ("a", None, True),
    ]
    assert [outcome.output is not None and outcome.error is None for outcome in slot.outcomes] == [True, True]
    assert slot.outcomes[0].output == paid(7, 0.5)


def test_its_admission_sees_the_longer_request() -> None:
    """What is reserved for it is what it sends."""
    time, slot = ModelTime(), Slot()
    router(time).answer(ask(time=time), [Scripted("a", [again(), answer()], policies=[slot])])
    assert [len(request.messages) for request in slot.seen] == [1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("first", "second", "cost"), [(0.5, 0.25, 0.75), (None, 0.25, None), (0.5, None, None), (0.0, 0.0, 0.0)]
)
def test_the_answer_has_the_usage_and_cost_of_both(
    first: float | None, second: float | None, cost: float | None
) -> None:
    time = ModelTime()
    backend = Scripted("a", [again(output=paid(7, first)), answer("{}", second)])
    output = router(time).answer(ask(time=time), [backend])
    assert (output.token_usage.prompt_tokens, output.token_usage.total_tokens, output.cost) == (17, 23, cost)


def test_each_kind_is_granted_once_a_backend() -> None:
    time = ModelTime()
    kinds: list[Kind] = ["schema_refused", "structure", "checks", "structure", "checks"]
    backend = Scripted("a", [again(kind) for kind in kinds], retry=RetryPolicy(max_retries=0))
    with pytest.raises(ResponseFormatError, match=MISFIT) as caught:
        router(time).answer(ask(time=time), [backend])
    assert len(backend.seen) == len(caught.value.attempts) == 4


def test_what_is_not_granted_moves_on_and_the_next_backend_is_asked_the_original() -> None:
    time = ModelTime()
    stubborn, other = Scripted("a", [again(output=paid(7, 0.5))]), Scripted("b", [answer("{}", 0.25)])
    output = router(time).answer(ask(time=time), [stubborn, other])
    assert [a.backend for a in output.attempts] == ["a", "a", "b"]
    assert len(other.seen[0].messages) == 1  # type: ignore[union-attr]
    assert output.cost == 1.25


def test_it_uses_up_no_retry_and_a_retry_after_it_asks_what_it_asked() -> None:
    time = ModelTime()
    backend = Scripted("a", [again(), ServerError("500", status=500), answer("{}")], retry=RetryPolicy(1, 0.0))
    output = router(time).answer(ask(time=time), [backend])
    assert [len(request.messages) for request in backend.seen] == [1, 2, 2]  # type: ignore[union-attr]
    assert len(output.attempts) == 3


@pytest.mark.parametrize(("cap", "asked"), [(1, 1), (2, 2)])
def test_an_explicit_cap_counts_it(cap: int, asked: int) -> None:
    time = ModelTime()
    backend = Scripted("a", [again(), answer("{}")])
    if cap > 1:
        assert router(time, max_attempts=cap).answer(ask(time=time), [backend]).content == "{}"
    else:
        with pytest.raises(ResponseFormatError, match=MISFIT):
            router(time, max_attempts=cap).answer(ask(time=time), [backend])
    assert len(backend.seen) == asked


def test_a_refused_admission_of_it_ends_this_backend_with_the_first_failure() -> None:
    time = ModelTime()
    with pytest.raises(ResponseFormatError, match=MISFIT) as caught:
        router(time).answer(ask(time=time), [Scripted("a", [again()], policies=[Slot(refuse_from=1)])])
    assert [a.error for a in caught.value.attempts] == [f"ResponseFormatError: {MISFIT}", "BudgetExceededError: no"]
    with pytest.raises(AllBackendsFailedError) as both:
        router(time).answer(
            ask(time=time),
            [Scripted("a", [again()], policies=[Slot(refuse_from=1)]), Scripted("b", [ServerError("x", status=500)])],
        )
    assert set(both.value.errors) == {"a", "b"}


def test_a_full_limit_of_ours_is_waited_for_by_the_re_ask_too() -> None:
    time = ModelTime()
    full = Slot(refuse_from=1, refusal=RateLimitError, code="local_limit", retry_after=3.0)
    backend = Scripted("a", [again(), answer()], policies=[full])
    with pytest.raises(ResponseFormatError, match=MISFIT):
        router(time).answer(ask(time=time), [backend])
    assert len(full.seen) == 2


@pytest.mark.parametrize(
    ("total", "asked"),
    [(0.6, 1), (0.7, 1), (0.9, 1), (1.0, 1), (1.19, 1), (1.2, 2), (1.21, 2), (1.79, 2), (1.8, 3), (5.0, 3), (0.5, 0)],
)
def test_no_budget_is_passed_by_re_asks(total: float, asked: int, tmp_path: Path) -> None:
    """Each attempt has a reservation of its own, of 0.60 dollars, which is what it costs."""
    account = Account("a", BudgetLimits(total=total), tmp_path / "state.db")
    backend = Scripted(
        "a",
        [again(output=paid(7, 0.6)), again("checks", output=paid(7, 0.6)), answer("{}", 0.6)],
        policies=[Budget(account, lambda request: Bound(0.6))],
    )
    if asked == 3:
        assert Router().answer(ask(), [backend]).cost == pytest.approx(1.8)
    else:
        with pytest.raises((ResponseFormatError, BudgetExceededError)):
            Router().answer(ask(), [backend])
    assert len(backend.seen) == asked
    assert f"{0.6 * asked:.4f} of {total:g} dollars" in account.state().line
    account.close()


def test_its_share_of_the_deadline_is_its_own() -> None:
    time = ModelTime()
    left: list[float] = []

    def second(request: Request) -> InferenceOutput:
        left.append(request.deadline.remaining())
        return answer()

    backend = Scripted("a", [again(first=lambda: time.advance(4.0)), second], timeout=5.0)
    router(time).answer(ask(time=time, seconds=10), [backend])
    assert left == [5.0]


def test_a_stream_that_is_refused_before_its_first_piece_is_asked_again() -> None:
    """A provider that refuses the schema says so before it answers."""
    time = ModelTime()

    def refused(request: Request) -> Any:
        raise ReAsk("schema_refused", request, InvalidRequestError("HTTP 400: schema too large", status=400))

    backend = Scripted("a", [refused, events("yes")])
    got = list(router(time).stream(ask(time=time), [backend]))
    assert isinstance(got[-1], Done)
    assert [a.error is None for a in got[-1].output.attempts] == [False, True]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (None, None, None),
        ("flex", None, "flex"),
        (None, "flex", "flex"),
        ("flex", "flex", "flex"),
        ("flex", "priority", "flex, priority"),
    ],
)
def test_what_two_answers_tell_in_words_is_not_added_up(
    first: str | None, second: str | None, told: str | None
) -> None:
    """Counts are."""
    one, two = (
        InferenceOutput("x", token_usage=TokenUsage(2, 1, 3, cache_write_tokens=1, service_tier=tier), cost=0.5)
        for tier in (first, second)
    )
    summed = with_earlier(two, [one])
    assert summed.token_usage == TokenUsage(4, 2, 6, cache_write_tokens=2, service_tier=told)
    assert summed.cost == 1.0
