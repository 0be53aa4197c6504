"""Whatever a server sends or a schema says, a call ends by its deadline, and other threads go on meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import AnthropicBackend, Backend, GoogleBackend, MockBackend, OpenAIBackend
from complaint_llm.exceptions import BackendError, BackendTimeoutError, ResponseFormatError, StreamInterruptedError
from complaint_llm.messages import ToolCall
from complaint_llm.request import parse_arguments
from complaint_llm.testing import FaultyServer, Reply

BRACKETS = b"[" + b"[]," * (8 << 20) + b"0]"
"""24 MiB that one parser took five seconds for, holding everything else up."""
TIMEOUT = 2.0


class Beats:
    """Counts how often another thread got to run, and the most that this process did while it did not, in seconds of
    CPU: a machine that is busy with others does not count."""

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat)
        self._thread.start()

    def _beat(self) -> None:
        last = time.process_time()
        while not self._stop.wait(0.005):
            now = time.process_time()
            self.longest = max(self.longest, now - last)
            self.count += 1
            last = now

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def beats() -> Iterator[Beats]:
    made = Beats()
    yield made
    made.close()


@pytest.fixture(scope="module")
def yardstick() -> float:
    """Seconds of CPU that this machine, as busy as it is, takes for a twelfth of the brackets, the lock held."""
    started = time.process_time()
    json.loads(b"[" + b"[]," * ((8 << 20) // 12) + b"0]")
    return time.process_time() - started


def wires(url: str) -> dict[str, Backend]:
    keys: dict[str, Any] = {"api_key": "sk-secret-1", "model": "m", "max_retries": 0, "max_tokens": 9}
    return {
        "chat": OpenAIBackend(base_url=f"{url}/v1", **keys),
        "responses": OpenAIBackend(base_url=f"{url}/v1", api="responses", **keys),
        "anthropic": AnthropicBackend(base_url=url, **keys),
        "google": GoogleBackend(base_url=url, **keys),
    }


@pytest.mark.rows(1)
@pytest.mark.parametrize("wire", ["chat", "responses", "anthropic", "google"])
@pytest.mark.parametrize("how", ["whole", "streamed", "as an error"])
def test_a_body_of_brackets_is_refused(wire: str, how: str, beats: Beats, yardstick: float) -> None:
    """Whole, where a stream was asked for, and as the body of an error. No other thread stands for as long as it takes
    to parse a part of it."""
    with FaultyServer(Reply.raw(BRACKETS, 500 if how == "as an error" else 200)) as server:
        backend = wires(server.url)[wire]
        with backend, pytest.raises(BackendError) as caught:
            list(backend.infer_stream("x")) if how == "streamed" else backend.infer("x", timeout=60)
    assert len(str(caught.value)) < 600
    assert how != "whole" or "more JSON than is read" in str(caught.value)
    assert beats.longest < max(1.0, 6 * yardstick)


def test_a_message_of_brackets_is_refused(beats: Beats) -> None:
    """As the text of an answer that is to be JSON."""
    text = BRACKETS.decode()
    for answer in (text, text[: 6 << 20] + "0]"):
        backend = MockBackend(id="m", max_retries=0).with_response(answer).with_response(answer)
        with pytest.raises(ResponseFormatError):
            backend.infer("x", response_format={"type": "array"})
    assert beats.count > 0


def test_an_argument_of_brackets_is_no_object() -> None:
    """A tool call's arguments are JSON from outside as well; the raw text stays."""
    raw = '{"a":' + BRACKETS.decode() + "}"
    assert parse_arguments(raw) is None
    assert ToolCall("1", "f", parse_arguments(raw), raw).arguments_raw == raw


def shape(**more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": more}, "required": ["a"]}


def deep_any_of() -> dict[str, Any]:
    parts: dict[str, Any] = {"d0": {"type": "integer"}}
    for number in range(1, 60):
        parts[f"d{number}"] = {"anyOf": [{"$ref": f"#/$defs/d{number - 1}"}, {"$ref": f"#/$defs/d{number - 1}"}]}
    return {**shape(**{"$ref": "#/$defs/d59"}), "$defs": parts}


def answered(client: Any, schema: Any, stream: bool) -> Any:
    if not stream:
        return client.infer("x", response_format=schema)
    return list(client.infer_stream("x", response_format=schema))[-1].output


SLOW: dict[str, tuple[Any, Callable[[], dict[str, Any]]]] = {
    "a pattern": ("a" * 29 + "!", lambda: shape(type="string", pattern="^(a+)+$")),
    "a worse pattern": ("a" * 60 + "!", lambda: shape(type="string", pattern="^(a|aa)+$")),
    "a pattern for names": ({"a" * 60 + "!": 1}, lambda: shape(patternProperties={"^(a|aa)+$": {"type": "string"}})),
    "a pattern beside further names": (
        {"a" * 60 + "!": 1},
        lambda: shape(patternProperties={"^(a|aa)+$": {}}, additionalProperties=False),
    ),
    "a pattern in propertyNames": ({"a" * 60 + "!": 1}, lambda: shape(propertyNames={"pattern": "^(a|aa)+$"})),
    "a deep anyOf": ("x", deep_any_of),
}


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_schema_that_takes_for_ever_ends_at_the_deadline(name: str, stream: bool, beats: Beats) -> None:
    """With a misfit where it could be told, else with the timeout; a stream has handed out its text.

    Other threads run hundreds of times meanwhile; a tenth of what two seconds have room for holds at any load.
    """
    value, schema = SLOW[name]
    answer = json.dumps({"a": value})
    with Mediator([MockBackend(id="m").with_response(answer)], timeout=TIMEOUT) as mediator:
        before, started = beats.count, time.monotonic()
        with pytest.raises((BackendTimeoutError, ResponseFormatError, StreamInterruptedError)) as caught:
            answered(mediator, schema(), stream)
        if not isinstance(caught.value, ResponseFormatError) and "deadline" in str(caught.value):
            assert beats.count - before >= 10
        assert time.monotonic() - started < TIMEOUT * 10


def test_an_answer_that_fits_such_a_schema_is_given() -> None:
    """What is slow for some answers is not refused for the others."""
    fitting = {"a": 1}
    with Mediator([MockBackend(id="m").with_response(json.dumps(fitting))], timeout=60) as mediator:
        assert mediator.infer("x", response_format=deep_any_of()).parsed == fitting
