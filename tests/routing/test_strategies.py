"""Strategies: exact shares, sensible orders, and no disturbance by targets that cannot serve a request."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from complaint_llm.exceptions import ConfigError
from complaint_llm.routing.strategies import (
    STRATEGIES,
    LeastLoaded,
    LowestCost,
    LowestLatency,
    Random,
    RoundRobin,
    Weighted,
    make_strategy,
)
from complaint_llm.routing.target import Estimate, Outcome, Strategy
from tests.routing.routing_model import Scripted, answer, ask

REQUEST = ask()


def backends(*weights: float) -> list[Scripted]:
    return [Scripted(f"b{place}", weight=weight) for place, weight in enumerate(weights)]


def first(strategy: Strategy, targets: list[Scripted]) -> str:
    return strategy.order(targets, REQUEST)[0].id


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_keeps_all_targets_and_puts_those_that_cannot_serve_last(name: str) -> None:
    strategy = make_strategy(name)
    able = backends(1, 2, 3)
    unable = [Scripted("x", lacking="no tools"), Scripted("y", lacking="no images")]
    for _ in range(30):
        order = strategy.order([unable[0], *able, unable[1]], REQUEST)
        assert {each.id for each in order} == {"b0", "b1", "b2", "x", "y"}
        if name != "fallback":
            assert {each.id for each in order[3:]} == {"x", "y"}


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_manages_with_one_target_and_with_none(name: str) -> None:
    strategy = make_strategy(name)
    assert list(strategy.order([], REQUEST)) == []
    (only,) = backends(1)
    assert list(strategy.order([only], REQUEST)) == [only]


def test_an_unknown_strategy_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no strategy 'quickest'; there are fallback, least_loaded"):
        make_strategy("quickest")
    assert isinstance(make_strategy("mine", {"mine": RoundRobin}), RoundRobin)


def test_fallback_keeps_the_order() -> None:
    given_order = backends(1, 2, 3)
    assert list(make_strategy("fallback").order(given_order, REQUEST)) == given_order


def test_round_robin_gives_each_the_same_share_to_one_request_at_every_moment() -> None:
    strategy, targets = RoundRobin(), backends(1, 5, 0.5)
    shares = Counter[str]()
    for _ in range(1000):
        shares[first(strategy, targets)] += 1
        assert max(shares.values()) - min(shares[each.id] for each in targets) <= 1


def test_the_others_follow_in_their_row() -> None:
    strategy, targets = RoundRobin(), backends(1, 1, 1)
    orders = [[each.id for each in strategy.order(targets, REQUEST)] for _ in range(3)]
    assert orders == [["b0", "b1", "b2"], ["b1", "b2", "b0"], ["b2", "b0", "b1"]]


@pytest.mark.parametrize("name", ["round_robin", "weighted", "least_loaded"])
@pytest.mark.parametrize("others", [0, 1, 3, 7])
def test_turns_go_on_where_the_same_targets_come_in_another_list(name: str, others: int) -> None:
    """As of a group that is asked by itself and inside another one, or of a caller who makes a list each time."""
    strategy, targets, more = make_strategy(name), backends(1, 1, 1), backends(*[1] * others)
    shares = Counter[str]()
    for _ in range(30):
        shares[first(strategy, [*targets])] += 1
        if more:
            first(strategy, more)
    assert shares == {"b0": 10, "b1": 10, "b2": 10}


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=6), st.integers(1, 200))
def test_those_that_cannot_serve_leave_the_shares_of_the_others_as_they_are(
    weights: list[tuple[int, bool]], requests: int
) -> None:
    assume(any(able for _, able in weights))
    strategy, targets = Weighted(), backends(*(weight for weight, _ in weights))
    for target, (_, able) in zip(targets, weights, strict=True):
        target.lacking = None if able else "no tools"
    shares = Counter(first(strategy, targets) for _ in range(requests))
    total = sum(weight for weight, able in weights if able)
    for target, (weight, able) in zip(targets, weights, strict=True):
        assert abs(shares[target.id] - able * requests * weight / total) <= len(targets)


@pytest.mark.parametrize("name", ["round_robin", "weighted"])
def test_nobody_saves_up_turns_that_he_could_not_take(name: str) -> None:
    """After a thousand requests that only one could serve, the others take theirs in turn, not a thousand in a row."""
    strategy, targets = make_strategy(name), backends(1, 1, 1)
    for target in targets[1:]:
        target.lacking = "no tools"
    assert {first(strategy, targets) for _ in range(1000)} == {"b0"}
    for target in targets:
        target.lacking = None
    shares = Counter(first(strategy, targets) for _ in range(30))
    assert min(shares[each.id] for each in targets) >= 9


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 200))
def test_weighted_shares_are_exact_to_one_request(weights: list[int], requests: int) -> None:
    strategy, targets = Weighted(), backends(*weights)
    shares = Counter(first(strategy, targets) for _ in range(requests))
    for each, weight in zip(targets, weights, strict=True):
        assert abs(shares[each.id] - requests * weight / sum(weights)) <= 1.0 + 1e-9


def test_weight_zero_is_a_fallback_only() -> None:
    strategy, targets = Weighted(), backends(0, 1)
    assert {tuple(each.id for each in strategy.order(targets, REQUEST)) for _ in range(20)} == {("b1", "b0")}


def test_shares_stay_exact_under_many_threads() -> None:
    strategy, targets = Weighted(), backends(3, 1)
    shares = Counter[str]()
    lock = threading.Lock()

    def work() -> None:
        mine = Counter(first(strategy, targets) for _ in range(100))
        with lock:
            shares.update(mine)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shares == {"b0": 1200, "b1": 400}


def test_random_draws_are_within_two_percent_over_10_000() -> None:
    strategy, targets = Random(random.Random(7).random), backends(1, 1, 1, 1)
    shares = Counter(first(strategy, targets) for _ in range(10_000))
    assert all(abs(shares[each.id] / 10_000 - 0.25) < 0.02 for each in targets)


def test_least_loaded_asks_the_one_with_the_fewest_under_way_for_its_weight() -> None:
    strategy, targets = LeastLoaded(), backends(1, 1)
    targets[0].meter.enter(REQUEST, 0)
    assert [first(strategy, targets) for _ in range(3)] == ["b1"] * 3
    heavy = backends(1, 4)
    for _ in range(3):
        heavy[1].meter.enter(REQUEST, 0)
    heavy[0].meter.enter(REQUEST, 0)
    assert first(strategy, heavy) == "b1"


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60),
    st.lists(st.integers(1, 4), min_size=4, max_size=4),
)
def test_least_loaded_follows_the_loads_as_they_change(steps: list[tuple[int, bool]], weights: list[int]) -> None:
    """Attempts begin and end between its calls, by others too."""
    strategy, targets = LeastLoaded(), backends(*weights)
    for place, begins in steps:
        meter = targets[place].meter
        if begins:
            meter.enter(REQUEST, 0)
        elif meter.in_flight:
            meter.settle(Outcome(0.1, answer()))
        loads = {each.id: (each.meter.in_flight + 1) / each.weight for each in targets}
        assert [loads[each.id] for each in strategy.order(targets, REQUEST)] == sorted(loads.values())


def test_least_loaded_takes_equals_in_turn() -> None:
    strategy, targets = LeastLoaded(), backends(1, 1, 1)
    assert Counter(first(strategy, targets) for _ in range(30)) == {"b0": 10, "b1": 10, "b2": 10}


def test_lowest_latency_learns_of_all_and_then_asks_the_quickest() -> None:
    strategy, targets = LowestLatency(), backends(1, 1, 1)
    seconds = {"b0": 0.9, "b1": 0.1, "b2": 0.5}
    shares = Counter[str]()
    for _ in range(200):
        chosen = strategy.order(targets, REQUEST)[0]
        shares[chosen.id] += 1
        chosen.meter.enter(REQUEST, 0).settle(Outcome(seconds[chosen.id], answer()))
    assert shares["b1"] >= 180
    assert min(shares[each.id] for each in targets) >= 1


def test_a_backend_that_became_quick_is_found_again() -> None:
    strategy, targets = LowestLatency(), backends(1, 1)
    seconds = {"b0": 0.9, "b1": 0.3}
    late = Counter[str]()
    for number in range(2000):
        if number == 100:
            seconds["b0"] = 0.05
        chosen = strategy.order(targets, REQUEST)[0]
        chosen.meter.enter(REQUEST, 0).settle(Outcome(seconds[chosen.id], answer()))
        if number >= 1000:
            late[chosen.id] += 1
    assert late["b0"] > 900


def test_quick_refusals_do_not_make_a_backend_quick() -> None:
    from complaint_llm.exceptions import ServerError

    strategy, targets = LowestLatency(), backends(1, 1)
    for each, took in zip(targets, (0.5, 0.2), strict=True):
        each.meter.enter(REQUEST, 0).settle(Outcome(took, answer()))
    for _ in range(50):
        targets[0].meter.enter(REQUEST, 0).settle(Outcome(0.001, None, ServerError("500", status=500)))
    assert first(strategy, targets) == "b1"


def test_lowest_cost_asks_the_cheapest_and_unknown_prices_last() -> None:
    prices = {"dear": 0.5, "unknown": None, "free": 0.0, "cheap": 0.1}
    targets = [Scripted(id, guess=Estimate(10, 10, cost)) for id, cost in prices.items()]
    assert [each.id for each in LowestCost().order(targets, REQUEST)] == ["free", "cheap", "dear", "unknown"]
