"""Where a request says no maximum, a budget chooses the longest answer that a worker's share pays for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.exceptions import BudgetExceededError
from complaint_llm.routing.attempts import LOCAL_LIMIT
from complaint_llm.routing.policies.bound import Bound, nano_of, with_chosen_maximum
from complaint_llm.routing.policies.budget import Account, Budget
from complaint_llm.routing.policies.budget_book import BudgetLimits
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import Outcome
from tests.routing.routing_model import Scripted, answer, ask

FREE_CHOICE = Bound(0.001, 0.00001, 100_000, chosen=False)
"""A dollar for 100,000 tokens, and a tenth of a cent for the prompt."""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[Account] = []

    def account(total: float, workers: int = 8, **keys: Any) -> Account:
        made.append(Account(f"a{len(made)}", BudgetLimits(total=total), tmp_path / "state.db", workers=workers, **keys))
        return made[-1]

    yield account
    for each in made:
        each.close()


def longest(permit: Any) -> int:
    found: int = permit.max_tokens
    return found


@pytest.mark.parametrize(
    ("total", "workers", "tokens"),
    [
        (100.0, 8, 100_000),
        (8.0, 8, 99_900),
        (4.0, 8, 49_900),
        (0.8, 8, 9_900),
        (0.8, 1, 79_900),
        (0.8, 16, 4_900),
        (0.1, 8, 1_150),
        (0.09, 8, 1_025),
        (0.05, 8, 1_024),
        (0.0113, 8, 1_024),
        (0.0113, 1, 1_030),
    ],
)
def test_the_longest_answer_is_a_workers_share_of_what_is_left(
    make: Any, total: float, workers: int, tokens: int
) -> None:
    """Never more than the model gives, never less than is worth sending."""
    permit = make(total, workers).reserve(FREE_CHOICE, ask(), 0)
    assert longest(permit) == pytest.approx(tokens, abs=1)


def test_what_others_have_reserved_is_not_shared_again(make: Any) -> None:
    """Eight workers of eight get the same, and all of it together is the budget."""
    account = make(0.8)
    permits = [account.reserve(FREE_CHOICE, ask(), 0) for _ in range(8)]
    assert {longest(permit) for permit in permits} == {9_900}
    with pytest.raises(BudgetExceededError) as caught:
        account.reserve(FREE_CHOICE, ask(), 0)
    assert caught.value.code == LOCAL_LIMIT


def test_below_the_least_answer_it_waits_for_reservations(make: Any) -> None:
    """And is admitted when one of them is settled."""
    account = make(0.0125, 1)
    first = account.reserve(FREE_CHOICE, ask(), 0)
    timer = threading.Timer(0.05, first.settle, [Outcome(0.1, answer(cost=0.0001))])
    timer.start()
    second = account.reserve(FREE_CHOICE, ask(), 10)
    timer.join()
    assert 1_024 <= longest(second) <= 1_140


@pytest.mark.parametrize("total", [0.0, 0.001, 0.005, 0.0112])
def test_below_the_least_answer_what_is_spent_refuses(make: Any, total: float) -> None:
    """At once, with the amount that it would take."""
    with pytest.raises(BudgetExceededError, match=r"may cost 0\.0112") as caught:
        make(total).reserve(FREE_CHOICE, ask(), 100)
    assert caught.value.code is None


@pytest.mark.parametrize(("answer_tokens", "sent"), [(10, 10), (1_024, 1_024), (500, 500)])
def test_a_model_of_short_answers_needs_no_more(make: Any, answer_tokens: int, sent: int) -> None:
    """The least is then the model's own."""
    assert longest(make(1.0).reserve(Bound(0.0, 0.00001, answer_tokens, chosen=False), ask(), 0)) == sent


def test_more_workers_than_were_thought_of_share_too(make: Any) -> None:
    """As many as are seen at a time."""
    account = make(1.0, 1)
    first = account.reserve(Bound(0.0, 0.00001, 1_000_000, chosen=False), ask(), 0)
    assert longest(first) == pytest.approx(100_000, abs=1)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(account.reserve(FREE_CHOICE, ask(seconds=30), 20)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    first.settle(Outcome(0.1, answer(cost=0.0)))
    for thread in threads:
        thread.join(30)
    assert len(found) == 4
    assert sum(FREE_CHOICE.nano(longest(permit)) for permit in found) <= nano_of(1.0)


def test_what_the_request_says_is_reserved_as_it_says(make: Any) -> None:
    """No maximum is chosen then."""
    permit = make(2.0).reserve(Bound(0.0, 0.00001, 100_000), ask(), 0)
    assert permit.max_tokens is None


def test_a_bound_that_is_not_known_is_refused_in_its_words_and_the_next_backend_is_asked(make: Any) -> None:
    """It is no matter of what is spent, so a whole budget stops nothing here."""
    total = make(5.0, total_budget=True)
    blind = Scripted("blind", policies=[Budget(total, lambda request: Bound(0.0, unknown="set max_tokens"))])
    seeing = Scripted("seeing", [answer(cost=0.1)], policies=[Budget(total, lambda request: Bound(0.5))])
    output = Router().answer(ask(), [blind, seeing])
    assert [attempt.error and attempt.error.rpartition(": ")[2] for attempt in output.attempts] == [
        "set max_tokens",
        None,
    ]


def test_the_smallest_of_all_chosen_maxima_is_sent(make: Any) -> None:
    """A backend's budget and the total one both choose."""
    small, total = make(0.4), make(4.0, total_budget=True)
    policies = [Budget(account, lambda request: FREE_CHOICE) for account in (total, small)]
    backend = Scripted("a", [answer(cost=0.01)], policies=policies)
    Router().answer(ask(), [backend])
    assert backend.seen[0].params["max_tokens"] == pytest.approx(4_900, abs=1)


def test_without_a_choice_the_request_is_the_same() -> None:
    """Nothing is copied."""
    request = ask()
    assert with_chosen_maximum(request, ()) is request


def test_its_state_says_how_many_workers_it_feeds(make: Any) -> None:
    """With answers of a length."""
    account = make(0.8)
    assert account.state(FREE_CHOICE).line.endswith("feeds 8 of 8 workers with answers of 9900 tokens")
    assert account.state(Bound(0.0, 0.00001, 50_000)).line.endswith("feeds 1 of 8 workers with answers of 50000 tokens")
    held = account.reserve(Bound(0.77), ask(), 0)
    assert account.state(FREE_CHOICE).line.endswith("feeds 2 of 8 workers with answers of 1024 tokens")
    held.settle(Outcome(0.1, answer(cost=0.8)))
    assert not account.state(FREE_CHOICE).ready


def test_nine_tenths_of_a_budget_are_spent_by_a_long_batch(make: Any) -> None:
    """By eight workers whose answers are much shorter than what is reserved for them."""
    account = make(2.0)
    costs = iter([0.004, 0.001, 0.009, 0.002] * 10_000)
    lock = threading.Lock()
    total = [0.0]

    def work() -> None:
        while True:
            try:
                permit = account.reserve(FREE_CHOICE, ask(seconds=60), 30)
            except BudgetExceededError:
                return
            with lock:
                cost = next(costs)
                total[0] += cost
            permit.settle(Outcome(0.1, answer(cost=cost)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 1.8 <= total[0] <= 2.0


@settings(max_examples=25, deadline=None)
@given(
    total=st.floats(0.001, 5),
    steps=st.lists(
        st.tuples(st.floats(0, 0.5), st.floats(0, 1e-5), st.integers(1, 50_000), st.booleans(), st.floats(0, 1)),
        max_size=30,
    ),
)
def test_no_sequence_passes_the_limit(tmp_path_factory: pytest.TempPathFactory, total: float, steps: list[Any]) -> None:
    """Bounds, chosen or not, and costs up to the bound, in any order."""
    folder = tmp_path_factory.mktemp("budget")
    account = Account("a", BudgetLimits(total=total), folder / "state.db", workers=2)
    billed = 0
    try:
        for prompt, token, most, chosen, part in steps:
            bound = Bound(prompt, token, most, chosen=chosen)
            try:
                permit: Any = account.reserve(bound, ask(), 0)
            except BudgetExceededError:
                continue
            tokens = most if permit.max_tokens is None else permit.max_tokens
            cost = (prompt + token * tokens) * part
            billed += nano_of(cost)
            permit.settle(Outcome(0.1, answer(cost=cost)))
    finally:
        account.close()
    assert billed <= nano_of(total)
