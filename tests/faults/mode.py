"""What one fault of a server is, and the bytes that faults are written with."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any, Literal, NamedTuple

from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendError,
    ServerError,
    StreamInterruptedError,
)
from tests.transport.faulty import REQUEST, Script, ok
from tests.wire_messages import chat, chunk, sse

LIMIT = 0.4
"""Seconds that a whole call may take where the server keeps it waiting."""
QUICK = 6.0
"""The same where the fault shows at once: only a busy machine needs them."""
LONG = 30.0
"""The same where the fault is a size and not a silence."""
KEY = "sk-canary-fault-0123456789"
"""The key that the first backend sends; some servers say it back."""
ANSWER = "Die Kündigung ist 無効 😀."
"""What a well-behaved server answers."""
PIECE = "Die "
"""What a stream has said before it fails in the middle."""
GIANT = 100 * 1024 * 1024

Listening = Literal["scripted", "refusing", "unreachable"]
Kind = type[BackendError]


class Mode(NamedTuple):
    """One fault. ``error`` is None where the server is odd but its answer counts.

    ``tries`` is how many connections are made with one retry allowed, where that does not follow from the class of the
    error; ``begun`` says that a piece of the stream was handed out before the fault, so that nobody is asked again.
    """

    name: str
    plain: Script
    error: Kind | None
    streamed: Script | None = None
    streamed_error: Kind | Literal["same"] | None = "same"
    tries: int | None = None
    begun: bool = False
    seconds: float = QUICK
    scheme: str = "http"
    listening: Listening = "scripted"
    prompt: str = "Is the notice valid?"
    holds: Callable[[BackendError], bool] | None = None
    """What else is true of the error."""

    def script(self, streamed: bool) -> Script:
        """What the server does."""
        return self.streamed if streamed and self.streamed is not None else self.plain

    def expected(self, streamed: bool) -> Kind | None:
        """The error of a call that has no other backend."""
        if not streamed or self.streamed_error == "same":
            return self.error
        return self.streamed_error

    def connections(self, streamed: bool) -> int:
        """How many connections a call without another backend makes, one retry being allowed."""
        error = self.expected(streamed)
        if error is None or (streamed and self.begun):
            return 1
        if self.tries is not None:
            return self.tries
        return 2 if error in (BackendConnectionError, ServerError, StreamInterruptedError) else 1


CLOSE = b"Connection: close\r\n"
"""Every script plays on one connection: a second request must not meet its end."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + CLOSE
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
GOOD = json.dumps(chat(ANSWER), ensure_ascii=False).encode()
FIRST = sse(chunk({"role": "assistant", "content": ""}), chunk({"content": PIECE}))
REST = sse(chunk({"content": ANSWER.removeprefix(PIECE)}), chunk({}, "stop"))
DONE = b"data: [DONE]\n\n"


def part(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def events(*pieces: bytes, end: bytes = END) -> bytes:
    """A whole answer that is an event stream."""
    return EVENTS + b"".join(map(part, pieces)) + end


def failed(status: int, body: Any, *headers: str) -> bytes:
    """An error as services answer it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = "".join(f"{line}\r\n" for line in ("Connection: close", *headers))
    return f"HTTP/1.1 {status} Oops\r\n{lines}Content-Length: {len(data)}\r\n\r\n".encode() + data


def said(message: str, code: str | None = None, type: str = "error") -> dict[str, Any]:
    """An error body in OpenAI's shape."""
    return {"error": {"message": message, "type": type, "code": code}}


def limited(value: str, name: str = "Retry-After") -> bytes:
    """A 429 with its advice."""
    return failed(429, said("slow down", "rate_limit_exceeded"), f"{name}: {value}")


def dated(sock: socket.socket) -> None:
    """A 429 whose Retry-After is a date, half a minute from when it is asked."""
    sock.sendall(limited(formatdate(time.time() + 30, usegmt=True)))


def giant_chunks(sock: socket.socket) -> None:
    """100 MiB in chunks of 1 MiB, as fast as they are taken."""
    sock.sendall(CHUNKED)
    piece = part(b" " * (1 << 20))
    for _ in range(GIANT >> 20):
        sock.sendall(piece)
    sock.sendall(END)


def giant_line(sock: socket.socket) -> None:
    """An event stream with one line of 100 MiB."""
    sock.sendall(EVENTS + part(b"data: "))
    piece = part(b"x" * (1 << 20))
    for _ in range(GIANT >> 20):
        sock.sendall(piece)
    sock.sendall(part(b"\n\n") + END)


def waits(low: float | None, high: float | None = None) -> Callable[[BackendError], bool]:
    """Whether ``retry_after`` lies between two numbers of seconds; without numbers, whether it is unknown."""

    def holds(error: BackendError) -> bool:
        if low is None:
            return error.retry_after is None
        return error.retry_after is not None and low <= error.retry_after <= (low if high is None else high)

    return holds


def not_json(body: bytes, content_type: str = "text/html") -> bytes:
    """A 200 that is no answer."""
    return ok(body, f"Content-Type: {content_type}\r\n".encode())


def bomb() -> bytes:
    """A gzip body of some 100 KiB that inflates to 100 MiB."""
    return ok(gzip.compress(bytes(GIANT), 9), b"Content-Encoding: gzip\r\n")


class Late:
    """A script whose bytes are made when it is played: tests that only read the table need not make them."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Any]:
        yield REQUEST
        yield self._make()
