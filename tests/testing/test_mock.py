"""MockBackend: scripted, by pattern, echoing; every way that the guides show it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm import Mediator, MessageMatcher, MockResponse
from complaint_llm.backends import MockBackend
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    CancelledError,
    ConfigError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.messages import Done, StreamEvent, TextDelta, TokenUsage, ToolCallDelta, ToolCallEnd, ToolCallStart

TOOL = {"name": "calculator", "parameters": {"type": "object"}}


def test_a_sequence_of_responses_is_given_in_order_and_then_exhausted() -> None:
    backend = (
        MockBackend()
        .with_response(MockResponse.text("Let me search for that"))
        .with_response(MockResponse.tool_call("search", {"q": "test"}))
        .with_response(MockResponse.text("Here are the results"))
    )
    assert backend.generate("a") == "Let me search for that"
    assert backend.infer("b", [{"name": "search"}]).tool_calls[0].arguments == {"q": "test"}
    assert backend.generate("c") == "Here are the results"
    with pytest.raises(BackendError, match="exhausted: 3 responses, this is request 4"):
        backend.generate("d")


def test_a_mock_without_any_response_raises_and_makes_nothing_up() -> None:
    with pytest.raises(BackendError, match="exhausted"):
        MockBackend().generate("a")


def test_a_tool_use_is_counted_and_remembered() -> None:
    backend = (
        MockBackend()
        .with_response(MockResponse.tool_call("calculator", {"expr": "2+2"}))
        .with_response(MockResponse.text("The answer is 4"))
    )
    assert not backend.was_tool_called("calculator")
    first = backend.infer("What is 2+2?", [TOOL])
    [call] = first.tool_calls
    assert first.finish_reason == "tool_calls"
    assert backend.generate([first.message(), {"role": "tool", "tool_call_id": call.id, "content": "4"}])
    assert backend.call_count() == 2
    assert backend.was_tool_called("calculator")
    assert not backend.was_tool_called("search")


@pytest.mark.parametrize(
    ("matcher", "fits", "misfits"),
    [
        (MessageMatcher.contains("weather"), "the weather?", "the news?"),
        (MessageMatcher.regex(r"^\d+$"), "123", "a1"),
        (MessageMatcher.exact("hello"), "hello", "hello!"),
    ],
)
def test_patterns_come_before_the_script_and_are_never_used_up(
    matcher: MessageMatcher, fits: str, misfits: str
) -> None:
    backend = MockBackend.echo().with_pattern_response(matcher, MockResponse.text("It's sunny today!"))
    assert [backend.generate(fits), backend.generate(misfits), backend.generate(fits)] == [
        "It's sunny today!",
        misfits,
        "It's sunny today!",
    ]


def test_echo_answers_with_the_last_user_message() -> None:
    backend = MockBackend.echo()
    turns = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "second"},
    ]
    assert backend.generate(turns, system="Be brief.") == "second"


def test_an_error_of_text_or_of_any_class_is_raised_fresh_each_time() -> None:
    backend = MockBackend(max_retries=0).with_response(MockResponse.error("API rate limit exceeded"))
    with pytest.raises(BackendError, match="API rate limit exceeded"):
        backend.generate("a")
    given = RateLimitError("slow down", retry_after=0.01)
    limited = MockBackend(max_retries=0).with_pattern_response(MessageMatcher.contains(""), MockResponse.error(given))
    caught = []
    for _ in range(2):
        with pytest.raises(RateLimitError) as one:
            limited.generate("a")
        caught.append(one.value)
    assert caught[0].retry_after == 0.01
    assert len({id(given), *map(id, caught)}) == 3
    assert given.backend is None


class Odd(BackendError):
    """An error that cannot be copied by its arguments."""

    def __init__(self, first: str, *, second: int) -> None:
        super().__init__(first)
        self.second = second

    def __reduce__(self) -> tuple[object, ...]:
        return Odd, self.args


SCRIPTED: tuple[BackendError, ...] = (
    RateLimitError("slow down, says the test"),
    RateLimitError("slow down, says the test", retry_after=0.01),
    BackendTimeoutError("slow down, says the test"),
    BackendError("slow down, says the test"),
    BackendError("slow down, says the test", status=503, retryable=True),
    AuthenticationError("slow down, says the test"),
    ServerError("slow down, says the test", status=500),
    BackendConnectionError("slow down, says the test"),
    InvalidRequestError("slow down, says the test"),
    ResponseFormatError("slow down, says the test"),
    QuotaExceededError("slow down, says the test"),
    Odd("slow down, says the test", second=2),
)


@pytest.mark.parametrize("error", SCRIPTED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("before", [0, 2])
def test_a_scripted_error_reaches_its_author_whatever_is_retried(
    error: BackendError, retries: int, before: int
) -> None:
    """Not the error of a script that a retry found exhausted: plain, in a stream and behind a Mediator."""
    asking = (
        lambda client: client.generate("x"),
        lambda client: list(client.stream_generate("x")),
        lambda client: client.batch_generate(["x"], on_error="return")[0],
    )
    for ask in asking:
        for behind in (False, True):
            mock = MockBackend(id="m", responses=["fine"] * before, max_retries=retries, retry_delay=0)
            mock.with_response(MockResponse.error(error))
            with Mediator([mock], timeout=5) if behind else mock as client:
                for _ in range(before):
                    assert client.generate("x") == "fine"
                try:
                    found = ask(client)
                except BackendError as caught:
                    found = caught
            assert type(found) is type(error)
            assert "slow down, says the test" in str(found)


def test_a_script_that_ends_in_an_error_with_an_echo_behind_it_goes_on_with_the_echo() -> None:
    """A service that comes back."""
    mock = MockBackend(echo=True, responses=[{"error": "down"}], max_retries=0)
    with pytest.raises(BackendError, match="down"):
        mock.generate("x")
    assert mock.generate("x") == "x"


def test_a_scripted_exception_that_is_none_of_ours_is_the_cause_of_what_comes_out() -> None:
    """As that of any plugin; its words and its class are to be read."""
    mock = MockBackend(max_retries=0).with_response(MockResponse.error(ValueError("the test says so")))
    with pytest.raises(BackendError, match="ValueError: the test says so") as caught:
        mock.generate("x")
    assert isinstance(caught.value.__cause__, ValueError)


def test_latency_is_waited_for_and_ends_at_the_deadline() -> None:
    backend = MockBackend().with_response(MockResponse.text("Slow response").with_latency(30))
    start = time.monotonic()
    assert backend.generate("a") == "Slow response"
    assert time.monotonic() - start >= 0.03
    slow = MockBackend(echo=True, latency=60, max_retries=0)
    start = time.monotonic()
    with pytest.raises(BackendTimeoutError):
        slow.generate("a", timeout=0.05)
    assert time.monotonic() - start < 5


def test_latency_ends_when_the_backend_is_closed() -> None:
    backend = MockBackend(echo=True, latency=60, max_retries=0)
    found: list[Exception] = []
    started = threading.Event()

    def ask() -> None:
        started.set()
        try:
            backend.generate("a")
        except BackendError as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    started.wait()
    while not backend.call_count():
        time.sleep(0.001)
    backend.close()
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(found[0], CancelledError)


@given(st.text(min_size=1).filter(str.strip))
def test_a_stream_joined_is_the_whole_answer(text: str) -> None:
    pieces = list(MockBackend.echo().stream_generate(text))
    assert "".join(pieces) == text


def test_a_stream_has_pieces_tool_calls_usage_and_an_end() -> None:
    backend = MockBackend(responses=["one two three", {"tool_call": {"name": "calculator", "arguments": {"a": 1}}}])
    events: list[StreamEvent] = list(backend.infer_stream("x"))
    assert events[:-1] == [TextDelta("one "), TextDelta("two "), TextDelta("three")]
    assert isinstance(events[-1], Done)
    assert events[-1].token_usage == TokenUsage(1, 3, 4)
    kinds = [type(event) for event in backend.infer_stream("x", [TOOL])]
    assert kinds == [ToolCallStart, ToolCallDelta, ToolCallEnd, Done]


def test_a_scripted_error_ends_a_stream() -> None:
    stream = MockBackend(responses=[{"error": "no"}], max_retries=0).stream_generate("x")
    with pytest.raises((BackendError, StreamInterruptedError), match="no"):
        list(stream)


def test_embeddings_depend_on_the_text_alone() -> None:
    first, second = MockBackend(id="a"), MockBackend(id="b")
    assert first.embed("rent") == second.embed("rent")
    assert first.embed(["rent", "wage"]) == [first.embed("rent"), first.embed("wage")]
    assert first.embed("rent") != first.embed("wage")
    assert sum(value * value for value in first.embed("rent")) == pytest.approx(1)


def test_eight_threads_get_each_response_of_the_script_once() -> None:
    backend = MockBackend(responses=[str(number) for number in range(400)])
    found = backend.batch_generate(["x"] * 400, max_workers=8)
    assert sorted(found, key=int) == [str(number) for number in range(400)]
    assert backend.call_count() == 400


def test_mocks_among_themselves_are_ordinary_backends() -> None:
    broken = MockBackend(id="broken", responses=[{"error": "down"}], max_retries=0)
    with Mediator([broken, MockBackend.echo(id="echo")]) as mediator:
        output = mediator.infer("hello", privacy="local")
    assert (output.content, output.backend) == ("hello", "echo")
    assert output.attempts[0].error


def test_what_was_asked_can_be_looked_at() -> None:
    backend = MockBackend(echo=True, temperature=0.5)
    backend.generate("hello", max_tokens=3)
    assert backend.last_request is not None
    assert dict(backend.last_request.params) == {"temperature": 0.5, "max_tokens": 3}


@pytest.mark.parametrize(
    "keys",
    [
        {"responses": [7]},
        {"responses": [{}]},
        {"responses": [{"text": "a", "error": "b"}]},
        {"responses": [{"tool_call": {"arguments": {}}}]},
        {"responses": [{"tool_call": {"name": "a", "argument": {}}}]},
        {"latency": -1},
        {"latency": float("nan")},
        {"latency": "1"},
    ],
)
def test_a_script_of_wrong_shape_is_a_config_error(keys: Any) -> None:
    with pytest.raises(ConfigError):
        MockBackend(**keys)


def test_a_pattern_that_takes_for_ever_is_a_timeout() -> None:
    """Of the matcher, not of the test suite; other threads go on meanwhile."""
    matcher = MessageMatcher.regex(r"^(a|aa)+$")
    assert matcher("aa")
    assert not matcher("ab")
    with pytest.raises(BackendTimeoutError):
        matcher("a" * 60 + "!")
