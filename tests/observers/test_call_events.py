"""What observers are told of calls: each once, in order, without texts; and that they change no call."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator, TokenUsage
from complaint_llm.backends import Backend, EmbeddingRequest, Request
from complaint_llm.exceptions import ServerError
from complaint_llm.messages import Done, EmbeddingOutput, InferenceOutput, StreamEvent, TextDelta
from complaint_llm.observers.event_queue import EventQueue
from complaint_llm.observers.observer import AnswerEvent, AttemptEvent, Event, Observer, RequestEvent

SECRET = "the client's words"


class Keeps(Observer):
    """Everything that it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = False

    def request(self, event: RequestEvent) -> None:
        self.events.append(event)

    def attempt(self, event: AttemptEvent) -> None:
        self.events.append(event)

    def answer(self, event: AnswerEvent) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed = True


class Answers(Backend):
    """Answers whole, in pieces and with vectors."""

    interruptible: ClassVar[bool] = True
    capabilities: ClassVar[Any] = frozenset(("stream", "embeddings"))

    def answer(self, request: Request) -> InferenceOutput:
        return InferenceOutput(SECRET, token_usage=TokenUsage(3, 4, 7), cost=0.5, finish_reason="stop")

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        output = self.answer(request)
        yield TextDelta(output.content)
        yield Done(output.token_usage, output)

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        return EmbeddingOutput(((0.5,),), TokenUsage(3, 0, 3))


class Fails(Backend):
    """Never answers, and says the client's words."""

    interruptible: ClassVar[bool] = True

    def answer(self, request: Request) -> InferenceOutput:
        raise ServerError(SECRET, status=500)


def test_a_call_is_told_from_its_request_to_its_answer() -> None:
    """With every attempt, under one name, and the matter; never a word of the prompt, the answer or an error."""
    keeps = Keeps()
    backends = [Fails(id="first", max_retries=0), Answers(id="second", model="m")]
    with Mediator(backends, observers=[keeps]) as mediator:
        mediator.generate(SECRET, matter="2026-0417")
    request, first, second, answer = keeps.events
    assert isinstance(request, RequestEvent)
    assert isinstance(answer, AnswerEvent)
    assert (request.kind, request.messages, request.matter) == ("infer", 1, "2026-0417")
    assert [(each.backend, each.error, each.number) for each in (first, second)] == [  # type: ignore[union-attr]
        ("first", "ServerError", 1),
        ("second", None, 2),
    ]
    assert (answer.backend, answer.usage.total_tokens, answer.cost, answer.matter) == ("second", 7, 0.5, "2026-0417")
    assert len({each.call for each in keeps.events}) == 1  # type: ignore[union-attr]
    assert SECRET not in repr(keeps.events)
    assert keeps.closed


def test_a_call_that_fails_is_told_by_the_class_of_its_error() -> None:
    """And by its status; the error itself reaches its caller."""
    keeps = Keeps()
    with Mediator([Fails(id="only", max_retries=0)], observers=[keeps]) as mediator, pytest.raises(ServerError):
        mediator.generate("x")
    answer = keeps.events[-1]
    assert isinstance(answer, AnswerEvent)
    assert (answer.error, answer.status, answer.backend) == ("ServerError", 500, "only")
    assert SECRET not in repr(keeps.events)


@pytest.mark.parametrize("end", ["read", "closed", "dropped"])
def test_a_stream_is_told_once_however_it_ends(end: str) -> None:
    """With the seconds until its first piece, if there was one."""
    keeps = Keeps()
    with Mediator([Answers(id="a")], observers=[keeps]) as mediator:
        events = mediator.infer_stream("x")
        next(events)
        if end == "read":
            list(events)
        elif end == "closed":
            events.close()
        else:
            del events
    answers = [each for each in keeps.events if isinstance(each, AnswerEvent)]
    assert len(answers) == 1
    assert answers[0].first_piece is not None
    assert answers[0].error == (None if end == "read" else "CancelledError")


def test_vectors_are_told_too() -> None:
    """As calls of their own kind."""
    keeps = Keeps()
    with Mediator([Answers(id="a", embedding_model="e")], observers=[keeps]) as mediator:
        mediator.embed("x")
    answer = keeps.events[-1]
    assert isinstance(answer, AnswerEvent)
    assert (answer.kind, answer.backend) == ("embed", "a")


def test_an_observer_that_fails_changes_no_call_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Without the words of its error."""

    class Breaks(Observer):
        def answer(self, event: AnswerEvent) -> None:
            raise ValueError(SECRET)

    with caplog.at_level(logging.WARNING), Mediator([Answers(id="a")], observers=[Breaks()]) as mediator:
        for _ in range(5):
            assert mediator.generate("x") == SECRET
    lines = [each.getMessage() for each in caplog.records]
    assert lines == ["observer 'Breaks' failed (ValueError); calls go on without it"]


def test_a_slow_observer_holds_up_no_call_and_what_is_dropped_is_counted() -> None:
    """The queue is bounded."""
    go_on = threading.Event()

    class Waits(Observer):
        def request(self, event: RequestEvent) -> None:
            go_on.wait(60)

    queue = EventQueue([("waits", Waits())], most=5)
    with Mediator([Answers(id="a")], observers=queue) as mediator:
        for _ in range(20):
            mediator.generate("x")
        assert queue.discarded > 0
        go_on.set()


@pytest.mark.parametrize("method", ["request", "attempt", "answer"])
@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), RuntimeError(SECRET)], ids=lambda it: repr(it)[:12]
)
def test_what_would_end_a_thread_ends_no_observing(
    method: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """The one that raises it is named once; it and the others are told of everything that comes after."""
    told = Keeps()

    class Ends(Keeps):
        pass

    def fail(self: Keeps, event: Event) -> None:
        self.events.append(event)
        raise error

    setattr(Ends, method, fail)
    ends = Ends()
    with Mediator([Answers(id="a")], observers=[ends, told]) as mediator:
        for _ in range(3):
            assert mediator.infer("hi").content == SECRET
    assert [type(each) for each in told.events] == [RequestEvent, AttemptEvent, AnswerEvent] * 3
    assert ends.events == told.events
    assert ends.closed
    assert told.closed
    assert caplog.text.count("calls go on without it") == 1
    assert SECRET not in caplog.text
