"""Whatever ends a generation of xllamacpp is seen at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import WorkstationBackend
from complaint_llm.exceptions import BackendError, BackendTimeoutError, StreamInterruptedError
from complaint_llm.testing.steady_clock import SteadyClock
from tests.plugins.workstation.local_models import opened, smollm2

pytestmark = pytest.mark.peer("llama.cpp")


LIMIT = 0.05
"""Seconds after which the end of a generation is seen at the latest, by a clock that does not count what others had of
the cores."""


def at_best(measure: Callable[[], float]) -> float:
    """The shortest of four tries, or the first within the limit: one may be late on a machine that does other work."""
    shortest = measure()
    for _ in range(3):
        if shortest < LIMIT:
            break
        shortest = min(shortest, measure())
    return shortest


def test_a_deadline_ends_it_between_the_steps_of_reading_a_prompt(endless: Path, steady_clock: SteadyClock) -> None:
    """Reading the prompt is no answer yet: the caller is back at its deadline, and the slot after the current step."""
    with opened(endless, n_ctx=8192, n_batch=8) as backend:
        backend.load()

        def late() -> float:
            began = steady_clock()
            with pytest.raises(BackendTimeoutError):
                backend.generate("w" * 6000, max_tokens=1000, seed=2, timeout=0.01)
            return steady_clock() - began - 0.01

        assert at_best(late) < LIMIT
        assert backend.generate("hi", max_tokens=1, timeout=20)


def ended_at_best(path: Path, way: str, clock: SteadyClock) -> float:
    """The shortest of some tries, each on a model of its own."""

    def ended() -> float:
        with opened(path, n_ctx=8192) as backend:
            backend.load()
            return ended_by(backend, way, clock)

    return at_best(ended)


def ended_by(backend: WorkstationBackend, way: str, clock: SteadyClock) -> float:
    """Seconds from the end that ``way`` makes to the moment in which the caller knows, by one error in one line."""
    mediator = Mediator([backend])
    ended: list[float] = []
    said: list[str] = []
    started = threading.Event()

    def whole() -> None:
        started.set()
        with pytest.raises(BackendError) as raised:
            mediator.generate("Tell a long story.", max_tokens=8000, seed=2, timeout=300)
        ended.append(clock())
        said.append(str(raised.value))

    stream = None if way.startswith("whole") else mediator.stream_generate("Tell a story.", max_tokens=8000, seed=2)
    if stream is not None:
        next(stream)

    def rest() -> None:
        assert stream is not None
        with pytest.raises(BackendError) as raised:
            list(stream)
        ended.append(clock())
        said.append(str(raised.value))

    thread = threading.Thread(target=whole if stream is None else rest)
    thread.start()
    assert stream is not None or started.wait(300)
    began = clock()
    if way.endswith("backend closed"):
        backend.close()
    elif way.endswith("mediator closed"):
        mediator.close()
    else:
        assert stream is not None
        stream.close()
    thread.join(300)
    (sentence,) = said
    assert sentence
    assert "\n" not in sentence
    return ended[0] - began


WAYS = [
    "whole, backend closed",
    "whole, mediator closed",
    "stream, closed",
    "stream, backend closed",
    "stream, mediator closed",
]


@pytest.mark.parametrize("way", WAYS)
def test_whatever_ends_a_generation_is_seen_at_once(endless: Path, steady_clock: SteadyClock, way: str) -> None:
    """By one error in one line."""
    assert ended_at_best(endless, way, steady_clock) < LIMIT


@pytest.mark.endurance
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", WAYS)
def test_whatever_ends_a_real_model_is_seen_at_once(steady_clock: SteadyClock, way: str) -> None:
    """The same on SmolLM2, whose steps take their time."""
    assert ended_at_best(smollm2(), way, steady_clock) < LIMIT


@pytest.mark.parametrize(
    "ask",
    [
        lambda backend: backend.generate("Tell a long story.", max_tokens=900, timeout=1),
        lambda backend: list(backend.stream_generate("Tell a long story.", max_tokens=900, timeout=1)),
    ],
    ids=["whole", "stream"],
)
@pytest.mark.endurance
@pytest.mark.timeout(600)
def test_a_real_model_keeps_a_deadline(steady_clock: SteadyClock, ask: Callable[[WorkstationBackend], object]) -> None:
    """While it generates: the prompt is a few tokens, the answer would be many."""
    with opened(smollm2(), n_ctx=1024) as backend:
        backend.load()
        backend.generate("Tell a long story.", max_tokens=1)

        def late() -> float:
            began = steady_clock()
            with pytest.raises((BackendTimeoutError, StreamInterruptedError)):
                ask(backend)
            return steady_clock() - began - 1

        assert at_best(late) < LIMIT


@pytest.mark.endurance
@pytest.mark.timeout(900)
def test_a_prompt_that_nobody_waits_for_is_read_no_further() -> None:
    """SmolLM2: after the parts of the prompt that are under way the slot is free. By CPU: others may have the cores."""
    long = "The rent was late. " * 150
    with opened(smollm2(), n_ctx=1024, n_batch=32) as backend:
        backend.generate("hi", max_tokens=1)
        began = time.process_time()
        backend.generate(long, max_tokens=1, seed=1)
        whole = time.process_time() - began
        began = time.process_time()
        with pytest.raises(BackendTimeoutError):
            backend.generate(long, max_tokens=1, seed=1, timeout=0.05)
        assert backend.generate("hi", max_tokens=1, timeout=300)
        assert time.process_time() - began < whole / 2


def test_a_batch_ends_when_its_mediator_is_closed(endless: Path) -> None:
    """Each prompt that has no answer has the one sentence why; nothing crashes."""
    with opened(endless, n_parallel=2, n_ctx=2048) as backend:
        mediator = Mediator([backend])
        results = mediator.batch((f"prompt {number}" for number in range(40)), max_workers=2, max_tokens=1000)
        found = [next(iter(results))]
        mediator.close()
        found.extend(results)
    assert sorted(result.index for result in found) == list(range(40))
    errors = [str(result.error) for result in found if result.error is not None]
    assert errors
    assert set(errors) <= {"ws: mediator was closed", "mediator: is closed"}
