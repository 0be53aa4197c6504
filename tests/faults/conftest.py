"""One fault server process for each test process, and the calls that are made to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from complaint_llm.backends import Backend, OpenAIBackend
from complaint_llm.messages import Done, InferenceOutput, StreamError, TextDelta
from complaint_llm.testing.steady_clock import SteadyClock, running_clock
from tests.faults.mode import KEY, Mode
from tests.faults.modes import MODES, WELL

ROOT = Path(__file__).resolve().parents[2]


class Faults:
    """The server process. Used by one thread."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.connections: dict[str, int] = {}
        """How many connections each mode played to, once it was stopped."""

    @contextmanager
    def playing(self, mode: Mode, streamed: bool) -> Iterator[int]:
        """The port where this mode is played meanwhile."""
        port = self._tell({"play": mode.name, "streamed": streamed})["port"]
        try:
            yield port
        finally:
            self.connections[mode.name] = self._tell({"stop": port})["connections"]

    def _tell(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class Told(NamedTuple):
    """How a call ended."""

    output: InferenceOutput | None
    text: str
    error: Exception | None
    seconds: float


def ask(backend: Backend, prompt: str, *, streamed: bool, **params: Any) -> Told:
    """Make one call, plain or streamed, and time it by a clock that stands while the machine does."""
    with running_clock() as clock:
        return _ask(backend, prompt, clock, streamed, params)


def _ask(backend: Backend, prompt: str, clock: SteadyClock, streamed: bool, params: dict[str, Any]) -> Told:
    text: list[str] = []
    output: InferenceOutput | None = None
    error: Exception | None = None
    told: Exception | None = None
    try:
        if streamed:
            for event in backend.infer_stream(prompt, **params):
                if isinstance(event, TextDelta):
                    text.append(event.text)
                elif isinstance(event, Done):
                    output = event.output
                elif isinstance(event, StreamError):
                    told = event.error
        else:
            output = backend.infer(prompt, **params)
            text.append(output.content)
    except Exception as raised:
        error = raised
    assert told is None or told is error, "the StreamError event and what is raised after it are one error"
    return Told(output, "".join(text), error, clock())


def backend_at(port: int, id: str, scheme: str = "http", **keys: Any) -> Backend:
    """A backend that asks this port, with one quick retry and a place for one request."""
    made: Backend = OpenAIBackend(
        id=id,
        api_key=KEY,
        base_url=f"{scheme}://127.0.0.1:{port}/v1",
        model="m",
        **{"max_retries": 1, "retry_delay": 0.01, "max_concurrency": 1, **keys},
    )
    return made


@pytest.fixture(scope="session")
def faults() -> Iterator[Faults]:
    """The running server, and a library that has imported already what faults make it import."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        faults = Faults(process)
        for mode, scheme in ((WELL, "http"), (MODES["closed when connected"], "https")):
            for streamed in (False, True):
                with faults.playing(mode, streamed) as port, backend_at(port, "warm", scheme) as backend:
                    ask(backend, "warm up", streamed=streamed, timeout=5)
        yield faults
    finally:
        process.communicate(timeout=10)
