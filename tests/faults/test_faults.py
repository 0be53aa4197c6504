"""Every fault mode: the right error alone, an answer behind a fallback, in time, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.client.client import Client
from complaint_llm.exceptions import BackendError, BackendTimeoutError, CancelledError, StreamInterruptedError
from complaint_llm.request import Request
from complaint_llm.testing.steady_clock import SteadyClock
from tests.faults.conftest import Faults, Told, ask, backend_at
from tests.faults.left_open import Lists, held_locks, left_open
from tests.faults.mode import ANSWER, KEY, PIECE, Mode
from tests.faults.modes import MODES, WELL
from tests.routing.held_lock import Gate, held_elsewhere

each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
both_ways = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


def in_time(told: Told, mode: Mode) -> None:
    """The deadline, 10 % and 0.3 s."""
    assert told.seconds <= mode.seconds * 1.1 + 0.3


def nothing_left(before: Lists, clients: Iterable[Client]) -> None:
    """No thread, descriptor, held lock or taken place, a second after ``close()`` at the latest."""
    clients = list(clients)
    assert left_open(before, clients) == []
    for backend in (client for client in clients if isinstance(client, Backend)):
        assert backend.backend_target.meter.in_flight == 0
        states = [policy.state() for policy in backend.backend_target.policies]
        places = [state.line for state in states if state.name == "concurrency"]
        assert places in ([], ["0 of 1 under way"])


@pytest.mark.rows(4)
@both_ways
@each_mode
def test_alone_a_fault_is_its_own_error(faults: Faults, mode: Mode, streamed: bool) -> None:
    """The class, the facts on it, as many tries as the table says, in time, and the key in no text."""
    expected = mode.expected(streamed)
    before = Lists.now()
    with faults.playing(mode, streamed) as port:
        backend = backend_at(port, "first", mode.scheme)
        told = ask(backend, mode.prompt, streamed=streamed, timeout=mode.seconds)
        backend.close()
        nothing_left(before, [backend])
    in_time(told, mode)
    assert faults.connections[mode.name] == mode.connections(streamed)
    if expected is None:
        assert (told.error, told.text) == (None, ANSWER)
        return
    error = told.error
    assert type(error) is expected, error
    assert isinstance(error, BackendError)
    assert (error.backend, error.model) == ("first", "m")
    assert error.attempts
    assert all(attempt.backend == "first" for attempt in error.attempts)
    assert "\n" not in str(error)
    assert KEY not in f"{error!r} {vars(error)} {error.__cause__!r}"
    assert mode.holds is None or mode.holds(error)
    if streamed and mode.begun:
        assert isinstance(error, StreamInterruptedError)
        assert error.partial == told.text == PIECE


@pytest.mark.rows(20)
@both_ways
@each_mode
def test_behind_a_fallback_a_fault_is_answered_by_the_second(faults: Faults, mode: Mode, streamed: bool) -> None:
    """The attempts tell why it was not the first; only a stream that had begun is broken off instead."""
    expected = mode.expected(streamed)
    before = Lists.now()
    with faults.playing(mode, streamed) as port, faults.playing(WELL, streamed) as good:
        first, second = backend_at(port, "first", mode.scheme), backend_at(good, "second")
        mediator = Mediator([first, second], timeout=mode.seconds)
        told = ask(mediator, mode.prompt, streamed=streamed)
        mediator.close()
        nothing_left(before, [mediator, first, second])
    in_time(told, mode)
    if streamed and mode.begun:
        assert isinstance(told.error, StreamInterruptedError), told.error
        assert (told.error.partial, told.error.backend) == (PIECE, "first")
        assert faults.connections[WELL.name] == 0
        return
    assert told.error is None
    assert told.text == ANSWER
    assert told.output is not None
    if expected is None:
        assert told.output.backend == "first"
        assert faults.connections[WELL.name] == 0
        return
    assert told.output.backend == "second"
    *failed, answered = told.output.attempts
    assert failed
    assert {attempt.backend for attempt in failed} == {"first"}
    reasons = [str(attempt.error).partition(":")[0] for attempt in failed]
    assert set(reasons) == {expected.__name__}, failed
    assert (answered.backend, answered.error) == ("second", None)
    assert KEY not in repr(told.output)


SILENT = {name: mode for name, mode in MODES.items() if mode.error is BackendTimeoutError and name != "408"}


@pytest.mark.rows(4)
@both_ways
@pytest.mark.parametrize("mode", SILENT.values(), ids=SILENT)
def test_close_ends_a_call_that_waits_for_a_silent_server(
    faults: Faults, mode: Mode, streamed: bool, steady_clock: SteadyClock
) -> None:
    """Whatever the call waits for, ``close()`` by another thread ends it at once, with an error that says so."""
    before = Lists.now()
    with faults.playing(mode, streamed) as port:
        backend = backend_at(port, "first", mode.scheme)
        told: list[Told] = []
        caller = threading.Thread(
            target=lambda: told.append(ask(backend, mode.prompt, streamed=streamed, timeout=60)), daemon=True
        )
        caller.start()
        while not backend.backend_target.meter.in_flight:
            assert caller.is_alive()
            time.sleep(0.005)
        time.sleep(0.09)  # it waits for the server by now, or is about to
        backend.close()
        closed = steady_clock()
        caller.join(30)
        assert steady_clock() - closed < 1
        assert not caller.is_alive()
        nothing_left(before, [backend])
    error = told[0].error
    assert isinstance(error, CancelledError | StreamInterruptedError)
    assert "first was closed" in f"{error} {error.__cause__}"


# A stream that has begun is not hedged any more: its first piece was handed out.
HEDGED = [
    pytest.param(mode, streamed, id=f"{name}-{'streamed' if streamed else 'plain'}")
    for name, mode in SILENT.items()
    for streamed in (False, True)
    if not (streamed and mode.begun)
]


@pytest.mark.rows(4)
@pytest.mark.parametrize(("mode", "streamed"), HEDGED)
def test_a_hedge_outruns_a_silent_server_and_gives_its_connection_up(
    faults: Faults, mode: Mode, streamed: bool
) -> None:
    """The second answers long before the deadline; of the first nothing is left though nobody closed anything, and the
    timer, which goes by itself after a while, ends with the Mediator."""
    with faults.playing(mode, streamed) as port, faults.playing(WELL, streamed) as good:
        first, second = backend_at(port, "first", mode.scheme), backend_at(good, "second")
        before = Lists.now()
        mediator = Mediator([first, second], timeout=30, hedge_after=0.05)
        told = ask(mediator, mode.prompt, streamed=streamed)
        assert [each for each in left_open(before, [first, second]) if each != "thread hedge timer"] == []
        mediator.close()
        assert left_open(before, [first, second]) == []
    assert (told.error, told.text) == (None, ANSWER)
    assert told.seconds < 5
    assert told.output is not None
    assert {attempt.backend for attempt in told.output.attempts} == {"first", "second"}


def test_the_table_is_as_long_as_it_claims() -> None:
    """At least 34 faults, each with a name of its own, besides what is odd and yet an answer."""
    assert len([mode for mode in MODES.values() if mode.error is not None]) >= 34
    assert all(name == mode.name for name, mode in MODES.items())


def test_what_is_left_open_is_found() -> None:
    """The lists would show a thread, a descriptor and a held lock."""
    before = Lists.now()
    stop, lock = threading.Event(), threading.Lock()
    holder = {"deep": [(lock,)]}
    thread = threading.Thread(target=stop.wait, args=(10,), name="forgotten")
    thread.start()
    try:
        with open("/dev/null") as file, lock:
            left = left_open(before, [holder], max_queue_wait=0)
            assert "thread forgotten" in left
            assert f"descriptor {file.fileno()} /dev/null" in left
            assert held_locks([holder]) == [repr(tuple)]
    finally:
        stop.set()
        thread.join()
    assert left_open(before, [holder]) == []


def test_locks_of_a_backend_are_found() -> None:
    """The walk reaches the locks behind a backend's policies and connections."""
    backend, gate = backend_at(1, "first"), Gate()

    class Slow:
        output, error = "an answer", None

        @property
        def seconds(self) -> float:
            gate.hold()
            return 0.1

    def settle_each() -> None:
        for policy in backend.backend_target.policies:
            permit: Any = policy.enter(Request((), Deadline(1), CancelToken()), 0)
            permit.settle(Slow())

    assert held_locks([backend]) == []
    with held_elsewhere(gate, settle_each):
        assert held_locks([backend])
    assert held_locks([backend]) == []
    backend.close()
