"""What every backend does for its author and its users."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from complaint_llm.backends import Backend, FallbackBackend, Request
from complaint_llm.client.calls import Calls
from complaint_llm.client.requests import RequestReader
from complaint_llm.exceptions import (
    BackendError,
    CancelledError,
    ConfigError,
    InvalidRequestError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.messages import Done, InferenceOutput, StreamEvent, TextDelta, TokenUsage, Tool
from complaint_llm.routing.router import Router


class Parrot(Backend):
    """Answers with what it was asked, and keeps the requests."""

    type: ClassVar[str] = "parrot"
    interruptible: ClassVar[bool] = True

    def __init__(self, **keys: Any) -> None:
        super().__init__(**keys)
        self.seen: list[Request] = []

    def answer(self, request: Request) -> InferenceOutput:
        self.seen.append(request)
        return InferenceOutput(request.messages[-1].text, token_usage=TokenUsage(1_000_000, 1_000_000, 2_000_000))


class Streamer(Backend):
    """Streams what it is given."""

    interruptible: ClassVar[bool] = True
    capabilities = frozenset({"stream"})

    def __init__(self, events: Iterable[StreamEvent | Exception], **keys: Any) -> None:
        super().__init__(**keys)
        self.events = events

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event


def test_the_calls_defaults_lie_under_what_the_call_gives() -> None:
    """Config keys hold unless the call says otherwise; ``system`` too."""
    parrot = Parrot(model="m", temperature=0.2, max_tokens=5, system="be brief", extra_body={"a": 1})
    parrot.generate("hi", temperature=0.9, extra_body={"b": 2})
    seen = parrot.seen[-1]
    assert dict(seen.params) == {"temperature": 0.9, "max_tokens": 5}
    assert dict(seen.extra_body) == {"a": 1, "b": 2}
    assert [message.role for message in seen.messages] == ["system", "user"]
    parrot.generate("hi", system="other", model="n")
    assert parrot.seen[-1].messages[0].content == "other"
    assert parrot.seen[-1].model == "n"


def test_output_names_backend_model_cost_and_attempts() -> None:
    """Each answer says where it came from; the cost is by the backend's own prices."""
    parrot = Parrot(id="p", model="m", pricing={"input": 1, "output": 2})
    output = parrot.infer("hi")
    assert (output.backend, output.model, output.cost) == ("p", "m", 3.0)
    assert [(attempt.backend, attempt.error) for attempt in output.attempts] == [("p", None)]
    assert Parrot(model="m").infer("hi").cost is None


def test_unknown_parameters_and_keys_are_type_errors() -> None:
    """A misspelt parameter never vanishes."""
    with pytest.raises(TypeError, match="temperatur"):
        Parrot().generate("hi", temperatur=1)
    with pytest.raises(TypeError, match="modell"):
        Parrot(modell="x")
    with pytest.raises(ConfigError, match="temperature: must be a number, not a text"):
        Parrot(temperature="hot")
    with pytest.raises(ConfigError, match="max_tokens: must be an integer, not true or false"):
        Parrot(max_tokens=True)


@pytest.mark.parametrize("timeout", [0, -1, "5", True, float("nan")])
def test_a_timeout_is_a_positive_number(timeout: Any) -> None:
    """Anything else is a mistake found before sending."""
    parrot = Parrot()
    with pytest.raises(InvalidRequestError, match="timeout"):
        parrot.generate("hi", timeout=timeout)
    assert parrot.seen == []


def test_aliases_of_older_tools_work() -> None:
    """``engine``, ``max_output_tokens``, ``api_base`` are what they were elsewhere; both names at once are refused."""
    assert Parrot(engine="m", max_output_tokens=3).options.model == "m"
    with pytest.raises(ConfigError, match="mean the same"):
        Parrot(engine="m", model="m")


def test_an_empty_answer_is_an_error() -> None:
    """Neither text nor tool call is no answer."""

    class Silent(Backend):
        interruptible: ClassVar[bool] = True

        def answer(self, request: Request) -> InferenceOutput:
            return InferenceOutput("", finish_reason="length")

    with pytest.raises(ResponseFormatError, match=r"empty.*raise max_tokens"):
        Silent().infer("hi")


def test_whatever_a_plugin_raises_is_a_backend_error_with_its_cause() -> None:
    """A bug in a plugin is named as one, and the fallback behind it still gets its turn."""

    class Buggy(Backend):
        interruptible: ClassVar[bool] = True

        def answer(self, request: Request) -> InferenceOutput:
            return {}["type"]  # type: ignore[no-any-return]

    with pytest.raises(BackendError, match="buggy: failed inside the plugin: KeyError: 'type'") as caught:
        Buggy(id="buggy").infer("hi")
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("given", ["a text", None, {"content": "x"}])
def test_an_answer_of_another_type_is_a_format_error(given: Any) -> None:
    """A mistake of its author does not end the call: another backend may answer."""

    class Wrong(Backend):
        interruptible: ClassVar[bool] = True

        def answer(self, request: Request) -> InferenceOutput:
            return given

    with pytest.raises(ResponseFormatError, match=f"a {type(given).__name__}, not an InferenceOutput"):
        Wrong().generate("x")
    assert FallbackBackend(Wrong(), [Parrot()]).infer("x").backend == "parrot"


def test_capabilities_are_checked_before_anything_is_sent() -> None:
    """A backend without tools or images refuses them by name."""
    parrot = Parrot()
    with pytest.raises(InvalidRequestError, match="no tools"):
        parrot.infer("hi", [Tool("f")])
    with pytest.raises(InvalidRequestError, match="no images"):
        parrot.infer([{"role": "user", "content": [{"type": "image", "url": "https://example.org/x.png"}]}])
    with pytest.raises(InvalidRequestError, match="no embeddings"):
        parrot.embed("hi")
    assert parrot.seen == []
    assert not parrot.supports_function_calling()
    assert not parrot.supports_streaming()


def test_a_backend_that_only_answers_streams_its_answer_whole() -> None:
    """``answer`` alone is enough for both ways, and ``answer_stream`` alone too."""
    assert list(Parrot().stream_generate("hello")) == ["hello"]
    done = Done(TokenUsage(), InferenceOutput("ab"))
    streamer = Streamer([TextDelta("a"), TextDelta("b"), done])
    assert streamer.generate("x") == "ab"
    pieces = streamer.stream_generate("x")
    assert list(pieces) == ["a", "b"]
    assert pieces.output is not None
    assert pieces.output.backend == "Streamer"


def test_a_stream_without_its_proper_end_is_interrupted_with_its_text() -> None:
    """A quiet end is not taken for the end."""
    stream = Streamer([TextDelta("half")]).stream_generate("x")
    assert next(stream) == "half"
    with pytest.raises(StreamInterruptedError) as caught:
        next(stream)
    assert caught.value.partial == "half"


def test_an_error_before_the_first_piece_is_itself() -> None:
    """Nothing was handed out, so nothing was interrupted."""
    with pytest.raises(ServerError):
        list(Streamer([ServerError("500")], max_retries=0).infer_stream("x"))


def test_a_closed_backend_refuses() -> None:
    """After ``close`` calls say so; closing again does nothing."""
    parrot = Parrot()
    parrot.close()
    parrot.close()
    with pytest.raises(BackendError, match="is closed"):
        parrot.generate("hi")


def test_close_cancels_what_is_in_flight() -> None:
    """A caller that waits gets an error that says so."""
    entered = threading.Event()
    errors: list[Exception] = []

    class Waiter(Backend):
        interruptible: ClassVar[bool] = True

        def answer(self, request: Request) -> InferenceOutput:
            woken = threading.Event()
            request.cancel.attach(woken.set)
            entered.set()
            woken.wait(10)
            raise CancelledError(request.cancel.reason)

    waiter = Waiter(id="w")

    def ask() -> None:
        try:
            waiter.generate("hi")
        except BackendError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert entered.wait(10)
    waiter.close()
    thread.join(10)
    assert "w was closed" in str(errors[0])


def test_a_call_that_close_overtakes_is_refused() -> None:
    """Between its look at the backend and its being entered in the calls: close would not cancel it any more."""

    class Overtaken(RequestReader):
        def request(self, *given: Any, **named: Any) -> Request:
            made = super().request(*given, **named)
            calls.close()
            return made

    for ask in (Calls.infer, Calls.stream):
        calls = Calls(Parrot().as_member(), Router(), Overtaken(), free=lambda: None)
        with pytest.raises(BackendError, match="is closed"):
            ask(calls, "x", (), None, {})
        assert calls.under_way == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_closing_in_a_forked_child_leaves_the_parents_calls_alone() -> None:
    """To cancel one there would shut down the connection that both have."""
    entered, go_on = threading.Event(), threading.Event()
    readable, writable = os.pipe()

    def cancelled() -> None:
        os.write(writable, b"cancelled")

    class Slow(Parrot):
        def answer(self, request: Request) -> InferenceOutput:
            request.cancel.attach(cancelled)
            entered.set()
            go_on.wait(10)
            return InferenceOutput("whole")

    slow = Slow()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(slow.generate, "x")
        assert entered.wait(10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer Pythons warn of forking with threads
            child = os.fork()
        if child == 0:
            slow.close()
            os._exit(0)
        os.waitpid(child, 0)
        go_on.set()
        assert answer.result(10) == "whole"
    os.close(writable)
    assert os.read(readable, 99) == b""
    os.close(readable)


def test_a_wanted_backend_must_be_there() -> None:
    """``backend=`` names an id; an unknown one lists what there is."""
    assert Parrot(id="p").generate("hi", backend="p") == "hi"
    with pytest.raises(InvalidRequestError, match="no backend 'q' here; there are: p"):
        Parrot(id="p").generate("hi", backend="q")


def test_cache_identity_changes_with_what_shapes_the_answer() -> None:
    """Two backends that would answer differently never share an answer; without caching there is none."""
    request = RequestReader().request("hi", (), None, {})
    one = Parrot(model="m", cache_enabled=True, temperature=0).cache_identity(request)
    two = Parrot(model="m", cache_enabled=True, temperature=1).cache_identity(request)
    three = Endpoint("/a", model="m", cache_enabled=True).cache_identity(request)
    four = Endpoint("/b", model="m", cache_enabled=True).cache_identity(request)
    assert None not in (one, three)
    assert len({one, two, three, four}) == 4
    assert three == Endpoint("/a", model="m", cache_enabled=True, timeout=3).cache_identity(request)
    assert Parrot(model="m").cache_identity(request) is None


class Endpoint(Parrot):
    """Takes a key of its own type."""

    def __init__(self, endpoint: str, **keys: Any) -> None:
        super().__init__(**keys)
        self.endpoint = endpoint


def test_estimates_bound_the_cost() -> None:
    """The worst case counts the longest answer; without a bound there is no cost."""
    parrot = Parrot(model="m", max_tokens=100, pricing={"input": 1, "output": 1})
    estimate = parrot.estimate(RequestReader().request("x" * 400, (), None, {}))
    assert estimate.prompt_tokens == 104
    assert estimate.completion_tokens == 100
    assert estimate.cost == pytest.approx(204 / 1e6)
    assert Parrot(model="m").estimate(RequestReader().request("x", (), None, {})).cost is None
    free = Parrot(model="m", pricing={"input": 0, "output": 0})
    assert free.estimate(RequestReader().request("x", (), None, {})).cost == 0


def test_a_whole_answer_can_be_collected_from_a_stream() -> None:
    """``"stream": true`` asks the provider for a stream where the caller wants the whole."""

    class Both(Streamer):
        def answer(self, request: Request) -> InferenceOutput:
            return InferenceOutput("whole")

    events = [TextDelta("in "), TextDelta("pieces"), Done(TokenUsage(), InferenceOutput("in pieces"))]
    assert Both(events).generate("x") == "whole"
    assert Both(events, stream=True).generate("x") == "in pieces"
