"""The monitor between feeder, workers and consumer."""

from __future__ import annotations

import threading

import pytest

from complaint_llm.batch import BatchResult
from complaint_llm.batch.flow import Flow


def result(index):
    return BatchResult(index, str(index), "p", None, ValueError())


def read(flow, count):
    for _ in range(count):
        assert flow.admit()
        assert flow.enter()


def blocked(call):
    """Start ``call`` in a thread; True if it is still waiting after a moment."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(0.05)
    return thread if thread.is_alive() else None


def test_nothing_is_admitted_beyond_the_window_until_something_is_handed_out():
    flow = Flow(window=2, unanswered=9)
    read(flow, 2)
    waiting = blocked(flow.admit)
    assert waiting
    flow.deliver([result(0)])
    assert flow.take().index == 0
    waiting.join(0.05)
    assert waiting.is_alive(), "a result that was taken still stands in the window"
    flow.count_handed_out()
    waiting.join(30)
    assert not waiting.is_alive()


def test_nothing_is_admitted_beyond_the_workers_until_something_is_answered():
    flow = Flow(window=9, unanswered=1)
    read(flow, 1)
    waiting = blocked(flow.admit)
    assert waiting
    flow.count_answered()
    waiting.join(30)
    assert not waiting.is_alive()


def test_stop_wakes_the_feeder_and_what_it_reads_later_is_no_part_of_the_batch():
    flow = Flow(window=1, unanswered=1)
    read(flow, 1)
    waiting = blocked(flow.admit)
    assert waiting
    flow.stop()
    waiting.join(30)
    assert not waiting.is_alive()
    assert not flow.admit()
    assert not flow.enter()


def test_it_is_over_when_everything_read_was_delivered_or_dropped():
    flow = Flow(window=9, unanswered=9)
    read(flow, 3)
    flow.end()
    flow.deliver([result(1)])
    flow.drop(1)
    assert flow.take().index == 1
    assert not flow.settled
    with pytest.raises(TimeoutError):
        flow.take(0.01)
    flow.deliver([result(0)])
    assert flow.settled
    assert flow.take().index == 0
    assert flow.take() is None


def test_a_consumer_that_waits_is_woken_by_the_end():
    flow = Flow(window=1, unanswered=1)
    waiting = blocked(flow.take)
    assert waiting
    flow.end()
    waiting.join(30)
    assert not waiting.is_alive()


def test_the_first_error_is_kept():
    flow = Flow(1, 1)
    flow.end(ValueError("first"))
    flow.stop(ValueError("second"))
    assert str(flow.error) == "first"
