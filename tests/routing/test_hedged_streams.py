"""Streams that are hedged, and a second that ends badly, late or not at all."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from complaint_llm.call import Deadline
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendConnectionError,
    ServerError,
)
from complaint_llm.messages import Done, InferenceOutput, ReasoningDelta, StreamEvent, TextDelta
from complaint_llm.routing.policies.bound import Bound
from complaint_llm.routing.policies.budget import Account, Budget
from complaint_llm.routing.policies.budget_book import BudgetLimits
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import Outcome
from tests.routing.hedged_targets import SOON, Slot, Stuck, eventually, slow
from tests.routing.routing_model import ListStream, Scripted, answer, ask, events

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from complaint_llm.request import Request


class TestStreams:
    def test_the_first_text_wins_and_the_loser_s_stream_is_closed(self) -> None:
        class Thinking:
            """A stream that only reasons until it is cancelled."""

            def __init__(self, request: Request) -> None:
                self.gate = threading.Event()
                self.closed = False
                self.first = True
                request.cancel.attach(self.gate.set)

            def __iter__(self) -> Thinking:
                return self

            def __next__(self) -> StreamEvent:
                if self.first:
                    self.first = False
                    return ReasoningDelta("hmm")
                assert self.gate.wait(20)
                raise BackendConnectionError("the socket was shut down")

            def close(self) -> None:
                self.closed = True

        made: list[Thinking] = []

        def think(request: Request) -> Thinking:
            made.append(Thinking(request))
            return made[0]

        slots = [Slot(), Slot()]
        backends = [Scripted("a", [think], policies=[slots[0]]), Scripted("b", [events("t", "u")], policies=[slots[1]])]
        got = list(Router(hedge_after=SOON).stream(ask(), backends))
        assert [event.text for event in got if isinstance(event, TextDelta)] == ["t", "u"]
        assert isinstance(got[-1], Done)
        assert [(a.backend, a.error is None) for a in got[-1].output.attempts] == [("a", False), ("b", True)]
        assert made[0].closed
        assert [len(slot.outcomes) for slot in slots] == [1, 1]

    def test_both_succeed_at_once_and_only_one_is_handed_out(self) -> None:
        for _ in range(30):
            inner: list[ListStream] = []

            def attempt(request: Request, inner: list[ListStream] = inner) -> Any:
                time.sleep(0.002)
                inner.append(ListStream(events("x")))
                return inner[-1]

            slots = [Slot(), Slot()]
            backends = [Scripted(name, [attempt], policies=[slot]) for name, slot in zip("ab", slots, strict=True)]
            got = list(Router(hedge_after=0.0001).stream(ask(), backends))
            assert [event.text for event in got if isinstance(event, TextDelta)] == ["x"]
            assert eventually(lambda slots=slots: all(len(s.outcomes) == s.entered for s in slots))  # type: ignore[misc]
            assert eventually(lambda inner=inner: all(each.closed for each in inner))  # type: ignore[misc]


def test_a_second_that_fails_by_itself_is_recorded_with_its_own_error(caplog: pytest.LogCaptureFixture) -> None:
    """Not as the loser of the race: a refused key is seen and logged."""
    first, refused = Stuck(answer("first")), AuthenticationError("bad key", status=401)

    asked = threading.Event()

    def release() -> None:
        assert asked.wait(10)
        assert eventually(lambda: not any(thread.name == "hedge b" for thread in threading.enumerate()))
        first.release.set()

    def fails(request: Request) -> InferenceOutput:
        asked.set()
        raise refused

    helper = threading.Thread(target=release)
    helper.start()

    output = Router(hedge_after=SOON).answer(ask(), [Scripted("a", [first]), Scripted("b", [fails])])
    helper.join()
    assert [(a.backend, a.error, a.maybe_received) for a in output.attempts] == [
        ("b", "AuthenticationError: bad key", False),
        ("a", None, False),
    ]
    assert "bad key" in caplog.text


def test_a_second_that_waits_for_its_admission_is_called_off_with_the_race(tmp_path: Path) -> None:
    """A whole budget makes it wait for reservations of others; its thread must not wait there after the answer."""
    account = Account("all", BudgetLimits(total=1.0), tmp_path / "state.db", total_budget=True)
    held = account.reserve(Bound(1.0), ask(), 0.0)
    waiting = Scripted("b", policies=[Budget(account, lambda request: Bound(0.5))])
    output = Router(hedge_after=SOON).answer(ask(seconds=60.0), [Scripted("a", [slow]), waiting])
    assert output.content == "slow"
    assert eventually(lambda: not any(thread.name == "hedge b" for thread in threading.enumerate()))
    held.settle(Outcome(0.0))
    account.close()


def test_without_another_thread_it_goes_on_unhedged(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    slot = Slot()
    output = Router(hedge_after=SOON).answer(ask(), [Scripted("a", policies=[slot]), Scripted("b")])
    assert output.backend == "a"
    assert len(slot.outcomes) == slot.entered == 1


def test_a_second_that_answers_at_the_last_moment_is_not_lost() -> None:
    """Between the first's look at the deadline and its giving up."""
    second, slot = Stuck(answer("at last")), Slot()
    main = threading.current_thread()
    late = threading.Event()

    def clock() -> float:
        if not late.is_set() or threading.current_thread() is not main:
            return 0.0
        second.release.set()
        assert eventually(lambda: not any(thread.name == "hedge b" for thread in threading.enumerate()))
        return 100.0

    def fails(request: Request) -> InferenceOutput:
        assert second.started.wait(10)
        late.set()
        raise ServerError("HTTP 500", status=500)

    request = ask()._replace(deadline=Deadline(10.0, clock))
    output = Router(hedge_after=SOON).answer(
        request, [Scripted("a", [fails]), Scripted("b", [second], policies=[slot])]
    )
    assert (output.content, len(slot.outcomes)) == ("at last", slot.entered)
