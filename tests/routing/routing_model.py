"""Time that does not pass by itself, backends that follow a script, and requests for them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.messages import Done, EmbeddingOutput, InferenceOutput, StreamEvent, TextDelta, TokenUsage
from complaint_llm.request import EmbeddingRequest, Request, as_messages
from complaint_llm.routing.policies.load_meter import Meter
from complaint_llm.routing.target import Estimate, EventStream, Policy, RetryPolicy
from complaint_llm.routing.threads.waiting import Waiter

AnyRequest = Request | EmbeddingRequest


class ModelTime:
    """A clock that moves only when every thread of ``run`` (or the one test thread) waits, to the next wake-up."""

    def __init__(self, start: float = 1000.0) -> None:
        self._lock = threading.Lock()
        self._now = start
        self._active = 1
        self._waiting: dict[ModelWaiter, float] = {}

    def clock(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass in a test with one thread."""
        self._now += seconds

    def waiter(self) -> ModelWaiter:
        return ModelWaiter(self)

    def sleep(self, seconds: float, cancel: CancelToken | None = None) -> None:
        waiter = self.waiter()
        if cancel is not None:
            cancel.attach(waiter.wake)
        waiter.wait(seconds)
        if cancel is not None:
            cancel.detach(waiter.wake)

    def deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, self.clock)

    def run(self, work: Sequence[Callable[[], None]], watchdog: float = 50.0) -> None:
        """Run each on a thread of its own until all have ended; raises what one of them raised."""
        raised: list[BaseException] = []

        def body(each: Callable[[], None]) -> None:
            try:
                each()
            except BaseException as error:
                raised.append(error)
            finally:
                with self._lock:
                    self._active -= 1
                    self._move()

        self._active = len(work)
        threads = [threading.Thread(target=body, args=(each,), daemon=True) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(watchdog)
            assert not thread.is_alive(), "deadlock: a thread did not end"
        self._active = 1
        if raised:
            raise raised[0]

    def wait(self, waiter: ModelWaiter, seconds: float) -> None:
        with self._lock:
            if waiter.woken:
                waiter.woken = False
                return
            if seconds <= 0:
                return
            self._waiting[waiter] = self._now + seconds
            self._active -= 1
            self._move()
        waiter.gate.wait(math.inf)
        waiter.woken = False

    def wake(self, waiter: ModelWaiter) -> None:
        with self._lock:
            if self._waiting.pop(waiter, None) is None:
                waiter.woken = True
                return
            self._active += 1
        waiter.gate.wake()

    def _move(self) -> None:
        if self._active or not self._waiting:
            return
        waiter = min(self._waiting, key=self._waiting.__getitem__)
        self._now = max(self._now, self._waiting.pop(waiter))
        assert self._now < math.inf, "deadlock: all threads wait for ever"
        self._active += 1
        waiter.gate.wake()


class ModelWaiter(Waiter):
    def __init__(self, time: ModelTime) -> None:
        self._time = time
        super().__init__()
        self.gate = Waiter()
        self.woken = False

    def wait(self, seconds: float) -> None:
        self._time.wait(self, seconds)

    def wake(self) -> None:
        self._time.wake(self)


Step = Exception | InferenceOutput | Callable[[Request], InferenceOutput]

USAGE = TokenUsage(10, 5, 15)
NO_RETRY = RetryPolicy(max_retries=0)
GUESS = Estimate(10, 5, 0.001)


def answer(text: str = "hello", cost: float | None = None) -> InferenceOutput:
    return InferenceOutput(text, token_usage=USAGE, cost=cost)


class ListStream:
    """A stream of given events; an exception among them is raised in its place."""

    def __init__(self, events: Sequence[StreamEvent | BaseException]) -> None:
        self._events = list(events)
        self.closed = False

    def __iter__(self) -> ListStream:
        return self

    def __next__(self) -> StreamEvent:
        if self.closed or not self._events:
            raise StopIteration
        event = self._events.pop(0)
        if isinstance(event, BaseException):
            raise event
        return event

    def close(self) -> None:
        self.closed = True


def events(*texts: str) -> list[StreamEvent | BaseException]:
    output = answer("".join(texts))
    return [*(TextDelta(text) for text in texts), Done(output.token_usage, output)]


@dataclass
class Scripted:
    """A backend that does what ``script`` says, step by step; the last step is repeated."""

    id: str
    script: list[Any] = field(default_factory=lambda: [answer()])
    timeout: float | None = None
    retry: RetryPolicy = NO_RETRY
    policies: Sequence[Policy] = ()
    weight: float = 1.0
    local: bool = False
    demo: bool = False
    cancellable: bool = True
    lacking: str | None = None
    guess: Estimate = GUESS
    identity: str | None = None
    meter: Meter = field(default_factory=Meter)
    seen: list[AnyRequest] = field(default_factory=list)

    def lacks(self, request: AnyRequest) -> str | None:
        return self.lacking

    def estimate(self, request: AnyRequest) -> Estimate:
        return self.guess

    form_group: str = ""
    window: int | None = None
    embedding_model: str | None = None

    def context_window(self, request: AnyRequest) -> int | None:
        return self.window

    cache_ttl: float | None = None

    def cache_identity(self, request: Request) -> str | None:
        return self.identity

    def attempt(self, request: Request) -> InferenceOutput:
        step = self._step(request)
        output = step if isinstance(step, InferenceOutput) else step(request)
        return output._replace(backend=self.id)

    def attempt_stream(self, request: Request) -> EventStream:
        step = self._step(request)
        return ListStream(step) if isinstance(step, list) else step(request)

    def attempt_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        step = self._step(request)
        assert isinstance(step, EmbeddingOutput)
        return step

    def _step(self, request: AnyRequest) -> Any:
        self.seen.append(request)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, BaseException):
            raise step
        return step


def ask(text: str = "hi", seconds: float = 10.0, time: ModelTime | None = None, **fields: Any) -> Request:
    deadline = Deadline(seconds) if time is None else time.deadline(seconds)
    return Request(as_messages(text), deadline, CancelToken(), **fields)
