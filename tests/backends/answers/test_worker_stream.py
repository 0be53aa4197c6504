"""A source that cannot be interrupted never holds its consumer beyond the deadline."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator

import pytest

from complaint_llm.backends.answers.worker_stream import AHEAD, WorkerStream
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendTimeoutError, CancelledError
from complaint_llm.messages import StreamEvent, TextDelta
from complaint_llm.routing.threads.worker import abandoned_workers


def test_events_come_in_order_and_the_end_is_the_end() -> None:
    """The stream is its source."""
    events = [TextDelta(str(number)) for number in range(3 * AHEAD)]
    assert list(WorkerStream(lambda: events, Deadline(10), CancelToken(), "w")) == events


def test_an_error_of_the_source_is_raised_after_its_events() -> None:
    """Nothing that came is lost, and the error is itself."""

    def source() -> Iterator[StreamEvent]:
        yield TextDelta("a")
        raise KeyError("x")

    stream = WorkerStream(source, Deadline(10), CancelToken(), "w")
    assert next(stream) == TextDelta("a")
    with pytest.raises(KeyError):
        next(stream)


@pytest.mark.parametrize("how", ["deadline", "close", "cancel"])
def test_a_silent_source_is_left_and_cleans_up_on_its_own_thread(how: str) -> None:
    """The consumer goes on at once; the source is closed by the thread that ran it, when it comes back."""
    released = threading.Event()
    go_on = threading.Event()
    waiting = threading.Event()
    closed_on: list[str] = []

    def source() -> Iterator[StreamEvent]:
        try:
            waiting.set()
            go_on.wait(10)
            yield TextDelta("late")
            yield TextDelta("later")
        finally:
            closed_on.append(threading.current_thread().name)
            released.set()

    token = CancelToken()
    stream = WorkerStream(source, Deadline(0.05 if how == "deadline" else 10), token, "the worker")
    assert waiting.wait(10)
    if how == "close":
        stream.close()
    elif how == "cancel":
        token.cancel("stop")
    with pytest.raises(BackendTimeoutError if how == "deadline" else CancelledError):
        next(stream)
    go_on.set()
    assert released.wait(10)
    assert closed_on == ["the worker"]


def test_a_slow_consumer_holds_the_source() -> None:
    """The source runs ahead by a bounded number of events."""
    made: list[int] = []

    def source() -> Iterator[StreamEvent]:
        for number in range(10 * AHEAD):
            made.append(number)
            yield TextDelta("x")

    stream = WorkerStream(source, Deadline(10), CancelToken(), "w")
    next(stream)
    assert len(made) <= AHEAD + 2
    assert sum(1 for _ in stream) == 10 * AHEAD - 1


def test_a_source_that_was_left_is_named_until_it_comes_back() -> None:
    """It keeps its place, as an answer does that was abandoned; one that is read to its end does not."""
    go_on = threading.Event()

    def source() -> Iterator[StreamEvent]:
        go_on.wait(10)
        yield TextDelta("late")

    read = WorkerStream(lambda: [TextDelta("a")], Deadline(10), CancelToken(), "left behind")
    assert list(read) == [TextDelta("a")]
    stream = WorkerStream(source, Deadline(0.01), CancelToken(), "left behind")
    assert abandoned_workers("left behind") == []
    with pytest.raises(BackendTimeoutError):
        next(stream)
    assert len(abandoned_workers("left behind")) == 1
    go_on.set()
    stream.thread.join(10)
    assert abandoned_workers("left behind") == []


def test_an_error_in_the_source_s_clean_up_is_raised_at_the_end() -> None:
    """Not lost with its thread, which would leave the consumer waiting."""

    class Source:
        def __iter__(self) -> Iterator[StreamEvent]:
            return Events()

    class Events:
        def __iter__(self) -> Iterator[StreamEvent]:
            return self

        def __next__(self) -> StreamEvent:
            raise StopIteration

        def close(self) -> None:
            raise OSError("no clean-up")

    with pytest.raises(OSError, match="no clean-up"):
        list(WorkerStream(Source, Deadline(10), CancelToken(), "w"))


def test_context_variables_reach_the_source() -> None:
    """What the caller set is seen where the answer is made."""
    user = contextvars.ContextVar("user", default="nobody")
    token = user.set("somebody")
    try:
        events = WorkerStream(lambda: (TextDelta(user.get()) for _ in range(1)), Deadline(10), CancelToken(), "w")
        assert list(events) == [TextDelta("somebody")]
    finally:
        user.reset(token)
