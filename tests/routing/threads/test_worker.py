"""Code that cannot be interrupted: its caller keeps its deadline, and who was abandoned can be named."""

from __future__ import annotations

import contextvars
import threading
import time

import pytest

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendTimeoutError, CancelledError, RateLimitError
from complaint_llm.routing.policies.admission import admission
from complaint_llm.routing.target import Outcome
from complaint_llm.routing.threads.worker import abandoned_workers, run_abandonable
from complaint_llm.testing.steady_clock import SteadyClock
from tests.routing.routing_model import ask


def test_the_value_or_the_error_of_the_work_comes_back() -> None:
    assert run_abandonable(lambda: 42, Deadline(5), CancelToken(), "w") == 42
    with pytest.raises(ZeroDivisionError):
        run_abandonable(lambda: 1 // 0, Deadline(5), CancelToken(), "w")


def test_at_the_deadline_the_work_is_abandoned_and_named_until_it_returns(steady_clock: SteadyClock) -> None:
    gate = threading.Event()
    began = steady_clock()
    with pytest.raises(BackendTimeoutError) as caught:
        run_abandonable(gate.wait, Deadline(0.1), CancelToken(), "transformers")
    assert steady_clock() - began < 0.1 * 1.1 + 0.3
    assert caught.value.maybe_received
    (line,) = abandoned_workers("transformers")
    assert line.startswith("transformers (thread ")
    assert abandoned_workers("other") == []
    gate.set()
    for _ in range(200):
        if not abandoned_workers("transformers"):
            return
        time.sleep(0.01)
    pytest.fail("a worker that has returned is still listed")


def test_an_abandoned_worker_keeps_its_place_until_it_returns() -> None:
    gate = threading.Event()
    (places, _) = admission(
        "llama", breaker=None, max_concurrency=1, still_running=lambda: len(abandoned_workers("llama"))
    )
    permit = places.enter(ask(), 0)
    with pytest.raises(BackendTimeoutError) as caught:
        run_abandonable(gate.wait, Deadline(0.02), CancelToken(), "llama")
    assert permit is not None
    permit.settle(Outcome(0.02, None, caught.value))
    with pytest.raises(RateLimitError):
        places.enter(ask(), 0.1)
    timer = threading.Timer(0.05, gate.set)
    timer.start()
    assert places.enter(ask(), 10.0) is not None
    timer.join()


def test_cancelling_abandons_it_at_once() -> None:
    gate, cancel = threading.Event(), CancelToken()
    timer = threading.Timer(0.05, cancel.cancel, ["closed"])
    timer.start()
    with pytest.raises(CancelledError, match="closed"):
        run_abandonable(gate.wait, Deadline(20), cancel, "w")
    gate.set()
    timer.join()


def test_work_that_is_being_done_is_not_listed() -> None:
    inside: list[list[str]] = []
    run_abandonable(lambda: inside.append(abandoned_workers("busy")), Deadline(5), CancelToken(), "busy")
    assert inside == [[]]


def test_context_variables_reach_the_work() -> None:
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("set")
    assert run_abandonable(variable.get, Deadline(5), CancelToken(), "w") == "set"
