"""Requests against servers that misbehave: the right error, the right facts on it, within the deadline."""

from __future__ import annotations

import gzip
import socket
import zlib

import pytest

from complaint_llm.call import Deadline
from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    InvalidRequestError,
    ResponseFormatError,
)
from complaint_llm.testing.steady_clock import SteadyClock
from complaint_llm.transport import Transport
from tests.transport.faulty import HANG, REQUEST, RESET, Drip, FaultyServer, Pause, Script, ok

LIMIT = 0.5
BODY = b'{"a": 1}'


def post(server: FaultyServer, *, seconds: float = LIMIT, body: bytes = BODY, max_body: int = 1 << 20, **options):
    transport = Transport(server.url, max_body=max_body)
    try:
        return transport.request("POST", "/v1", body, deadline=Deadline(seconds), **options)
    finally:
        transport.close()


ANSWERS: list[tuple[str, bytes, int, bytes]] = [
    ("content length", ok(b"hello"), 200, b"hello"),
    ("empty", ok(b""), 200, b""),
    ("no content", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    ("error status is an answer", b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno", 500, b"no"),
    ("no reason phrase", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
    (
        "chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        200,
        b"hello",
    ),
    (
        "chunked with trailer",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
        200,
        b"a",
    ),
    ("until close", b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello"),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nhello", 200, b"hello"),
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, b"hi"),
    (
        "100 and 103 first",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + ok(b"hi"),
        200,
        b"hi",
    ),
    ("same length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
    ("gzip", ok(gzip.compress(b"hello"), b"Content-Encoding: gzip\r\n"), 200, b"hello"),
    (
        "gzip of two members",
        ok(gzip.compress(b"he") + gzip.compress(b"y"), b"Content-Encoding: x-gzip\r\n"),
        200,
        b"hey",
    ),
    ("deflate", ok(zlib.compress(b"hello"), b"Content-Encoding: deflate\r\n"), 200, b"hello"),
    ("an encoding that is empty", ok(b"hello", b"Content-Encoding:\r\n"), 200, b"hello"),
    ("raw deflate", ok(zlib.compress(b"hello", wbits=-15), b"Content-Encoding: deflate\r\n"), 200, b"hello"),
]


@pytest.mark.parametrize(("answer", "status", "body"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS])
def test_every_valid_framing_is_read_whole(answer: bytes, status: int, body: bytes) -> None:
    """Lengths, chunks, closing, interim answers and unasked compression give status and body, plain and streamed."""
    with FaultyServer([REQUEST, answer]) as server:
        response = post(server)
        assert (response.status, response.body) == (status, body)
        transport = Transport(server.url)
        with transport.stream("POST", "/v1", BODY, deadline=Deadline(LIMIT)) as stream:
            assert (stream.status, b"".join(stream)) == (status, body)
        transport.close()
    assert server.requests[0].endswith(b"\r\n\r\n" + BODY)


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(8 << 20))
FAULTS: list[tuple[str, Script, type[BackendError]]] = [
    ("closed at once", [REQUEST], BackendConnectionError),
    ("reset before", [REQUEST, RESET], BackendConnectionError),
    ("closed inside headers", [REQUEST, HEAD + b"Content-Le"], ResponseFormatError),
    ("closed between headers", [REQUEST, HEAD + b"Content-Type: a\r\n"], ResponseFormatError),
    ("reset inside headers", [REQUEST, HEAD, Pause(0.05), RESET], BackendConnectionError),
    ("closed inside body", [REQUEST, HEAD + b"Content-Length: 9\r\n\r\nhi"], ResponseFormatError),
    ("reset inside body", [REQUEST, HEAD + b"Content-Length: 9\r\n\r\nhi", Pause(0.05), RESET], BackendConnectionError),
    ("closed inside chunk", [REQUEST, CHUNKED + b"5\r\nhe"], ResponseFormatError),
    ("closed between chunks", [REQUEST, CHUNKED + b"2\r\nhe\r\n"], ResponseFormatError),
    ("chunk size is no number", [REQUEST, CHUNKED + b"zz\r\nhe\r\n"], ResponseFormatError),
    ("chunk size is negative", [REQUEST, CHUNKED + b"-1\r\nhe\r\n", HANG], ResponseFormatError),
    ("chunk size is beyond all", [REQUEST, CHUNKED + b"f" * 40 + b"\r\nhe\r\n"], ResponseFormatError),
    ("garbage", [REQUEST, b"\x00\x01SSH-2.0\r\n\r\n"], ResponseFormatError),
    ("another protocol's version", [REQUEST, b"HTTP/2.0 200 OK\r\n\r\n"], ResponseFormatError),
    ("status is no number", [REQUEST, b"HTTP/1.1 abc OK\r\n\r\n"], ResponseFormatError),
    ("header without colon", [REQUEST, HEAD + b"nonsense\r\n\r\n"], ResponseFormatError),
    ("length negative", [REQUEST, HEAD + b"Content-Length: -1\r\n\r\nhi"], ResponseFormatError),
    ("length no number", [REQUEST, HEAD + b"Content-Length: 1x\r\n\r\nhi"], ResponseFormatError),
    ("lengths differ", [REQUEST, HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nhi"], ResponseFormatError),
    ("unknown transfer encoding", [REQUEST, HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n"], ResponseFormatError),
    ("unasked brotli", [REQUEST, ok(b"hi", b"Content-Encoding: br\r\n")], ResponseFormatError),
    ("gzip that is none", [REQUEST, ok(b"hi", b"Content-Encoding: gzip\r\n")], ResponseFormatError),
    ("gzip cut", [REQUEST, ok(gzip.compress(b"hello")[:-9], b"Content-Encoding: gzip\r\n")], ResponseFormatError),
    ("gzip bomb", [REQUEST, ok(BOMB, b"Content-Encoding: gzip\r\n")], ResponseFormatError),
    ("length above the limit", [REQUEST, HEAD + b"Content-Length: 1048577\r\n\r\n", HANG], ResponseFormatError),
    ("endless body", [REQUEST, HEAD + b"\r\n", bytes(2 << 20), HANG], ResponseFormatError),
    ("endless chunks", [REQUEST, CHUNKED, (b"10000\r\n" + bytes(65536) + b"\r\n") * 32, HANG], ResponseFormatError),
    ("endless headers", [REQUEST, HEAD, b"X: y\r\n" * 60_000, HANG], ResponseFormatError),
    ("one endless header", [REQUEST, HEAD + b"X: ", bytes(300_000), HANG], ResponseFormatError),
    ("flood of interim answers", [REQUEST, b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, HANG], ResponseFormatError),
    ("silence", [REQUEST, HANG], BackendTimeoutError),
    ("silence inside body", [REQUEST, HEAD + b"Content-Length: 9\r\n\r\nhi", HANG], BackendTimeoutError),
    ("silence after a late head", [REQUEST, Pause(0.4), CHUNKED, HANG], BackendTimeoutError),
    ("dripped headers", [REQUEST, Drip(HEAD + b"X: " + b"y" * 1000, 0.05)], BackendTimeoutError),
    ("dripped body", [REQUEST, HEAD + b"Content-Length: 999\r\n\r\n", Drip(b"x", 0.05, True)], BackendTimeoutError),
    ("dripped chunks", [REQUEST, CHUNKED, Drip(b"1\r\nx\r\n", 0.03, True)], BackendTimeoutError),
    ("dripped interim answers", [REQUEST, Drip(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01, True)], BackendTimeoutError),
]


@pytest.mark.rows(20)
@pytest.mark.parametrize(("script", "kind"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_every_fault_is_the_right_error_in_time(
    script: Script, kind: type[BackendError], streamed: bool, steady_clock: SteadyClock
) -> None:
    """A wholly sent request without a whole answer may have been received, says so, and ends inside its deadline.

    Which is short only where it is what ends the call.
    """
    limit = LIMIT if kind is BackendTimeoutError else 20.0
    with FaultyServer(script) as server:
        transport = Transport(server.url, max_body=1 << 20)
        began = steady_clock()
        with pytest.raises(BackendError) as caught:  # noqa: PT012 - a stream may fail at its head or in its body
            if streamed:
                with transport.stream("POST", "/v1", BODY, deadline=Deadline(limit)) as stream:
                    stream.read()
            else:
                transport.request("POST", "/v1", BODY, deadline=Deadline(limit))
        assert steady_clock() - began < limit * 1.1 + 0.3
        assert type(caught.value) is kind
        assert caught.value.sent
        assert caught.value.maybe_received
        assert "\n" not in str(caught.value)
        assert server.url in str(caught.value)
        assert caught.value.__cause__ is not None
        assert transport.connections == (0, 0)


def test_slow_upload_ends_at_the_deadline_and_was_not_received(steady_clock: SteadyClock) -> None:
    """A server that does not read is given up in time; a request that was not wholly sent was not received."""
    with FaultyServer([HANG]) as server:
        began = steady_clock()
        with pytest.raises(BackendTimeoutError) as caught:
            post(server, body=bytes(64 << 20))
        assert steady_clock() - began < LIMIT * 1.1 + 0.5
        assert caught.value.sent
        assert not caught.value.maybe_received


def test_refused_connection_sent_nothing() -> None:
    """Nothing listens: a connection error that says so, and that nothing left."""
    with FaultyServer([]) as server:
        pass
    with pytest.raises(BackendConnectionError, match="refused") as caught:
        post(server)
    assert not caught.value.sent
    assert not caught.value.maybe_received


def test_deadline_that_has_passed_sends_nothing() -> None:
    """No byte leaves for a call whose time is over."""
    with FaultyServer([REQUEST, ok()]) as server:
        with pytest.raises(BackendTimeoutError) as caught:
            post(server, seconds=-1)
        assert not caught.value.sent
    assert server.requests == []


def test_first_byte_and_gap_limit_silences(steady_clock: SteadyClock) -> None:
    """Each silence has its own limit below the deadline, and a steady trickle breaks neither."""
    began = steady_clock()
    with FaultyServer([REQUEST, HANG]) as server, pytest.raises(BackendTimeoutError, match="before its answer"):
        post(server, seconds=20, first_byte=0.1)
    with FaultyServer([REQUEST, HEAD, HANG]) as server, pytest.raises(BackendTimeoutError, match="inside its answer"):
        post(server, seconds=20, gap=0.1)
    assert steady_clock() - began < 0.8
    with FaultyServer([REQUEST, Pause(1.2), Drip(ok(b"hi"), 0.001)]) as server:
        assert post(server, seconds=20, first_byte=10, gap=1.0).body == b"hi"


def test_answer_before_the_end_of_the_request_is_read() -> None:
    """A server that refuses a large upload early and stops reading is heard, not reported as a broken pipe."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"

    def refuse(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(refusal)  # closed after it with most of the request unread, which breaks the sender's pipe

    with FaultyServer([refuse]) as server:
        transport = Transport(server.url)
        response = transport.request("POST", "/v1", bytes(64 << 20), deadline=Deadline(5))
        assert (response.status, response.body) == (413, b"big")
        assert transport.connections == (0, 0), "half a request was sent on it"
        transport.close()
    assert server.connections == 1, "it was not sent twice"


@pytest.mark.parametrize("location", [b"https://user:pw@evil.test/steal?k=1", b"/elsewhere", b"//evil.test"])
def test_redirects_are_refused_naming_the_host_only(location: bytes) -> None:
    """Neither key nor prompt follows a redirect; the error says where it pointed, without path or credentials."""
    moved = b"HTTP/1.1 307 Moved\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    with FaultyServer([REQUEST, moved]) as server:
        with pytest.raises(BackendConnectionError, match="base_url") as caught:
            post(server)
        text = str(caught.value)
        assert "steal" not in text
        assert "pw@" not in text
        assert ("evil.test" in text) == (b"evil" in location)
        assert caught.value.status == 307
        assert not caught.value.retryable
    assert server.connections == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a b", {}),
        ("nopath", {}),
        ("/x\r\nEvil: 1", {}),
        ("/v1", {"X": "a\r\nEvil: 1"}),
        ("/v1", {"X: y": "a"}),
        ("/v1", {"X": "\u20ac"}),
        ("/v1", {"Content-Length": "3"}),
        ("/v1", {"Transfer-Encoding": "chunked"}),
    ],
)
def test_requests_that_could_be_read_in_two_ways_are_not_sent(path: str, headers: dict[str, str]) -> None:
    """Line breaks, blanks and framing headers are refused before a byte leaves."""
    with FaultyServer([REQUEST, ok()]) as server:
        transport = Transport(server.url)
        with pytest.raises(InvalidRequestError) as caught:
            transport.request("POST", path, BODY, headers=headers, deadline=Deadline(LIMIT))
        assert not caught.value.sent
        assert transport.connections.in_use == 0
    assert server.requests == []


def test_headers_of_a_request_replace_those_of_the_backend() -> None:
    """One line per name goes out, whatever the case of its letters."""
    with FaultyServer([REQUEST, ok()]) as server:
        transport = Transport(server.url, headers={"Accept": "a/b", "X-One": "1"})
        transport.request("POST", "/v1?q=1", BODY, headers={"accept": "c/d"}, deadline=Deadline(LIMIT))
        transport.close()
    head = server.requests[0]
    assert head.startswith(b"POST /v1?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port)
    assert b"\r\naccept: c/d\r\n" in head
    assert b"a/b" not in head
    assert b"\r\nX-One: 1\r\n" in head
