"""Every fault mode: the right error alone, an answer behind a fallback, in time, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend
from complaint_llm.exceptions import BackendError, StreamInterruptedError
from tests.faults.conftest import Faults, Told, ask, backend_at
from tests.faults.left_open import Lists, held_locks, left_open
from tests.faults.modes import ANSWER, KEY, MODES, PIECE, WELL, Mode

each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
both_ways = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


def in_time(told: Told, mode: Mode) -> None:
    """The deadline, 10 % and 0.3 s."""
    assert told.seconds <= mode.seconds * 1.1 + 0.3


def nothing_left(before: Lists, backends: Iterable[Backend]) -> None:
    """No thread, descriptor, held lock or taken place, a second after ``close()`` at the latest."""
    backends = list(backends)
    assert left_open(before, backends) == []
    for backend in backends:
        assert backend.meter.in_flight == 0
        places = [state.text for state in (policy.state() for policy in backend.policies) if state.policy == "concurrency"]
        assert places in ([], ["0 of 1 under way"])


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
    assert all(attempt.error is not None and attempt.error.startswith(f"{expected.__name__}: ") for attempt in failed)
    assert (answered.backend, answered.error) == ("second", None)
    assert KEY not in repr(told.output)
