"""Whatever ends a generation of xllamacpp is seen at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from complaint_llm.backends import WorkstationBackend
from complaint_llm.exceptions import BackendError, BackendTimeoutError, CancelledError, StreamInterruptedError
from complaint_llm.testing.steady_clock import SteadyClock
from tests.plugins.workstation.local_models import opened, smollm2

pytestmark = pytest.mark.peer("llama.cpp")


def test_a_cancelled_generation_ends_at_once(slots: WorkstationBackend, steady_clock: SteadyClock) -> None:
    """Within 50 ms by a clock that does not count what others had of the cores."""
    slots.load()
    stream = slots.stream_generate("hi", max_tokens=450, seed=2)
    next(stream)
    ended: list[float] = []

    def read() -> None:
        with pytest.raises(CancelledError):
            list(stream)
        ended.append(steady_clock())

    thread = threading.Thread(target=read)
    thread.start()
    began = steady_clock()
    stream.close()
    thread.join(30)
    assert ended[0] - began < 0.05


def test_a_deadline_ends_it_between_the_steps_of_reading_a_prompt(gguf: Path, steady_clock: SteadyClock) -> None:
    """Reading the prompt is no answer yet: the caller is back at its deadline, and the slot after the current step."""
    with opened(gguf, n_batch=8) as backend:
        backend.load()
        began = steady_clock()
        with pytest.raises(BackendTimeoutError):
            backend.generate("w" * 450, max_tokens=400, seed=2, timeout=0.01)
        assert steady_clock() - began < 0.01 + 0.05
        assert backend.generate("hi", max_tokens=1, timeout=20)


def ended_by(backend: WorkstationBackend, way: str, clock: SteadyClock) -> float:
    """Seconds from the end that ``way`` makes to the moment in which the caller knows."""
    ended: list[float] = []
    started = threading.Event()

    def whole() -> None:
        started.set()
        with pytest.raises(BackendError):
            backend.generate("Tell a long story.", max_tokens=450, seed=2, timeout=300)
        ended.append(clock())

    stream = None if way.startswith("whole") else backend.stream_generate("Tell a story.", max_tokens=450, seed=2)
    if stream is not None:
        next(stream)

    def rest() -> None:
        assert stream is not None
        with pytest.raises(BackendError):
            list(stream)
        ended.append(clock())

    thread = threading.Thread(target=whole if stream is None else rest)
    thread.start()
    assert stream is not None or started.wait(300)
    began = clock()
    if way.endswith("backend closed"):
        backend.close()
    else:
        assert stream is not None
        stream.close()
    thread.join(300)
    return ended[0] - began


WAYS = ["whole, backend closed", "stream, closed", "stream, backend closed"]


@pytest.mark.parametrize("way", WAYS)
def test_whatever_ends_a_generation_is_seen_at_once(gguf: Path, steady_clock: SteadyClock, way: str) -> None:
    """Within 50 ms by a clock that does not count what others had of the cores."""
    with opened(gguf) as backend:
        backend.load()
        assert ended_by(backend, way, steady_clock) < 0.05


@pytest.mark.endurance
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", WAYS)
def test_whatever_ends_a_real_model_is_seen_at_once(steady_clock: SteadyClock, way: str) -> None:
    """The same on SmolLM2, whose steps take their time."""
    with opened(smollm2(), n_ctx=1024) as backend:
        backend.load()
        assert ended_by(backend, way, steady_clock) < 0.05


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
        began = steady_clock()
        with pytest.raises((BackendTimeoutError, StreamInterruptedError)):
            ask(backend)
        assert steady_clock() - began < 1 + 0.05
