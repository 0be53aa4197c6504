"""The last healthy backend is reached, wherever it stands and whatever the others do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.call import CancelToken
from complaint_llm.exceptions import (
    BackendError,
)
from complaint_llm.messages import Attempt, Done, EmbeddingOutput
from complaint_llm.request import EmbeddingRequest
from complaint_llm.routing.explain import explain
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import RetryPolicy
from tests.routing.failures import AT_ONCE, FAILURES, RETRY, router
from tests.routing.routing_model import ModelTime, Scripted, answer, ask, events
from tests.sampled import sampled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def answer_in_one(router: Router, time: ModelTime, backends: Sequence[Scripted]) -> Sequence[Attempt]:
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
    "in one piece": (answer_in_one, answer),
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
