"""The circuit breaker opens, probes once, closes; and counts only what says something about the backend."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.exceptions import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    CancelledError,
    CircuitOpenError,
    ContentFilterError,
    InvalidRequestError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.routing.policies.breaker import Breaker, BreakerSettings
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import Outcome, Permit
from tests.routing.routing_model import ModelTime, Scripted, answer, ask

FAILED = Outcome(0.1, None, ServerError("500", status=500))
ANSWERED = Outcome(0.1, answer())
REQUEST = ask()


def entered(breaker: Breaker) -> Permit:
    """Leave for an attempt, where the breaker has to give it."""
    permit = breaker.enter(REQUEST, 0)
    assert not isinstance(permit, CircuitOpenError)
    return permit


def opened(time: ModelTime) -> Breaker:
    breaker = Breaker("a", BreakerSettings(5, 30.0), time.clock)
    for _ in range(5):
        entered(breaker).settle(FAILED)
    return breaker


def test_it_opens_after_its_failures_and_refuses_at_once() -> None:
    time = ModelTime()
    breaker = Breaker("a", BreakerSettings(5, 30.0), time.clock)
    for _ in range(5):
        assert breaker.state().ready
        entered(breaker).settle(FAILED)
    refusal = breaker.enter(REQUEST, 100)
    assert isinstance(refusal, CircuitOpenError)
    assert refusal.retry_after == 30.0
    assert not refusal.sent
    assert breaker.state().line == "open, probed in 30.0 s"
    assert not breaker.state().ready


def test_an_answer_in_between_starts_the_count_again() -> None:
    breaker = Breaker("a")
    for _ in range(20):
        for _ in range(4):
            entered(breaker).settle(FAILED)
        entered(breaker).settle(ANSWERED)
    assert breaker.state().line == "closed, 0 of 5 failures"


def test_after_the_cooldown_one_probe_passes_and_its_answer_closes_the_circuit() -> None:
    time = ModelTime()
    breaker = opened(time)
    time.advance(30.0)
    probe = entered(breaker)
    assert isinstance(breaker.enter(REQUEST, 0), CircuitOpenError)
    probe.settle(ANSWERED)
    assert breaker.state().line == "closed, 0 of 5 failures"
    entered(breaker)


def test_a_probe_that_fails_opens_it_for_another_cooldown() -> None:
    time = ModelTime()
    breaker = opened(time)
    time.advance(30.0)
    entered(breaker).settle(FAILED)
    time.advance(29.9)
    assert isinstance(breaker.enter(REQUEST, 0), CircuitOpenError)
    time.advance(0.1)
    entered(breaker)


def test_the_lease_of_a_probe_that_is_not_heard_of_expires() -> None:
    time = ModelTime()
    breaker = opened(time)
    time.advance(30.0)
    lost = entered(breaker)
    time.advance(30.0)
    second = entered(breaker)
    lost.settle(FAILED)
    second.settle(ANSWERED)
    assert breaker.state().ready
    assert breaker.state().line.startswith("closed")


@pytest.mark.parametrize("outcome", [Outcome(0.0), Outcome(0.1, None, CancelledError("lost a race"))])
def test_a_probe_that_was_never_made_lets_the_next_request_be_the_probe(outcome: Outcome) -> None:
    time = ModelTime()
    breaker = opened(time)
    time.advance(30.0)
    entered(breaker).settle(outcome)
    entered(breaker).settle(ANSWERED)
    assert breaker.state().line.startswith("closed")


def test_a_probe_that_is_refused_for_its_own_fault_shows_that_the_backend_is_there() -> None:
    time = ModelTime()
    breaker = opened(time)
    time.advance(30.0)
    entered(breaker).settle(Outcome(0.1, None, InvalidRequestError("400", status=400)))
    assert breaker.state().line.startswith("closed")


def test_outcomes_count_only_for_the_state_they_started_in() -> None:
    time = ModelTime()
    breaker = Breaker("a", BreakerSettings(2, 30.0), time.clock)
    early = [entered(breaker) for _ in range(4)]
    early[0].settle(FAILED)
    early[1].settle(FAILED)
    time.advance(30.0)
    entered(breaker).settle(ANSWERED)
    early[2].settle(FAILED)
    early[3].settle(FAILED)
    assert breaker.state().line == "closed, 0 of 2 failures"
    late = entered(breaker)
    entered(breaker).settle(FAILED)
    entered(breaker).settle(FAILED)
    late.settle(ANSWERED)
    assert not breaker.state().ready


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (BackendTimeoutError("t"), True),
        (BackendConnectionError("c"), True),
        (ServerError("s", status=503), True),
        (ResponseFormatError("f"), True),
        (AuthenticationError("k", status=401), True),
        (PermissionDeniedError("p", status=403), False),
        (InvalidRequestError("i", status=400), False),
        (ContentFilterError("c", status=400), False),
        (RateLimitError("r", status=429), False),
        (QuotaExceededError("q", status=402), False),
        (CancelledError("closed"), False),
    ],
)
def test_what_counts(error: BackendError, counted: bool) -> None:
    breaker = Breaker("a", BreakerSettings(1, 30.0))
    entered(breaker).settle(Outcome(0.1, None, error))
    assert breaker.state().ready is not counted


def test_none_of_100_calls_touches_a_known_dead_first_backend() -> None:
    time = ModelTime()
    dead = Scripted("a", [BackendConnectionError("refused")], policies=[opened(time)])
    router = Router(clock=time.clock, sleep=time.sleep)
    for _ in range(100):
        output = router.answer(ask(time=time), [dead, Scripted("b")])
        assert [(a.backend, a.sent) for a in output.attempts] == [("a", False), ("b", True)]
    assert not dead.seen


def test_of_many_threads_exactly_one_is_the_probe() -> None:
    time = ModelTime()
    breaker = opened(time)
    time.advance(30.0)
    admitted: list[int] = []
    barrier = threading.Barrier(16)

    def call(number: int) -> None:
        barrier.wait()
        if not isinstance(breaker.enter(REQUEST, 0), CircuitOpenError):
            admitted.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 1


@given(st.lists(st.sampled_from(["start", "ok", "fail", "cancel", "wait", "tick"]), max_size=80))
def test_whatever_happens_an_open_circuit_admits_at_most_one_attempt_a_cooldown(steps: list[str]) -> None:
    time = ModelTime()
    breaker = Breaker("a", BreakerSettings(3, 30.0), time.clock)
    permits = []
    probed_at = -100.0
    for step in steps:
        if step == "start":
            closed = breaker.state().line.startswith("closed")
            permit = breaker.enter(REQUEST, 0)
            if isinstance(permit, CircuitOpenError):
                assert not closed
                continue
            permits.append(permit)
            if not closed:
                assert time.clock() - probed_at >= 30.0 or not steps
                probed_at = time.clock()
        elif step in ("wait", "tick"):
            time.advance(30.0 if step == "wait" else 1.0)
        elif permits:
            outcome = {"ok": ANSWERED, "fail": FAILED, "cancel": Outcome(0.0)}[step]
            if step != "fail":
                probed_at = -100.0  # an answer closes it, a probe never made gives its turn back
            permits.pop().settle(outcome)
