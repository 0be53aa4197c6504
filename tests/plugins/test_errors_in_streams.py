"""A server that fails after its HTTP 200 is heard in its own words, on every wire and in any shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import AnthropicBackend, GoogleBackend, HTTPBackend, OpenAIBackend
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    InvalidRequestError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.testing import FaultyServer, Reply
from tests.wire_answers import WIRES, Said, event, in_one
from tests.wire_messages import ask, read

SAID = Said("one two")
EVENTS = {"Content-Type": "text/event-stream"}


def pretty(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode()


TOLD: list[tuple[str, bytes]] = [
    ("error object", event({"error": {"message": "boom"}})),
    ("error text", event({"error": "boom"})),
    ("error with code beside it", event({"error": "boom", "code": "invalid-argument"})),
    ("object error", event({"object": "error", "message": "boom", "type": "BadRequestError"})),
    ("type error", event({"type": "error", "message": "boom", "code": None})),
    ("Anthropic's", event({"type": "error", "error": {"type": "api_error", "message": "boom"}}, "error")),
    ("list of one", event([{"error": {"code": 500, "message": "boom", "status": "INTERNAL"}}])),
    ("detail", event({"detail": "boom"})),
    ("detail with places", event({"detail": [{"loc": ["body"], "msg": "boom", "type": "missing"}]})),
    ("errors", event({"errors": [{"message": "boom"}]})),
    ("message and status", event({"message": "boom", "status": 500})),
    ("message and status code", event({"message": "boom", "statusCode": "502"})),
    ("message alone, last", event({"message": "boom"})),
    ("event error, text", b"event: error\ndata: boom\n\n"),
    ("event error, JSON text", b'event: error\ndata: "boom"\n\n'),
    ("event error, lines", b"event: error\ndata: boom\ndata: and more\n\n"),
    ("event error, object", event({"message": "boom"}, "error")),
    ("bare JSON line", b'{"error": {"message": "boom"}}\n\n'),
    ("bare JSON line, one line end", b'{"error": {"message": "boom"}}\n'),
    ("bare JSON line, no line end", b'{"error": {"message": "boom"}}'),
    ("bare list", b'[{"error": {"message": "boom"}}]\n\n'),
    ("bare detail", b'{"detail": "boom"}\n\n'),
    ("pretty JSON", pretty({"error": {"message": "boom", "code": None}}) + b"\n\n"),
    ("pretty JSON, no line end", pretty([{"error": {"message": "boom", "code": None}}])),
    ("error line", b'error: {"message": "boom"}\n\n'),
    ("error line of text", b"error: boom\n\n"),
    ("error line, no line end", b'error: {"message": "boom"}'),
    ("data line, no line end", b'data: {"error": {"message": "boom"}}'),
    ("data line, no blank line", b'data: {"error": {"message": "boom"}}\n'),
    ("carriage returns", b'{"error": {"message": "boom"}}\r\n\r\n'),
]


@pytest.mark.parametrize("told", [row[1] for row in TOLD], ids=[row[0] for row in TOLD])
@pytest.mark.parametrize("name", WIRES)
def test_the_servers_words_are_in_the_error(name: str, told: bytes) -> None:
    """After a piece of text, before the first, and cut into bytes."""
    wire = WIRES[name]
    # The beginning of a stream: its last events tell that it is whole.
    begun = wire.events(SAID, in_one)[: -3 if name != "gemini" else -1]
    for stream in (b"".join(begun) + told, told):
        for chunks in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
            with pytest.raises(BackendError, match="boom"):
                read(wire.backend.decoder(ask(stream=True)), chunks)


GOES_ON = [row for row in TOLD if row[1].endswith(b"\n\n") and row[0] != "message alone, last"]


@pytest.mark.parametrize("told", [row[1] for row in GOES_ON], ids=[row[0] for row in GOES_ON])
def test_an_error_is_not_made_good_by_an_end_mark(told: bytes) -> None:
    """A server that closes its stream properly after it failed has not answered."""
    wire = WIRES["chat"]
    with pytest.raises(BackendError, match="boom"):
        read(wire.backend.decoder(ask(stream=True)), [wire.events(SAID, in_one)[1] + told + b"data: [DONE]\n\n"])


@pytest.mark.parametrize("told", [row[1] for row in TOLD], ids=[row[0] for row in TOLD])
def test_the_same_words_come_through_a_call(told: bytes) -> None:
    """Over a real connection, the error that a user of the stream gets; no answer is made of what came before."""
    begun = event({"model": "m", "choices": [{"index": 0, "delta": {"content": "one"}, "finish_reason": None}]})
    with FaultyServer(Reply(body=begun + told, headers=EVENTS)) as server:
        backend = OpenAIBackend(base_url=f"{server.url}/v1", api_key="sk-secret-1", model="m", max_retries=0)
        with Mediator([backend], timeout=20) as mediator:
            with pytest.raises(StreamInterruptedError, match="boom") as caught:
                list(mediator.infer_stream("q"))
            assert caught.value.partial == "one"


def test_bytes_that_are_no_words_of_an_error_are_passed_over() -> None:
    """Bare lines that are no JSON, or no error, cost no answer."""
    for name, wire in WIRES.items():
        for odd in (
            b"{nonsense\n\n",
            b'{"status": "ok"}\n\n',
            b"error:\n\n",
            b"[1, 2]\n\n",
            b'{"message": "hello"}\n\n',
        ):
            events = wire.events(SAID, in_one)
            stream = events[0] + odd + b"".join(events[1:])
            assert read(wire.backend.decoder(ask(stream=True)), [stream])[-1].type == "done", (name, odd)


def test_a_cut_event_is_an_interrupted_stream_and_not_an_error_of_its_own() -> None:
    """A last line that is no whole JSON says nothing."""
    for name, wire in WIRES.items():
        stream = b"".join(wire.events(SAID, in_one)[: -3 if name != "gemini" else -1])
        events = read(wire.backend.decoder(ask(stream=True)), [stream + b'data: {"error": {"message": "bo'])
        assert not any(each.type == "done" for each in events), name


KINDS: list[tuple[Any, type[BackendError], int | None]] = [
    ({"error": {"message": "m", "code": 429}}, RateLimitError, 429),
    ({"error": {"message": "m", "code": "429"}}, RateLimitError, 429),
    ({"error": {"message": "m", "code": 503}}, ServerError, 503),
    ({"error": {"message": "m", "status": 401}}, AuthenticationError, 401),
    ({"message": "m", "status_code": 403}, PermissionDeniedError, 403),
    ({"object": "error", "message": "m", "code": 400}, InvalidRequestError, 400),
    ([{"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}], ServerError, 503),
    ({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}, RateLimitError, 429),
    ({"error": {"message": "m", "type": "rate_limit_error"}}, RateLimitError, None),
    ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, RateLimitError, None),
    ({"error": {"message": "m", "code": "insufficient_quota"}}, QuotaExceededError, None),
    ({"type": "error", "error": {"type": "authentication_error", "message": "m"}}, AuthenticationError, None),
    ({"error": {"message": "m", "type": "invalid_request_error"}}, InvalidRequestError, None),
    ({"error": {"message": "m", "status": "UNAUTHENTICATED"}}, AuthenticationError, None),
    ({"error": {"message": "m", "code": "something_new"}}, ServerError, None),
    ({"detail": "m"}, ServerError, None),
    ({"error": "m"}, ServerError, None),
]


@pytest.mark.parametrize(("told", "kind", "status"), KINDS, ids=[json.dumps(row[0]) for row in KINDS])
@pytest.mark.parametrize("name", WIRES)
def test_status_and_code_decide_the_class_on_every_wire(
    name: str, told: Any, kind: type[BackendError], status: int | None
) -> None:
    """In a stream and as a whole answer; the shape of another wire, too."""
    wire = WIRES[name]
    for error in (
        raised(lambda: read(wire.backend.decoder(ask(stream=True)), [event(told)])),
        raised(lambda: wire.backend.decode(told, ask())),
    ):
        assert (type(error), error.status) == (kind, status)
        assert error.message.partition(" (")[0].endswith("m")  # what to do stands behind it


def raised(work: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        work()
    return caught.value


def test_secrets_are_cut_from_words_in_any_shape() -> None:
    """A server may echo the key."""
    for told in (
        event({"detail": "key sk-secret-1"}),
        b"event: error\ndata: sk-secret-1\n\n",
        b'{"error": "sk-secret-1"}\n\n',
    ):
        error = raised(lambda told=told: read(WIRES["chat"].backend.decoder(ask(stream=True)), [told]))
        assert "sk-secret-1" not in str(error)


def backends(server: FaultyServer, **keys: Any) -> dict[str, HTTPBackend]:
    common = {"api_key": "k", "model": "m", "retry_delay": 0.001, **keys}
    return {
        "chat": OpenAIBackend(base_url=f"{server.url}/v1", **common),
        "responses": OpenAIBackend(base_url=f"{server.url}/v1", api="responses", **common),
        "anthropic": AnthropicBackend(base_url=server.url, **common),
        "gemini": GoogleBackend(base_url=server.url, **common),
    }


@pytest.mark.rows(20)
@pytest.mark.parametrize("before_text", [0, 1, 2, 3])
@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("way", ["a chunk is missing", "bytes are missing", "a whole body"])
def test_a_cut_before_the_first_text_is_tried_again_at_the_same_backend(name: str, before_text: int, way: str) -> None:
    """Of one class on every wire, however the connection ends; the second try answers."""
    events = WIRES[name].events(SAID, in_one)
    first_text = next(at for at, each in enumerate(events) if b"one" in each)
    begun = b"".join(events[: min(first_text, before_text)]) or b": wait\n\n"
    headers = {**EVENTS, "Connection": "close"}
    if way == "a chunk is missing":
        headers["Transfer-Encoding"], begun = "chunked", b"%x\r\n%s\r\n" % (len(begun), begun)
    elif way == "bytes are missing":
        headers["Content-Length"] = str(len(begun) + 99)
    cut = Reply(body=begun, headers=headers, cut_after=len(begun))
    with FaultyServer(Reply("fine")) as server:
        server.script(cut)
        with backends(server, max_retries=1)[name] as backend:
            assert "".join(backend.stream_generate("q")) == "fine"
            assert len(server.requests) == 2
        server.script(cut)
        with backends(server, max_retries=0)[name] as backend:
            error = raised(lambda: list(backend.stream_generate("q")))
    assert (type(error), error.retryable) == (StreamInterruptedError, True)


@pytest.mark.parametrize("name", ["chat", "gemini"])
def test_a_stream_that_is_cut_after_its_last_event_is_whole(name: str) -> None:
    """A lost end mark costs no answer where the reason for the end was told; cut before, it is no answer."""
    events = [each for each in WIRES[name].events(SAID, in_one) if b"[DONE]" not in each]
    for told, whole in ((events, True), (events[:1], False)):
        body = b"".join(told)
        chunked = b"%x\r\n%s\r\n" % (len(body), body)
        headers = {**EVENTS, "Transfer-Encoding": "chunked"}
        reply = Reply(body=chunked, headers=headers, cut_after=len(chunked))
        with FaultyServer(reply) as server, backends(server, max_retries=0)[name] as backend:
            if whole:
                assert "".join(backend.stream_generate("q")) == "one two"
            else:
                assert isinstance(
                    raised(lambda backend=backend: list(backend.stream_generate("q"))), StreamInterruptedError
                )


def test_a_page_in_place_of_a_stream_is_no_stream() -> None:
    """Nothing broke off: it is not asked for again."""
    with FaultyServer(Reply(body=b"<html>\n{css}\n</html>", headers={"Content-Type": "text/html"})) as server:
        with backends(server, max_retries=2)["chat"] as backend:
            error = raised(lambda: list(backend.stream_generate("q")))
        assert isinstance(error, ResponseFormatError)
        assert len(server.requests) == 1
