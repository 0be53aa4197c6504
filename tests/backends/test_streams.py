"""Streams between a backend and its user: what a source raises, says or leaves open costs neither answer nor slot."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, Request
from complaint_llm.backends.base import Capability
from complaint_llm.client.calls import Calls
from complaint_llm.client.requests import RequestReader
from complaint_llm.client.route import Route
from complaint_llm.exceptions import ServerError
from complaint_llm.messages import Done, InferenceOutput, StreamError, StreamEvent, TextDelta, TokenUsage
from complaint_llm.routing.router import Router

WHOLE = Done(TokenUsage(), InferenceOutput("ab"))


class Streams(Backend):
    """Streams what it is told to."""

    interruptible: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream",))

    def __init__(self, id: str, source: Callable[[], Iterable[StreamEvent]], **keys: Any) -> None:
        super().__init__(id=id, max_retries=0, **keys)
        self.source = source

    def answer_stream(self, request: Request) -> Iterable[StreamEvent]:
        return self.source()


def whole() -> Iterator[StreamEvent]:
    yield from (TextDelta("a"), TextDelta("b"), WHOLE)


def breaks_in_its_clean_up() -> Iterator[StreamEvent]:
    try:
        yield from whole()
    finally:
        raise OSError("no clean-up")


class CannotClose:
    """The same as an object: its answer is complete before it is closed."""

    def __init__(self) -> None:
        self._events = whole()

    def __iter__(self) -> CannotClose:
        return self

    def __next__(self) -> StreamEvent:
        return next(self._events)

    def close(self) -> None:
        raise OSError("no clean-up")


def test_a_source_that_breaks_in_its_clean_up_gives_its_slot_back(caplog: pytest.LogCaptureFixture) -> None:
    with Mediator([Streams("a", breaks_in_its_clean_up, max_concurrency=1)]) as mediator:
        for _ in range(2):
            stream = mediator.stream_generate("x", timeout=20)
            assert next(stream) == "a"
            stream.close()
    assert caplog.text.count("no clean-up") == 2


def test_a_source_that_cannot_be_closed_does_not_cost_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    with Mediator([Streams("a", CannotClose, max_concurrency=1)]) as mediator:
        for _ in range(2):
            *_, done = mediator.infer_stream("x", timeout=20)
            assert isinstance(done, Done)
            assert done.output.content == "ab"
    assert caplog.text.count("no clean-up") == 2


def test_an_error_that_a_plugin_says_as_an_event_is_an_error_of_its_backend() -> None:
    def says_so() -> Iterator[StreamEvent]:
        yield StreamError(ValueError("boo"))

    with Mediator([Streams("a", says_so), Streams("b", whole)]) as mediator:
        *_, done = mediator.infer_stream("x")
    assert isinstance(done, Done)
    assert [attempt.backend for attempt in done.output.attempts] == ["a", "b"]
    assert "ValueError: boo" in str(done.output.attempts[0].error)


@pytest.mark.rows(2)
@pytest.mark.parametrize("events", [0, 1, 3], ids=["untouched", "begun", "whole"])
def test_a_stream_that_nobody_closes_is_forgotten_by_its_backend(events: int) -> None:
    route = Route(Streams("a", whole).backend_target)
    calls = Calls(route, Router(), RequestReader(), free=route.close)
    for _ in range(3):
        stream = calls.stream("x", (), None, {})
        for _ in range(events):
            next(stream)
        del stream
    gc.collect()
    assert calls.under_way == 0
    calls.close()


def test_an_abandoned_stream_frees_its_slot_also_where_another_backend_failed_before_it() -> None:
    """The failure's traceback leads to the stream: kept, it would keep the stream from the collector."""

    def fails() -> Iterator[StreamEvent]:
        raise ServerError("HTTP 500", status=500)
        yield

    with Mediator([Streams("a", fails), Streams("b", whole, max_concurrency=1)]) as mediator:
        for _ in range(3):
            stream = mediator.stream_generate("x", timeout=20)
            assert next(stream) == "a"
            del stream
            gc.collect()
