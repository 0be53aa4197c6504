"""One thread looks at the time for everything that is due later."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.routing.threads.timer import Timer

FAR = 3600.0


@pytest.fixture
def timer() -> Iterator[Timer]:
    made = Timer("a timer of a test")
    yield made
    made.close()


@settings(max_examples=30, deadline=None)
@given(plan=st.lists(st.tuples(st.floats(0, 0.02), st.booleans()), min_size=1, max_size=40))
def test_what_is_not_called_off_is_done_once(plan: list[tuple[float, bool]]) -> None:
    """Whatever else was planned before it or behind it."""
    timer = Timer("a timer of a test")
    done: list[int] = []
    over = threading.Event()
    for number, (seconds, called_off) in enumerate(plan):
        alarm = timer.after(FAR if called_off else seconds, lambda number=number: done.append(number))  # type: ignore[misc]
        if called_off:
            alarm.call_off()
    timer.after(0.02, over.set)
    assert over.wait(30)
    wanted = [number for number, (_, called_off) in enumerate(plan) if not called_off]
    assert sorted(done) == wanted
    timer.close()


def test_they_are_done_in_the_order_of_their_moments_on_one_thread(timer: Timer) -> None:
    """A later call with an earlier moment goes first, though the thread already waits for another."""
    done: list[tuple[str, str]] = []
    over = threading.Event()
    timer.after(FAR, lambda: done.append(("never", "")))
    timer.after(0.2, over.set)
    for name, seconds in (("c", 0.06), ("a", 0.0), ("b", 0.03)):
        timer.after(seconds, lambda name=name: done.append((name, threading.current_thread().name)))  # type: ignore[misc]
    assert over.wait(30)
    assert done == [(name, "a timer of a test") for name in "abc"]


@pytest.mark.parametrize("planned", [0, 1, 7])
def test_a_closed_timer_does_nothing_more_and_has_no_thread(planned: int) -> None:
    """And takes nothing."""
    timer, done = Timer("a timer to close"), []
    for _ in range(planned):
        timer.after(FAR, lambda: done.append(1))
    timer.close()
    timer.close()
    assert not any(thread.name == "a timer to close" and thread.is_alive() for thread in threading.enumerate())
    with pytest.raises(RuntimeError, match="closed"):
        timer.after(0.0, lambda: done.append(1))
    assert done == []


def test_a_thread_that_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch, timer: Timer) -> None:
    """And the next call tries again."""
    with monkeypatch.context() as patch:

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            timer.after(0.0, lambda: None)
    over = threading.Event()
    timer.after(0.0, over.set)
    assert over.wait(30)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_a_thread_of_its_own(timer: Timer) -> None:
    """What was planned is the parent's."""
    timer.after(FAR, lambda: None)
    child = os.fork()
    if not child:
        over = threading.Event()
        timer.after(0.0, over.set)
        os._exit(0 if over.wait(30) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
