"""Streamed answers: switching, the deadline, closing from anywhere, and what stays open."""

from __future__ import annotations

import gc
import threading
import time as real_time
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.exceptions import (
    AllBackendsFailedError,
    BackendConnectionError,
    BackendTimeoutError,
    CancelledError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.messages import Done, StreamError, StreamEvent, TextDelta
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState, RetryPolicy
from tests.routing.routing_model import ListStream, ModelTime, Scripted, ask, events

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.request import Request


class Slot:
    """A policy that knows whether its permit is out and how it was settled."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.entered = 0

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        self.entered += 1
        return self

    def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        return PolicyState("slot", "")


class Blocking:
    """A stream that gives ``first`` events and then blocks until it is closed or its token is cancelled."""

    def __init__(self, request: Request, *first: StreamEvent) -> None:
        self._first = list(first)
        self._gate = threading.Event()
        self.waiting = threading.Event()
        self.closed = False
        request.cancel.attach(self._gate.set)

    def __iter__(self) -> Blocking:
        return self

    def __next__(self) -> StreamEvent:
        if self._first:
            return self._first.pop(0)
        self.waiting.set()
        assert self._gate.wait(20), "nobody closed the stream"
        raise BackendConnectionError("the socket was shut down")

    def close(self) -> None:
        self.closed = True
        self._gate.set()


def texts(stream: Any) -> list[str]:
    return [event.text for event in stream if isinstance(event, TextDelta)]


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(200):
        if condition():
            return True
        real_time.sleep(0.01)
    return False


def test_a_stream_hands_out_its_events_and_ends_with_done_and_attempts() -> None:
    slot = Slot()
    stream = Router().stream(ask(), [Scripted("a", [events("he", "llo")], policies=[slot])])
    got = list(stream)
    assert [event.text for event in got[:-1] if isinstance(event, TextDelta)] == ["he", "llo"]
    assert isinstance(got[-1], Done)
    assert [(a.backend, a.error) for a in got[-1].output.attempts] == [("a", None)]
    assert len(slot.outcomes) == 1
    assert slot.outcomes[0].output is not None


def test_nothing_is_sent_before_the_first_piece_is_asked_for() -> None:
    backend = Scripted("a", [events("x")])
    stream = Router().stream(ask(), [backend])
    assert not backend.seen
    stream.close()
    assert list(stream) == []
    assert not backend.seen


@pytest.mark.parametrize(
    "failure",
    [
        ServerError("500", status=500),
        [ServerError("in the stream", status=500)],
        [StreamError(ServerError("as an event", status=500))],
        [],
    ],
)
def test_a_failure_before_the_first_piece_switches_to_the_next_backend(failure: Any) -> None:
    slot = Slot()
    first = Scripted("a", [failure], policies=[slot])
    got = list(Router().stream(ask(), [first, Scripted("b", [events("ok")])]))
    assert isinstance(got[-1], Done)
    assert [(a.backend, a.error is None) for a in got[-1].output.attempts] == [("a", False), ("b", True)]
    assert len(slot.outcomes) == 1
    assert slot.outcomes[0].error is not None


def test_when_all_fail_before_the_first_piece_their_error_is_raised_as_it_is() -> None:
    broken = [Scripted(name, [ServerError("x", status=500)]) for name in "ab"]
    with pytest.raises(AllBackendsFailedError):
        next(Router().stream(ask(), broken))


def test_after_the_first_piece_there_is_no_switch_but_an_interruption_with_what_came() -> None:
    slot = Slot()
    cause = BackendConnectionError("reset by peer")
    first = Scripted("a", [[TextDelta("he"), TextDelta("ll"), cause]], policies=[slot])
    second = Scripted("b", [events("never")])
    stream = Router().stream(ask(), [first, second])
    assert [next(stream), next(stream)] == [TextDelta("he"), TextDelta("ll")]
    told = next(stream)
    assert isinstance(told, StreamError)
    with pytest.raises(StreamInterruptedError, match="reset by peer") as caught:
        next(stream)
    assert caught.value is told.error
    assert caught.value.partial == "hell"
    assert caught.value.__cause__ is cause
    assert caught.value.attempts[-1].maybe_received
    assert not second.seen
    assert len(slot.outcomes) == 1
    assert list(stream) == []


def test_a_stream_without_its_proper_end_is_interrupted_not_finished() -> None:
    stream = Router().stream(ask(), [Scripted("a", [[TextDelta("he")]])])
    with pytest.raises(StreamInterruptedError, match="proper end"):
        list(stream)


def test_a_bug_in_a_stream_is_raised_as_it_is_and_frees_the_slot() -> None:
    slot = Slot()
    stream = Router().stream(ask(), [Scripted("a", [[TextDelta("he"), ZeroDivisionError("bug")]], policies=[slot])])
    next(stream)
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert len(slot.outcomes) == 1


class TestDeadline:
    def test_the_time_that_the_consumer_holds_a_piece_does_not_count(self) -> None:
        time = ModelTime()
        backend = Scripted("a", [events("a", "b", "c")])
        stream = Router(clock=time.clock).stream(ask(seconds=5, time=time), [backend])
        for _ in stream:
            time.advance(100)
        assert backend.seen[0].deadline.remaining() == pytest.approx(5.0)

    def test_the_time_before_the_first_next_does_not_count(self) -> None:
        time = ModelTime()
        stream = Router(clock=time.clock).stream(ask(seconds=5, time=time), [Scripted("a", [events("x")])])
        time.advance(100)
        assert texts(stream) == ["x"]

    def test_the_time_that_the_provider_takes_counts(self) -> None:
        time = ModelTime()

        class Slow(ListStream):
            def __next__(self) -> StreamEvent:
                time.advance(1.5)
                return super().__next__()

        backend = Scripted("a", [lambda request: Slow(events("a", "b"))])
        list(Router(clock=time.clock).stream(ask(seconds=10, time=time), [backend]))
        assert backend.seen[0].deadline.remaining() == pytest.approx(5.5)

    def test_once_a_stream_began_it_may_use_what_is_left_of_the_call(self) -> None:
        time = ModelTime()
        backend = Scripted("a", [events("a", "b")])
        stream = Router(clock=time.clock).stream(ask(seconds=10, time=time), [backend, Scripted("b")])
        request_seen: list[float] = []
        next(stream)
        request_seen.append(backend.seen[0].deadline.remaining())
        assert request_seen == [pytest.approx(10.0)]

    def test_but_no_more_than_its_backends_own_timeout(self) -> None:
        time = ModelTime()
        backend = Scripted("a", [events("a", "b")], timeout=7.0)
        stream = Router(clock=time.clock).stream(ask(seconds=10, time=time), [backend, Scripted("b")])
        next(stream)
        assert backend.seen[0].deadline.remaining() == pytest.approx(7.0)

    def test_a_timeout_before_the_first_piece_moves_on(self) -> None:
        late = BackendTimeoutError("late", maybe_received=True)
        assert texts(Router().stream(ask(), [Scripted("a", [[late]]), Scripted("b", [events("b")])])) == ["b"]


class TestClosing:
    def test_closing_a_held_stream_frees_connection_and_slot_at_once(self) -> None:
        slot, inner = Slot(), ListStream(events("a", "b"))
        stream = Router().stream(ask(), [Scripted("a", [lambda request: inner], policies=[slot])])
        next(stream)
        stream.close()
        stream.close()
        assert inner.closed
        assert [type(o.error) for o in slot.outcomes] == [CancelledError]
        assert slot.outcomes[0].error is not None
        assert slot.outcomes[0].error.maybe_received
        assert list(stream) == []

    @pytest.mark.parametrize("first", [(), (TextDelta("x"),)])
    def test_closing_wakes_a_thread_that_waits_for_the_next_piece(self, first: tuple[StreamEvent, ...]) -> None:
        slot = Slot()
        made: list[Blocking] = []

        def attempt(request: Request) -> Blocking:
            made.append(Blocking(request, *first))
            return made[0]

        stream = Router().stream(ask(), [Scripted("a", [attempt], policies=[slot], retry=RetryPolicy(3))])
        ended: list[BaseException] = []

        def consume() -> None:
            try:
                list(stream)
            except BaseException as error:
                ended.append(error)

        thread = threading.Thread(target=consume)
        thread.start()
        assert eventually(lambda: bool(made))
        assert made[0].waiting.wait(10)
        stream.close()
        thread.join(10)
        assert not thread.is_alive()
        (error,) = ended
        assert isinstance(error, CancelledError)
        assert [a.backend for a in error.attempts] == ["a"]
        assert len(slot.outcomes) == 1
        assert made[0].closed

    def test_cancelling_the_call_ends_a_held_stream_with_its_reason(self) -> None:
        slot, request = Slot(), ask()
        stream = Router().stream(request, [Scripted("a", [events("a", "b")], policies=[slot])])
        next(stream)
        request.cancel.cancel("gpt was closed")
        assert len(slot.outcomes) == 1
        assert "gpt was closed" in str(slot.outcomes[0].error)

    def test_an_abandoned_stream_frees_connection_and_slot(self) -> None:
        slot, inner = Slot(), ListStream(events("a", "b"))
        stream = Router().stream(ask(), [Scripted("a", [lambda request: inner], policies=[slot])])
        next(stream)
        del stream
        gc.collect()
        assert eventually(lambda: inner.closed and len(slot.outcomes) == 1)

    def test_a_second_thread_that_iterates_is_told_so(self) -> None:
        made: list[Blocking] = []

        def attempt(request: Request) -> Blocking:
            made.append(Blocking(request))
            return made[0]

        stream = Router().stream(ask(), [Scripted("a", [attempt])])
        ended: list[BaseException] = []

        def consume() -> None:
            try:
                next(stream)
            except CancelledError as error:
                ended.append(error)

        thread = threading.Thread(target=consume)
        thread.start()
        assert eventually(lambda: bool(made) and made[0].waiting.is_set())
        with pytest.raises(RuntimeError, match="another thread"):
            next(stream)
        stream.close()
        thread.join(10)
        assert len(ended) == 1


def test_an_interrupted_stream_still_lists_the_failed_attempts_before_it() -> None:
    backends = [
        Scripted("a", [ServerError("x", status=500)]),
        Scripted("b", [[TextDelta("t"), BackendConnectionError("reset")]]),
    ]
    with pytest.raises(StreamInterruptedError) as caught:
        list(Router().stream(ask(), backends))
    assert [a.backend for a in caught.value.attempts] == ["a", "b"]


def test_the_seconds_of_a_stream_are_those_of_its_backend_not_of_its_consumer() -> None:
    time, slot = ModelTime(), Slot()

    class Slow(ListStream):
        def __next__(self) -> StreamEvent:
            time.advance(0.5)
            return super().__next__()

    def fails(request: Request) -> ListStream:
        time.advance(3.0)
        raise ServerError("x", status=500)

    backend = Scripted("b", [lambda request: Slow(events("a", "b"))], policies=[slot])
    stream = Router(clock=time.clock).stream(ask(seconds=60, time=time), [Scripted("a", [fails]), backend])
    got = []
    for event in stream:
        got.append(event)
        time.advance(7.0)
    assert isinstance(got[-1], Done)
    assert [a.seconds for a in got[-1].output.attempts] == pytest.approx([3.0, 1.5])
    assert slot.outcomes[0].seconds == pytest.approx(1.5)


def test_the_seconds_of_an_abandoned_stream_end_with_its_last_piece() -> None:
    time, slot = ModelTime(), Slot()

    class Slow(ListStream):
        def __next__(self) -> StreamEvent:
            time.advance(0.5)
            return super().__next__()

    backend = Scripted("b", [lambda request: Slow(events("a", "b"))], policies=[slot])
    stream = Router(clock=time.clock).stream(ask(seconds=60, time=time), [backend])
    next(stream)
    time.advance(7.0)
    stream.close()
    assert slot.outcomes[0].seconds == pytest.approx(0.5)
