"""Models in this process: loaded once, outside deadlines, used by one at a time, freed by whoever holds them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from complaint_llm.backends import Request
from complaint_llm.backends.local_model import LocalModelBackend, ModelLock, raise_if_over
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, BackendTimeoutError, CancelledError, ConfigError
from complaint_llm.messages import Done, InferenceOutput, StreamEvent, TextDelta


class Model:
    """Remembers what became of it."""

    def __init__(self) -> None:
        self.freed = 0
        self.users = 0
        self.most = 0
        self.lock = ModelLock(self._free)

    def close(self) -> None:
        self.lock.close(max_queue_wait=0.05)

    def _free(self) -> None:
        self.freed += 1


class Local(LocalModelBackend[Model]):
    """Answers with a word at a time, as long as ``hold`` says."""

    type = "local-test"
    capabilities = frozenset(("stream",))
    parameters = frozenset(("seed",))

    def __init__(self, *, gate: threading.Event | None = None, words: int = 3, pause: float = 0.0, **keys: Any) -> None:
        super().__init__(**keys)
        self.gate = gate
        self.words, self.pause = words, pause
        self.made: list[Model] = []
        self.offline: list[bool] = []

    def make_model(self, *, embedding: bool, offline: bool) -> Model:
        self.offline.append(offline)
        if self.gate is not None:
            self.gate.wait(10)
        self.made.append(Model())
        return self.made[-1]

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        refused = self.unsupported_metadata(request)
        model = self.model()
        with model.lock.hold(request.deadline, request.cancel):
            model.users += 1
            model.most = max(model.most, model.users)
            try:
                for _ in range(self.words):
                    raise_if_over(request.deadline, request.cancel)
                    time.sleep(self.pause)
                    yield TextDelta("word ")
            finally:
                model.users -= 1
        output = InferenceOutput("word " * self.words, metadata=refused)
        yield Done(output.token_usage, output)


def test_many_threads_load_it_once_and_use_it_one_at_a_time() -> None:
    """Also where max_concurrency lets more in."""
    with Local(id="l", max_concurrency=8, pause=0.001) as backend:
        assert backend.batch_generate(["x"] * 24, max_workers=8) == ["word word word "] * 24
        assert len(backend.made) == 1
        assert backend.made[0].most == 1
    assert backend.made[0].freed == 1


def test_loading_is_outside_the_deadline() -> None:
    """The request's clock stands still; the load has a limit of its own."""
    gate = threading.Event()
    threading.Timer(1.0, gate.set).start()
    with Local(id="l", gate=gate) as backend:
        assert backend.generate("x", timeout=0.8)
    never = threading.Event()
    slow = Local(id="l", gate=never, load_timeout=0.1)
    with slow as backend, pytest.raises(BackendTimeoutError, match=r"within 0\.1 s: set load_timeout"):
        backend.generate("x", timeout=10)
    never.set()


def test_closing_does_not_wait_for_a_load_whose_model_is_then_freed() -> None:
    """Its caller gets an error at once."""
    gate = threading.Event()
    backend = Local(id="l", gate=gate)
    found: list[BaseException] = []

    def ask() -> None:
        try:
            backend.generate("x")
        except BackendError as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    _until(lambda: bool(backend.offline))
    backend.close()
    thread.join(30)
    assert isinstance(found[0], CancelledError)
    gate.set()
    _until(lambda: bool(backend.made) and backend.made[0].freed == 1)
    assert not backend.is_loaded()


def test_a_model_in_use_is_freed_by_its_user() -> None:
    """Unloading it under a stream would crash the process."""
    with Local(id="l", words=1000, pause=0.001) as backend:
        stream = backend.stream_generate("x")
        next(stream)
        model = backend.made[0]
        backend.unload()
        assert model.freed == 0
        stream.close()
        _until(lambda: model.freed == 1)
        backend.words = 1
        assert backend.generate("x") == "word "
        assert len(backend.made) == 2


def test_a_private_request_loads_offline() -> None:
    """Nothing may be fetched for it."""
    with Local(id="l") as backend:
        backend.generate("x", privacy="local")
        assert backend.offline == [True]


def test_a_failed_load_is_named_and_tried_again() -> None:
    """By the next request."""

    class Failing(Local):
        def make_model(self, *, embedding: bool, offline: bool) -> Model:
            if not self.offline:
                self.offline.append(offline)
                raise OSError("disk on fire")
            return super().make_model(embedding=embedding, offline=offline)

    with Failing(id="l", max_retries=0) as backend:
        with pytest.raises(BackendError, match="disk on fire"):
            backend.generate("x")
        assert backend.generate("x")


def test_keys_and_parameters_that_mean_nothing_here_are_refused_or_named() -> None:
    """Nothing is parsed and ignored."""
    with pytest.raises(ConfigError, match="takes no api_key"):
        Local(id="l", api_key="sk-1234567")
    with Local(id="l", unsupported_parameters="drop") as backend:
        output = backend.infer("x", seed=1, temperature=1.0)
        assert output.metadata["unsupported_parameters"] == ["temperature"]
        with pytest.raises(BackendError, match="no extra_body"):
            backend.generate("x", extra_body={"a": 1})


def test_a_turn_that_does_not_come_ends_at_the_deadline_or_when_cancelled() -> None:
    """Who waits keeps its deadline; after ``close`` there is no turn."""
    lock = ModelLock(lambda: None)
    cancel = CancelToken()
    cancel.cancel("no longer wanted")
    with lock.hold(Deadline(30), CancelToken()):
        with pytest.raises(BackendTimeoutError), lock.hold(Deadline(0.01), CancelToken()):
            pass
        with pytest.raises(CancelledError, match="no longer wanted"), lock.hold(Deadline(5), cancel):
            pass
    lock.close()
    with pytest.raises(BackendError, match="unloaded"), lock.hold(Deadline(30), CancelToken()):
        pass


def _until(what: Callable[[], bool], patience: float = 30.0) -> None:
    end = time.monotonic() + patience
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
