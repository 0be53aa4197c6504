"""A call over a thousand healthy targets asks a handful of them anything: counted, not timed."""

from __future__ import annotations

from collections import Counter, UserList, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend
from complaint_llm.exceptions import AllBackendsFailedError, BackendError, InvalidRequestError, ServerError
from complaint_llm.messages import Done, InferenceOutput, Message
from complaint_llm.request import Request
from complaint_llm.routing.attempts import LOOKED_THROUGH
from complaint_llm.routing.policies.load_meter import Meter
from complaint_llm.routing.router import Router
from complaint_llm.routing.strategies import STRATEGIES, LowestCost, make_strategy, ordered_targets
from complaint_llm.routing.target import AnyRequest, C, Estimate, RetryPolicy
from complaint_llm.routing.turns import TargetOrder
from tests.routing.failures import FAILURES
from tests.routing.routing_model import ModelTime, Scripted, answer, ask, events


class Silent(Backend):
    """A backend that needs no server."""

    def __init__(self, number: int) -> None:
        super().__init__(id=f"s{number}", model="any")

    def answer(self, request: Request) -> InferenceOutput:
        return answer("yes")


class Counting(Scripted):
    """A backend that writes down who was asked anything."""

    def __init__(self, id: str, asked: Counter[str], script: list[Any] | None = None, **keys: Any) -> None:
        meter = Meter()
        super().__init__(id, script or [answer()], meter=meter, policies=(meter,), **keys)
        self.asked = asked

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name != "asked" and "asked" in object.__getattribute__(self, "__dict__"):
            object.__getattribute__(self, "asked")[object.__getattribute__(self, "id")] += 1
        return object.__getattribute__(self, name)


def many(number: int, asked: Counter[str], **keys: Any) -> list[Counting]:
    return [
        Counting(f"b{n}", asked, weight=1.0 + n % 3, guess=Estimate(10, 5, 1.0 + n % 7), **keys) for n in range(number)
    ]


def answer_whole(router: Router, targets: Sequence[Any], strategy: Any) -> str:
    request = ask()
    return router.answer(request, ordered_targets(strategy, targets, request)).backend


def answer_streamed(router: Router, targets: Sequence[Any], strategy: Any) -> str:
    request = ask()
    last = list(router.stream(request, ordered_targets(strategy, targets, request)))[-1]
    assert isinstance(last, Done)
    return last.output.attempts[-1].backend


@pytest.mark.rows(6)
@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize(
    ("go", "script"), [(answer_whole, lambda: [answer()]), (answer_streamed, lambda: [events("yes")])]
)
@pytest.mark.parametrize("hedge_after", [None, 3600.0])
def test_a_call_over_a_thousand_asks_a_handful(
    name: str, go: Callable[..., str], script: Callable[[], list[Any]], hedge_after: float | None
) -> None:
    """The first call puts them into order; what is counted are those after it."""
    asked = Counter[str]()
    targets = [
        Counting(f"b{n}", asked, [*script()], weight=1.0 + n % 3, guess=Estimate(10, 5, 1.0 + n % 7))
        for n in range(1000)
    ]
    for target in targets:
        target.script = [script()[0] for _ in range(3)] if go is answer_whole else [events("yes") for _ in range(60)]
    router, strategy = Router(hedge_after=hedge_after), make_strategy(name)
    go(router, targets, strategy)
    asked.clear()
    for _ in range(25):
        go(router, targets, strategy)
    # One that is asked is asked some 20 times, a hedge's second one some five times.
    assert asked.total() <= 25 * 40, asked


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("number", [1, 2, 16, 17, 40])
def test_each_strategy_gives_every_target_once_however_many_there_are(name: str, number: int) -> None:
    targets = many(number, Counter())
    strategy = make_strategy(name)
    for _ in range(number + 3):
        order = ordered_targets(strategy, targets, ask())
        assert len(order) == number
        assert sorted(map(id, order)) == sorted(map(id, targets))
        assert [*order] == [*order]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("dead", [0, 1, 15, 16, 17, 59])
def test_the_only_healthy_of_sixty_is_reached_by_every_strategy(name: str, dead: int) -> None:
    time = ModelTime()
    asked = Counter[str]()
    targets = [Counting(f"b{n}", asked, [FAILURES["401"]()], retry=RetryPolicy(2)) for n in range(60)]
    targets[dead] = Counting("good", asked)
    request = ask(time=time, seconds=600)
    router = Router(clock=time.clock, sleep=time.sleep)
    assert router.answer(request, ordered_targets(make_strategy(name), targets, request)).backend == "good"


def test_a_plugin_s_iterator_is_taken_only_as_far_as_the_call_needs() -> None:
    taken: list[str] = []

    class Mine:
        def order(self, targets: Sequence[C], request: AnyRequest) -> Iterator[C]:
            for target in targets:
                taken.append(target.id)
                yield target

    targets = [Scripted(f"b{n}", [answer() if n == 2 else FAILURES["401"]()]) for n in range(100)]
    output = Router().answer(ask(), ordered_targets(Mine(), targets, ask()))
    assert output.backend == "b2"
    assert taken == ["b0", "b1", "b2"]


@pytest.mark.parametrize("kind", [tuple, list, deque, UserList, iter, lambda given: (x for x in given)])
def test_an_order_of_any_kind_is_taken(kind: Callable[[Sequence[Any]], Any]) -> None:
    """A plugin gives what it likes, such as a list of its own class or an iterator; it can be gone through again."""

    class Mine:
        def order(self, targets: Sequence[C], request: AnyRequest) -> Any:
            return kind(targets[::-1])

    targets = [Scripted(f"b{n}", [answer() if n == 1 else FAILURES["401"]()]) for n in range(4)]
    ordered = ordered_targets(Mine(), targets, ask())
    assert len(ordered) == 4
    output = Router().answer(ask(), ordered)
    assert [each.backend for each in output.attempts] == ["b3", "b2", "b1"]
    assert [each.id for each in ordered] == ["b3", "b2", "b1", "b0"]


def test_so_it_is_behind_a_mediator() -> None:
    taken: list[str] = []

    class Mine:
        def order(self, targets: Sequence[C], request: AnyRequest) -> Iterator[C]:
            for target in targets:
                taken.append(target.id)
                yield target

    with Mediator([*map(Silent, range(30))], strategy=Mine()) as mediator:
        assert mediator.infer("hello").backend == "s0"
    assert taken == ["s0"]


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_the_router_takes_any_iterable(kind: Callable[[list[Scripted]], Any]) -> None:
    targets = [Scripted("a", [FAILURES["401"]()]), Scripted("b")]
    assert Router().answer(ask(), kind(targets)).backend == "b"
    targets = [Scripted("a", [FAILURES["401"]()]), Scripted("b", [events("x")])]
    *_, last = Router().stream(ask(), kind(targets))
    assert isinstance(last, Done)
    assert [each.backend for each in Router().explain(ask(), kind(targets))] == ["a", "b"]


def test_an_order_that_leaves_some_out_or_names_one_twice_is_taken_as_it_is() -> None:
    first, second, third = (Scripted(id, [ServerError("HTTP 500", status=500)]) for id in "abc")
    order = TargetOrder(iter([second, second, first]), 3)
    with pytest.raises(AllBackendsFailedError) as caught:
        Router().answer(ask(), order)
    assert [attempt.backend for attempt in caught.value.attempts] == ["b", "a"]
    assert not third.seen
    assert (len(order), order[1], order[-1], order[:1]) == (2, first, first, (second,))
    with pytest.raises(IndexError):
        order[2]


def seconds_left(kept: list[float]) -> Callable[[Request], Any]:
    def look(request: Request) -> Any:
        kept.append(request.deadline.remaining())
        return answer()

    return look


@pytest.mark.parametrize("eligible", [1, 2, 5, 16])
@pytest.mark.parametrize("number", [LOOKED_THROUGH, LOOKED_THROUGH + 1, 100])
@pytest.mark.parametrize("field", ["privacy", "tools", "images", "response_format"])
def test_the_deadline_is_shared_by_those_that_may_serve_a_request_that_asks_for_more(
    eligible: int, number: int, field: str
) -> None:
    """Whoever lacks what it needs takes no share, in a list of any length."""
    time = ModelTime()
    left: list[float] = []
    others = [Scripted(f"x{n}", lacking="no way") for n in range(number - eligible)]
    mine = [Scripted(f"b{n}", [seconds_left(left)], local=True) for n in range(eligible)]
    request = ask(time=time, seconds=60)
    if field == "images":
        request = request._replace(messages=(Message("user", [{"type": "text", "text": "what is this"}]),))
    else:
        request = request._replace(**{field: "local" if field == "privacy" else ("something",)})
    Router(clock=time.clock).answer(request, [*mine, *others])
    assert left == [60.0 / eligible]


@pytest.mark.parametrize("number", [LOOKED_THROUGH + 1, 100])
def test_of_a_plain_text_the_share_grows_as_others_are_found_not_to_serve_it(number: int) -> None:
    time = ModelTime()
    left: list[float] = []
    others = [Scripted(f"x{n}", lacking="no way") for n in range(number - 2)]
    last = Scripted("last", [seconds_left(left)])
    output = Router(clock=time.clock).answer(
        ask(time=time, seconds=60), [Scripted("a", [FAILURES["401"]()]), *others, last]
    )
    assert left == [60.0]
    assert [attempt.backend for attempt in output.attempts] == ["a", *(each.id for each in others), "last"]


def test_with_none_that_may_serve_each_reason_is_told() -> None:
    targets = [Scripted(f"x{n}", lacking="no way") for n in range(LOOKED_THROUGH + 4)]
    with pytest.raises(InvalidRequestError, match="x19: cannot serve this request: no way"):
        Router().answer(ask(), targets)


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_the_default_cap_is_the_same_in_a_long_list(retries: int) -> None:
    time = ModelTime()
    targets = [
        Scripted(f"b{n}", [ServerError("HTTP 500", status=500)], retry=RetryPolicy(retries, 0.0)) for n in range(40)
    ]
    with pytest.raises(BackendError) as caught:
        Router(clock=time.clock, sleep=time.sleep).answer(ask(time=time, seconds=600), targets)
    assert len(caught.value.attempts) == 40 + retries


@pytest.mark.parametrize("tokens", [1, 10, 99, 1000, 12345, 200_000])
def test_lowest_cost_of_a_long_list_costs_at_most_a_fifth_more_than_the_cheapest(tokens: int) -> None:
    """Some are cheap to read, others cheap to answer: which one is cheapest depends on the prompt's size."""

    class Priced(Scripted):
        def estimate(self, request: AnyRequest) -> Estimate:
            assert isinstance(request, Request)
            prompt = len(request.messages[0].text)
            return Estimate(prompt, 500, prompt * self.weight + 500 * 100 / self.weight)

    targets = [Priced(f"b{n}", weight=1.0 + n) for n in range(100)]
    strategy = LowestCost()
    for factor in (1.0, 1.19, 0.9, 1.4, 3.0, 9.0, 0.2):
        request = ask("x" * max(1, int(tokens * factor)))
        costs = [target.estimate(request).cost or 0.0 for target in targets]
        assert (strategy.order(targets, request)[0].estimate(request).cost or 0.0) <= min(costs) * 1.2
