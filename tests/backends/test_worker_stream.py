"""A source that cannot be interrupted never holds its consumer beyond the deadline."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from complaint_llm.backends.worker_stream import AHEAD, WorkerStream
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendTimeoutError, CancelledError
from complaint_llm.messages import StreamEvent, TextDelta


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
