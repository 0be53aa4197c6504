"""The one way to the network: requests and streams to one server, with a deadline that holds."""

from __future__ import annotations

import time
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from complaint_llm.exceptions import BackendConnectionError, CancelledError
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.secrets import Secret
from complaint_llm.transport.dial import Dialer
from complaint_llm.transport.environment import find_netrc
from complaint_llm.transport.exchange import Exchange
from complaint_llm.transport.failures import without_frames
from complaint_llm.transport.origin import parse_origin
from complaint_llm.transport.pool import ConnectionCounts, Pool
from complaint_llm.transport.request_head import Headers, OutgoingRequest, RequestHead
from complaint_llm.transport.strict_response import Body, StrictResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from complaint_llm.call import CancelToken, Clock, Deadline
    from complaint_llm.transport.connection import Connection

MAX_BODY = 64 * 1024 * 1024
"""Bytes of an answer's body, compressed and decompressed."""

_NONE: Headers = MappingProxyType({})


def _as_it_is(text: str) -> str:
    return text


class Response(NamedTuple):
    """An answer, whole. Any status is a response; ``headers`` ignores case; ``body`` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        # Tracebacks with locals print it, and a server may say a key back in its answer.
        return f"<Response {self.status}, {len(self.body)} bytes>"


class ResponseStream:
    """An answer whose head was read and whose body comes piece by piece; a context manager and an iterator of bytes.

    One thread reads. ``close`` may be called by any thread at any time: a reader that waits is woken and gets
    CancelledError. The lock guards who closes the socket, and is never held while reading. A stream that is dropped
    unread frees its connection, too. ``reading`` is whether a thread waits for bytes now.
    """

    __slots__ = (
        "__weakref__",
        "_begun",
        "_body",
        "_closed",
        "_exchange",
        "_lock",
        "_reply",
        "headers",
        "reading",
        "status",
    )

    def __init__(self, exchange: Exchange, reply: StrictResponse, max_body: int) -> None:
        self.status: int = reply.status
        self.headers: Mapping[str, str] = reply.fields
        self._exchange = exchange
        self._reply = reply
        self._body = Body(reply, max_body)
        self._begun = b""
        self._lock = Lock()
        self.reading = False
        self._closed = False

    def next_chunk(self) -> bytes:
        """The next bytes as soon as they come; empty at the proper end, and ever after.

        Raises BackendTimeoutError, BackendConnectionError, StreamInterruptedError (cut), ResponseFormatError (damaged,
        too large), CancelledError (closed or cancelled).
        """
        if self._begun:
            begun, self._begun = self._begun, b""
            return begun
        return self._read(self._body.read_piece)

    def peek(self) -> bytes:
        """The next bytes, which the next call gives again. Raises as ``next_chunk``."""
        self._begun = self._begun or self._read(self._body.read_piece)
        return self._begun

    def read(self) -> bytes:
        """All that is left, for an error's body or an answer that is no stream. Raises as ``next_chunk``, but
        ResponseFormatError where it is cut."""
        begun, self._begun = self._begun, b""
        return begun + self._read(self._body.read_all, streamed=False)

    def close(self) -> None:
        """Free the connection now: kept for the next request if the answer's end has arrived already, else closed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            connection = self._exchange.connection
            if connection is None:
                return
            if self.reading:
                # Inside the lock: once the reader is done, the connection may be another request's.
                connection.abort("the stream was closed")
                return
        if self._ends_here(connection):
            self._exchange.finish(self._reply)
        else:
            self._exchange.abandon()

    def _read(self, step: Callable[[], bytes], *, streamed: bool = True) -> bytes:
        with self._lock:
            if self._body.ended:
                return b""
            if self._closed:
                raise CancelledError(f"{self._exchange.origin}: the stream was closed", maybe_received=True)
            self.reading = True
        try:
            data = step()
        except BaseException as error:  # noqa: BLE001 - raised again
            with self._lock:
                self.reading, self._closed = False, True
            _raise(self._exchange, error, streamed=streamed)
        self._settle()
        return data

    def _settle(self) -> None:
        """Reading is over for now: finish, or do what a close meanwhile left to the reader."""
        with self._lock:
            self.reading = False
            closed = self._closed
        if self._body.ended:
            self._exchange.finish(self._reply)
        elif closed:
            self._exchange.abandon()

    def _ends_here(self, connection: Connection) -> bool:
        """Whether the end of the answer lies in the buffer, as it does after a stream's last event. Does not wait."""
        connection.raw.deadline = None
        try:
            return not self._body.read_piece() and self._body.ended
        except Exception:  # noqa: BLE001 - whatever it is, the connection is then closed, which is what was asked
            return False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data = self.next_chunk()
        if not data:
            raise StopIteration
        return data

    def __enter__(self) -> ResponseStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_closed"):
            self.close()

    def __repr__(self) -> str:
        return f"<ResponseStream {self.status}>"


class Transport:
    """Sends requests to the server of one backend. Any thread may call any method; ``close`` ends what is in flight.

    ``headers`` go with every request; keys among them are Secrets. ``connect_timeout`` (seconds) covers names,
    addresses, proxy and TLS together. ``local_only`` refuses a server that is not on this machine. ``max_body`` is in
    bytes, compressed and not. ``redact`` cuts secrets from foreign texts before they enter an error.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Headers = _NONE,
        connect_timeout: float = 10.0,
        local_only: bool = False,
        clock: Clock = time.monotonic,
        max_body: int = MAX_BODY,
        redact: Callable[[str], str] = _as_it_is,
    ) -> None:
        """Raises ConfigError for an unusable base URL, proxy or CA bundle, InvalidRequestError for a header."""
        self.origin = parse_origin(base_url)
        dialer = Dialer(self.origin, connect_timeout)
        self._pool = Pool(dialer, redact, clock)
        self._local_only = local_only
        self._max_body = max_body
        self._head = RequestHead(
            str(self.origin) + self.origin.path if dialer.forwarding else self.origin.path,
            self._all_headers(dialer, headers),
        )

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Headers = _NONE,
        deadline: Deadline,
        cancel: CancelToken | None = None,
        first_byte: float | None = None,
        gap: float | None = None,
        local_only: bool = False,
    ) -> Response:
        """Send a request and read the whole answer. ``path`` follows the base URL's own and may have a query.

        ``headers`` replace the backend's of the same name. ``first_byte`` and ``gap`` limit (in seconds) the silence
        before the answer and inside it. Raises BackendTimeoutError, BackendConnectionError (a redirect, too),
        ResponseFormatError, CancelledError, and InvalidRequestError for a path or header that cannot be sent.
        """
        exchange, reply = self._begin(
            OutgoingRequest(method, path, body, headers, first_byte, gap),
            deadline=deadline,
            cancel=cancel,
            local_only=local_only,
        )
        try:
            data = Body(reply, self._max_body).read_all()
        except BaseException as error:  # noqa: BLE001 - raised again
            _raise(exchange, error)
        exchange.finish(reply)
        return Response(reply.status, reply.fields, data)

    def stream(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Headers = _NONE,
        deadline: Deadline,
        cancel: CancelToken | None = None,
        first_byte: float | None = None,
        gap: float | None = None,
        local_only: bool = False,
    ) -> ResponseStream:
        """Send a request and read the answer's head; its body is read from the result. Otherwise as ``request``."""
        exchange, reply = self._begin(
            OutgoingRequest(method, path, body, headers, first_byte, gap),
            deadline=deadline,
            cancel=cancel,
            local_only=local_only,
        )
        try:
            return ResponseStream(exchange, reply, self._max_body)
        except BaseException as error:  # noqa: BLE001 - raised again
            _raise(exchange, error)

    @property
    def connections(self) -> ConnectionCounts:
        """How many connections are open now."""
        return self._pool.counts

    def close(self) -> None:
        """Close idle connections and break off what is in flight, which then raises CancelledError."""
        self._pool.close()

    def _begin(
        self, request: OutgoingRequest, *, deadline: Deadline, cancel: CancelToken | None, local_only: bool
    ) -> tuple[Exchange, StrictResponse]:
        if (local_only or self._local_only) and not self.origin.loopback:
            # Before resolving the name, which would already tell someone.
            raise BackendConnectionError(
                f"{self.origin}: not on this machine, and the call must stay on it: use localhost or 127.0.0.1",
                retryable=False,
                sent=False,
            )
        if self._pool.closed:
            raise CancelledError(f"{self.origin}: the backend was closed", sent=False)
        exchange = Exchange(self._pool, deadline, cancel)
        try:
            reply = exchange.send(self._head, request)
        except BaseException as error:  # noqa: BLE001 - raised again
            _raise(exchange, error)
        if 300 <= reply.status < 400:
            redirect = exchange.redirect_error(reply)
            exchange.abandon()
            raise redirect
        return exchange, reply

    def _all_headers(self, dialer: Dialer, headers: Headers) -> Headers:
        given = {name.lower() for name in headers}
        defaults = {
            "Host": self.origin.authority,
            "User-Agent": "complaint-llm",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        every: dict[str, str | Secret] = {name: value for name, value in defaults.items() if name.lower() not in given}
        every.update(headers)
        if dialer.proxy is not None and dialer.forwarding and dialer.proxy.authorization is not None:
            every["Proxy-Authorization"] = dialer.proxy.authorization
        if "authorization" not in given and not any(isinstance(value, Secret) for value in headers.values()):
            login = find_netrc(self.origin)
            if login is not None:
                every["Authorization"] = login
        return every

    def __repr__(self) -> str:
        return f"<Transport {self.origin}>"


def _raise(exchange: Exchange, error: BaseException, *, streamed: bool = False) -> NoReturn:
    """Free the connection and raise our error for ``error``, or ``error`` itself where it is not the network's."""
    connection = exchange.connection
    ours = exchange.error_for(error, connection, streamed=streamed)
    exchange.abandon()
    if ours is None:
        raise error
    raise ours from without_frames(error)
