"""What servers do wrong: each mode as a script of bytes and pauses, with what has to come of it.

Every mode has a script for a plain request and one for a streamed request, and is played by ``tests.faults.server``.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

from complaint_llm.exceptions import (
    AuthenticationError,
    BackendConnectionError,
    BackendTimeoutError,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from tests.faults.mode import (
    CHUNKED,
    CLOSE,
    DONE,
    END,
    EVENTS,
    FIRST,
    GIANT,
    GOOD,
    HEAD,
    KEY,
    LIMIT,
    LONG,
    QUICK,
    REST,
    Late,
    Mode,
    bomb,
    dated,
    events,
    failed,
    giant_chunks,
    giant_line,
    limited,
    not_json,
    part,
    said,
    waits,
)
from tests.transport.faulty import HANG, REQUEST, RESET, Drip, Pause, ok
from tests.wire_messages import chat, chunk, sse


def _connecting() -> Iterator[Mode]:
    """Faults before any answer."""
    yield Mode("refused", [], BackendConnectionError, tries=0, listening="refusing")
    yield Mode("address that swallows every packet", [], BackendTimeoutError, tries=0, listening="unreachable")
    yield Mode("TLS asked of a plain server", [Pause(0.02), ok()], BackendConnectionError, scheme="https")
    yield Mode("TLS handshake without an answer", [HANG], BackendTimeoutError, scheme="https")
    yield Mode("closed when connected", [], BackendConnectionError)
    yield Mode("request never read", [HANG], BackendTimeoutError, prompt="x" * (6 << 20), seconds=2.5)
    yield Mode("closed before headers", [REQUEST], BackendConnectionError)
    yield Mode("reset before headers", [REQUEST, RESET], BackendConnectionError)
    yield Mode("stall before headers", [REQUEST, HANG], BackendTimeoutError, holds=lambda e: e.maybe_received)


def _heads() -> Iterator[Mode]:
    """Faults in the status line and the headers."""
    half = HEAD + b"Content-Le"
    yield Mode("reset inside headers", [REQUEST, half, Pause(0.02), RESET], BackendConnectionError)
    yield Mode("closed inside headers", [REQUEST, half], ResponseFormatError)
    yield Mode("stall inside headers", [REQUEST, half, HANG], BackendTimeoutError)
    yield Mode("drip of headers", [REQUEST, Drip(HEAD + b"X: y\r\n" * 500, 0.01)], BackendTimeoutError)
    yield Mode(
        "interim answers without end",
        [REQUEST, Drip(b"HTTP/1.1 100 Continue\r\n\r\n", 0.001, True)],
        BackendTimeoutError,
    )
    yield Mode("garbage", [REQUEST, b"\x00\x16\x03 not HTTP at all \xff\xfe\r\n\r\n"], ResponseFormatError)
    yield Mode("headers without end", [REQUEST, HEAD, b"X: y\r\n" * 60_000, HANG], ResponseFormatError)
    yield Mode(
        "two lengths", [REQUEST, HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", HANG], ResponseFormatError
    )
    elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.7/v1\r\nContent-Length: 0\r\n\r\n"
    yield Mode(
        "redirect to another host",
        [REQUEST, elsewhere],
        BackendConnectionError,
        tries=1,
        holds=lambda e: "192.0.2.7" in str(e),
    )


def _bodies() -> Iterator[Mode]:
    """Faults in the body of a 200."""
    longer = HEAD + b"Content-Length: %d\r\n\r\n" % (len(GOOD) + 9)
    yield Mode(
        "reset inside body",
        [REQUEST, longer + GOOD, Pause(0.02), RESET],
        BackendConnectionError,
        [REQUEST, EVENTS + part(b": wait\n\n"), Pause(0.02), RESET],
    )
    yield Mode("truncated length", [REQUEST, longer + GOOD], ResponseFormatError)
    yield Mode(
        "truncated chunk",
        [REQUEST, CHUNKED + part(GOOD)[:-20]],
        ResponseFormatError,
        [REQUEST, EVENTS + part(FIRST)[:20]],
        StreamInterruptedError,
    )
    yield Mode(
        "chunks without the last",
        [REQUEST, CHUNKED + part(GOOD)],
        ResponseFormatError,
        [REQUEST, EVENTS + part(b": wait\n\n")],
        StreamInterruptedError,
    )
    yield Mode(
        "chunk size no number",
        [REQUEST, CHUNKED + b"zz\r\n{}\r\n", HANG],
        ResponseFormatError,
        streamed_error=StreamInterruptedError,
    )
    yield Mode("stall inside body", [REQUEST, longer + GOOD, HANG], BackendTimeoutError, [REQUEST, EVENTS, HANG])
    yield Mode(
        "drip of body",
        [REQUEST, HEAD + b"Content-Length: 9999\r\n\r\n", Drip(b" ", 0.01, True)],
        BackendTimeoutError,
        [REQUEST, EVENTS, Drip(part(b":\n"), 0.005, True)],
    )
    yield Mode("bad gzip", [REQUEST, ok(GOOD, b"Content-Encoding: gzip\r\n")], ResponseFormatError)
    yield Mode("gzip cut", [REQUEST, ok(gzip.compress(GOOD)[:-12], b"Content-Encoding: gzip\r\n")], ResponseFormatError)
    yield Mode("gzip bomb", Late(bomb), ResponseFormatError, seconds=LONG)  # type: ignore[arg-type]
    yield Mode(
        "100 MiB announced",
        [REQUEST, HEAD + b"Content-Length: %d\r\n\r\n" % GIANT, HANG],
        ResponseFormatError,
        [REQUEST, giant_line, HANG],
        seconds=LONG,
    )
    yield Mode("100 MiB in chunks", [REQUEST, giant_chunks], ResponseFormatError, seconds=LONG)
    yield Mode("empty 200", [REQUEST, ok(b"")], ResponseFormatError)
    yield Mode("page instead of an answer", [REQUEST, not_json(b"<html>Please sign in</html>")], ResponseFormatError)
    yield Mode(
        "JSON of another API",
        [REQUEST, ok(b'{"models": []}')],
        ResponseFormatError,
        [REQUEST, events(sse({"models": 1}), DONE)],
    )
    yield Mode(
        "answer without text",
        [REQUEST, ok(json.dumps(chat(None)).encode())],
        ResponseFormatError,
        [REQUEST, events(sse(chunk({}, "stop")), DONE)],
    )
    yield Mode(
        "JSON nested without end",
        [REQUEST, ok(b"[" * 200_000)],
        ResponseFormatError,
        [REQUEST, events(b"data: " + b"[" * 200_000 + b"\n\n", DONE)],
    )
    yield Mode(
        "not UTF-8",
        [REQUEST, ok(b'{"choices": "\xff\xfe\xfa"}')],
        ResponseFormatError,
        [REQUEST, events(b'data: {"choices": "\xff"}\n\n', DONE)],
    )


def _refusals() -> Iterator[Mode]:
    """Statuses and error bodies."""
    yield Mode(
        "401 that says the key back",
        [REQUEST, failed(401, said(f"Incorrect API key provided: {KEY}"))],
        AuthenticationError,
    )
    yield Mode("403", [REQUEST, failed(403, said("no access"))], PermissionDeniedError)
    yield Mode("404", [REQUEST, failed(404, said("no such model", "model_not_found"))], ModelNotFoundError)
    yield Mode("400 too long", [REQUEST, failed(400, said("too long", "context_length_exceeded"))], ContextLengthError)
    yield Mode("422 that is a list", [REQUEST, failed(422, [{"detail": "no"}])], InvalidRequestError)
    yield Mode("408", [REQUEST, failed(408, said("slow"))], BackendTimeoutError, tries=2)
    yield Mode("500 with an empty body", [REQUEST, failed(500, b"")], ServerError)
    yield Mode("500 whose body is cut", [REQUEST, failed(500, b"{}" * 40)[:-20]], ResponseFormatError)
    yield Mode("500 whose body never comes", [REQUEST, failed(500, b"{}" * 40)[:-20], HANG], BackendTimeoutError)
    yield Mode("502 with a page", [REQUEST, failed(502, b"<html>\xff Bad Gateway</html>")], ServerError)
    yield Mode("529 overloaded", [REQUEST, failed(529, said("Overloaded"))], ServerError)
    yield Mode("429, Retry-After a date", [REQUEST, dated], RateLimitError, holds=waits(25, 31))
    yield Mode("429, Retry-After a fraction", [REQUEST, limited("0.05")], RateLimitError, tries=2, holds=waits(0.05))
    yield Mode(
        "429, retry-after-ms", [REQUEST, limited("60", "retry-after-ms")], RateLimitError, tries=2, holds=waits(0.06)
    )
    yield Mode("429, Retry-After huge", [REQUEST, limited("9" * 300)], RateLimitError, holds=waits(1e299, float("inf")))
    yield Mode("429, Retry-After negative", [REQUEST, limited("-5")], RateLimitError, tries=2, holds=waits(0))
    yield Mode("429, Retry-After no time", [REQUEST, limited("soon")], RateLimitError, tries=2, holds=waits(None))
    yield Mode(
        "429, the quota is spent", [REQUEST, failed(429, said("no money", "insufficient_quota"))], QuotaExceededError
    )
    yield Mode("402", [REQUEST, failed(402, said("no money"))], QuotaExceededError)
    inside = said("the model crashed", "server_error")
    yield Mode(
        "error inside a 200",
        [REQUEST, ok(json.dumps(inside).encode(), CLOSE)],
        ServerError,
        [REQUEST, events(sse(inside))],
    )


def _streams() -> Iterator[Mode]:
    """Faults of event streams; a plain request gets the same bytes, which are no JSON, or the same fault."""
    form = ResponseFormatError
    broken = StreamInterruptedError
    yield Mode(
        "stream ends before its first piece",
        [REQUEST, events(sse(chunk({"role": "assistant"})))],
        form,
        streamed_error=broken,
    )
    yield Mode(
        "stream cut after a piece",
        [REQUEST, EVENTS + part(FIRST) + b"40\r\ndata: {"],
        form,
        streamed_error=broken,
        begun=True,
    )
    yield Mode(
        "stream reset after a piece",
        [REQUEST, EVENTS + part(FIRST), Pause(0.02), RESET],
        BackendConnectionError,
        streamed_error=broken,
        begun=True,
    )
    yield Mode(
        "stream stalled after a piece",
        [REQUEST, EVENTS + part(FIRST), HANG],
        BackendTimeoutError,
        streamed_error=broken,
        begun=True,
    )
    yield Mode(
        "stream of nothing but comments", [REQUEST, EVENTS, Drip(part(b": ping\n\n"), 0.002, True)], BackendTimeoutError
    )
    yield Mode(
        "error event first",
        [REQUEST, events(sse(said("overloaded", "server_is_overloaded")))],
        form,
        streamed_error=ServerError,
    )
    yield Mode(
        "error event after a piece",
        [REQUEST, events(FIRST, sse(said("overloaded", "server_is_overloaded")))],
        form,
        streamed_error=broken,
        begun=True,
    )
    yield Mode("event that is no JSON", [REQUEST, events(b"data: {nonsense\n\n", DONE)], form)
    yield Mode(
        "event that is no JSON after a piece",
        [REQUEST, events(FIRST, b"data: {nonsense\n\n", DONE)],
        form,
        streamed_error=broken,
        begun=True,
    )
    yield Mode(
        "stream without [DONE] and finish reason", [REQUEST, events(FIRST)], form, streamed_error=broken, begun=True
    )
    yield Mode(
        "line of 100 MiB after a piece",
        [REQUEST, EVENTS + part(FIRST), lambda sock: sock.sendall(part(b"x" * GIANT))],
        form,
        streamed_error=broken,
        begun=True,
        seconds=LONG,
    )


def _odd_answers() -> Iterator[Mode]:
    """What looks wrong and is right: the answer counts."""
    inside = GOOD.index("ü".encode()) + 1
    stream = FIRST + REST + DONE
    cut = stream.index("無".encode()) + 1
    yield Mode(
        "UTF-8 split inside a character",
        [REQUEST, CHUNKED + part(GOOD[:inside]), Pause(0.02), part(GOOD[inside:]) + END],
        None,
        [REQUEST, EVENTS + part(stream[:cut]), Pause(0.02), part(stream[cut:]) + END],
    )
    yield Mode(
        "a byte at a time",
        [REQUEST, CHUNKED, *(part(bytes([byte])) for byte in GOOD), END],
        None,
        [REQUEST, EVENTS, *(part(bytes([byte])) for byte in stream), END],
    )
    yield Mode(
        "white space and comments before the answer",
        [REQUEST, CHUNKED, *([part(b"\n \r\n"), Pause(0.01)] * 5), part(GOOD) + END],
        None,
        [REQUEST, EVENTS, *([part(b": wait\n\n"), Pause(0.01)] * 5), part(FIRST + b": again\n" + REST + DONE) + END],
    )
    yield Mode("CRLF", [REQUEST, ok(GOOD + b"\r\n\r\n")], None, [REQUEST, events((stream).replace(b"\n", b"\r\n"))])
    yield Mode(
        "no [DONE] but a finish reason",
        [REQUEST, b"HTTP/1.0 200 OK\r\n\r\n" + GOOD],
        None,
        [REQUEST, events(FIRST, REST)],
    )
    yield Mode("wrong content type", [REQUEST, not_json(GOOD)], None, [REQUEST, not_json(stream, "application/json")])


def _every() -> Iterator[Mode]:
    for group in (_connecting, _heads, _bodies, _refusals, _streams, _odd_answers):
        for mode in group():
            silent = mode.error is BackendTimeoutError and mode.seconds == QUICK
            yield mode._replace(seconds=LIMIT) if silent else mode


MODES: dict[str, Mode] = {mode.name: mode for mode in _every()}

WELL = Mode("well-behaved", [REQUEST, ok(GOOD, CLOSE)], None, [REQUEST, events(FIRST, REST, DONE)])
