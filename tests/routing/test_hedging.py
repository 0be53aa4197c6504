"""Hedging: the next backend is asked too when the first takes long; one answers, the other is cancelled."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import MockBackend
from complaint_llm.exceptions import (
    AllBackendsFailedError,
    CancelledError,
    ServerError,
)
from complaint_llm.messages import InferenceOutput
from complaint_llm.routing.router import Router
from tests.routing.hedged_targets import SOON, Slot, Stuck, eventually, slow
from tests.routing.routing_model import Scripted, answer, ask

if TYPE_CHECKING:
    from complaint_llm.request import Request


def test_the_second_answers_first_and_the_first_is_cancelled() -> None:
    stuck, slots = Stuck(), [Slot(), Slot()]
    backends = [Scripted("a", [stuck], policies=[slots[0]]), Scripted("b", [answer("quick")], policies=[slots[1]])]
    output = Router(hedge_after=SOON).answer(ask(), backends)
    assert (output.content, output.backend) == ("quick", "b")
    assert stuck.reasons == ["b answered first"]
    assert [(a.backend, a.error, a.maybe_received) for a in output.attempts] == [
        ("a", "CancelledError: b answered first", True),
        ("b", None, False),
    ]
    assert isinstance(slots[0].outcomes[0].error, CancelledError)
    assert slots[1].outcomes[0].output is not None


def test_the_first_answers_first_and_the_second_is_cancelled() -> None:
    first, second, slots = Stuck(answer("first")), Stuck(), [Slot(), Slot()]
    backends = [Scripted("a", [first], policies=[slots[0]]), Scripted("b", [second], policies=[slots[1]])]

    def release() -> None:
        assert second.started.wait(10)
        first.release.set()

    helper = threading.Thread(target=release)
    helper.start()
    output = Router(hedge_after=SOON).answer(ask(), backends)
    helper.join()
    assert output.content == "first"
    assert sorted((a.backend, a.error) for a in output.attempts if a.error) == [
        ("b", "CancelledError: a answered first")
    ]
    assert eventually(lambda: len(slots[1].outcomes) == 1)
    error = slots[1].outcomes[0].error
    assert isinstance(error, CancelledError)
    assert error.maybe_received


def timers() -> set[int | None]:
    """The threads of timers, those of other tests' routers among them."""
    return {thread.ident for thread in threading.enumerate() if thread.name == "hedge timer"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all threads that are started."""
    names: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        names.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    return names


@pytest.mark.parametrize("calls", [1, 2, 50, 500])
def test_quick_answers_ask_nobody_else_and_start_no_thread(started: list[str], calls: int) -> None:
    """But the one that looks at the time for all of them, until the router is closed."""
    second, slot = Scripted("b"), Slot()
    second.policies = [slot]
    router, before = Router(hedge_after=60.0), timers()
    for _ in range(calls):
        assert len(router.answer(ask(), [Scripted("a"), second]).attempts) == 1
    assert not second.seen
    assert slot.entered == 0
    assert started == ["hedge timer"]
    router.close()
    router.close()
    assert timers() <= before


def test_only_the_call_that_takes_long_starts_a_thread_for_its_second(started: list[str]) -> None:
    """The timer's own thread asks nobody: an admission that waits would hold up the seconds of other calls."""
    router, asking = Router(hedge_after=SOON), []

    def second(request: Request) -> InferenceOutput:
        asking.append(threading.current_thread().name)
        return answer("second")

    for _ in range(3):
        router.answer(ask(), [Scripted("a", [Stuck()]), Scripted("b", [second])])
    assert asking == ["hedge b"] * 3
    assert started == ["hedge timer", *["hedge b"] * 3]
    router.close()


def test_a_router_that_is_closed_goes_on_unhedged() -> None:
    """A call that is still under way then asks one at a time."""
    router, second = Router(hedge_after=0.0), Scripted("b")
    router.close()
    assert router.answer(ask(), [Scripted("a", [slow]), second]).backend == "a"
    assert not second.seen


def test_a_mediator_that_is_closed_has_no_thread_of_its_hedges_left(started: list[str]) -> None:
    """It owns the timer."""
    before = timers()
    made = [MockBackend(id=name, responses=["yes"]) for name in "ab"]
    with Mediator(made, hedge_after=60.0) as mediator:
        assert mediator.generate("x") == "yes"
    assert started.count("hedge timer") == 1
    assert timers() <= before


def test_when_both_fail_the_loop_goes_on_with_the_third() -> None:
    first = Stuck(ServerError("first", status=500))

    def second(request: Request) -> InferenceOutput:
        first.release.set()
        raise ServerError("second", status=500)

    third = Scripted("c", [answer("third")])
    backends = [Scripted("a", [first]), Scripted("b", [second]), third]
    output = Router(hedge_after=SOON).answer(ask(), backends)
    assert output.content == "third"
    assert sorted(a.backend for a in output.attempts) == ["a", "b", "c"]


def test_when_the_first_fails_while_the_second_is_asked_its_answer_is_waited_for() -> None:
    first = Stuck(ServerError("first", status=500))

    def second(request: Request) -> InferenceOutput:
        first.release.set()
        time.sleep(0.05)
        return answer("second")

    output = Router(hedge_after=SOON).answer(ask(), [Scripted("a", [first]), Scripted("b", [second])])
    assert output.content == "second"
    assert [(a.backend, a.error) for a in output.attempts] == [("a", "ServerError: first"), ("b", None)]


def test_when_all_fail_every_error_is_told() -> None:
    first = Stuck(ServerError("first", status=500))

    def second(request: Request) -> InferenceOutput:
        first.release.set()
        raise ZeroDivisionError("a bug")

    with pytest.raises(AllBackendsFailedError) as caught:
        Router(hedge_after=SOON).answer(ask(), [Scripted("a", [first]), Scripted("b", [second])])
    assert set(caught.value.errors) == {"a", "b"}
    assert isinstance(caught.value.errors["b"].__cause__, ZeroDivisionError)


def test_what_cannot_be_cancelled_is_not_hedged_and_does_not_hedge() -> None:
    uncancellable = Scripted("a", [slow], cancellable=False)
    assert Router(hedge_after=SOON).answer(ask(), [uncancellable, Scripted("b")]).content == "slow"
    first = Scripted("a", [slow])
    other = Scripted("b", cancellable=False)
    assert Router(hedge_after=SOON).answer(ask(), [first, other]).content == "slow"
    assert not other.seen


def test_a_second_that_is_refused_stays_in_line() -> None:
    first = Scripted("a", [slow])
    refusing = Scripted("b", policies=[Slot(refuse=True)])
    output = Router(hedge_after=SOON).answer(ask(), [first, refusing])
    assert output.content == "slow"
    assert not refusing.seen


def test_both_count_for_max_attempts() -> None:
    first = Scripted("a", [slow])
    second = Scripted("b")
    assert Router(hedge_after=SOON, max_attempts=1).answer(ask(), [first, second]).content == "slow"
    assert not second.seen
    stuck = Stuck(ServerError("x", status=500))

    def fails(request: Request) -> InferenceOutput:
        stuck.release.set()
        raise ServerError("y", status=500)

    third = Scripted("c")
    with pytest.raises(AllBackendsFailedError, match="max_attempts"):
        Router(hedge_after=SOON, max_attempts=2).answer(ask(), [Scripted("a", [stuck]), Scripted("b", [fails]), third])
    assert not third.seen


def test_a_private_request_is_hedged_among_local_backends_only() -> None:
    stuck = Stuck()
    remote, local = Scripted("r"), Scripted("b", [answer("local")], local=True)
    output = Router(hedge_after=SOON).answer(ask(privacy="local"), [Scripted("a", [stuck], local=True), remote, local])
    assert output.content == "local"
    assert not remote.seen


def test_cancelling_the_call_cancels_both() -> None:
    first, second, request = Stuck(), Stuck(), ask()

    def cancel() -> None:
        assert second.started.wait(10)
        request.cancel.cancel("mediator was closed")

    helper = threading.Thread(target=cancel)
    helper.start()
    with pytest.raises(CancelledError, match="mediator was closed"):
        Router(hedge_after=SOON).answer(request, [Scripted("a", [first]), Scripted("b", [second])])
    helper.join()
    assert eventually(lambda: first.reasons == second.reasons == ["mediator was closed"])
