"""Proxies over a socket that is connected already, and TLS through them, by urllib3; imported where one is set.

The contexts are not those of direct connections: urllib3 sets them up for each connection again.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from urllib3.connection import HTTPSConnection, ProxyConfig
from urllib3.util import Url
from urllib3.util.ssl_ import create_urllib3_context

from complaint_llm.transport.connection import DeadlineReader, KeptReader, SocketLike

if TYPE_CHECKING:
    from complaint_llm.call import Deadline
    from complaint_llm.transport.environment import Proxy
    from complaint_llm.transport.origin import Origin


class Contexts(NamedTuple):
    """TLS settings for the origin, and for a proxy that is itself reached over TLS."""

    origin: ssl.SSLContext
    proxy: ssl.SSLContext


def tunnelled_context(ca_bundle: str) -> ssl.SSLContext:
    """urllib3's client settings with the CA certificates of a file or folder. Raises OSError or ssl.SSLError."""
    context = create_urllib3_context()
    if os.path.isdir(ca_bundle):  # noqa: PTH112 - a text from outside, handed on as it is
        context.load_verify_locations(capath=ca_bundle)
    else:
        context.load_verify_locations(cafile=ca_bundle)
    return context


def proxy_context(ca_bundle: str) -> ssl.SSLContext:
    """The same for a proxy that is itself reached over TLS."""
    context = tunnelled_context(ca_bundle)
    context.sslsocket_class = _TimedTLS
    return context


class Secured(NamedTuple):
    """What to read and write, and the socket under it that can be shut down."""

    stream: SocketLike
    socket: socket.socket


def secure(sock: socket.socket, *, origin: Origin, proxy: Proxy, contexts: Contexts, limit: Deadline) -> Secured:
    """Speak through the proxy and TLS until requests to ``origin`` can be sent.

    Raises OSError, ssl.SSLError, http.client's and urllib3's errors, TimeoutError.
    """
    made = _Securing(sock, origin=origin, proxy=proxy, contexts=contexts, limit=limit)
    try:
        made.connect()
    except BaseException:
        made.close()
        raise
    inner: Any = made.sock
    return Secured(inner, inner if isinstance(inner, socket.socket) else inner.socket)


class _TimedTLS(ssl.SSLSocket):
    """A timeout here ends a whole operation of the TLS inside: that one receives many times for one of its own."""

    _ends: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._ends = time.monotonic() + value if value else None
        super().settimeout(value)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        if self._ends is not None:
            left = self._ends - time.monotonic()
            if left <= 0:
                raise TimeoutError("the deadline passed")
            super().settimeout(left)
        return super().recv(buflen, flags)


class _ProxyAnswer(http.client.HTTPResponse):
    """The answer to CONNECT, read within the limit and not one byte beyond its end."""

    def __init__(self, sock: Any, limit: Deadline, **options: Any) -> None:
        raw = DeadlineReader(sock)
        raw.expect(limit, None, None)
        self._reader = KeptReader(raw, 1)  # what follows the answer belongs to TLS
        super().__init__(self, **options)  # type: ignore[arg-type]  # only makefile is called

    def makefile(self, mode: str) -> KeptReader:
        return self._reader


class _Securing(HTTPSConnection):
    """urllib3's connect over our socket: it tunnels, wraps and verifies."""

    def __init__(
        self, sock: socket.socket, *, origin: Origin, proxy: Proxy, contexts: Contexts, limit: Deadline
    ) -> None:
        self._given = sock
        self._limit = limit
        super().__init__(
            proxy.host,
            proxy.port,
            ssl_context=contexts.origin,
            proxy=Url("https" if proxy.secure else "http", None, proxy.host, proxy.port),
            proxy_config=ProxyConfig(contexts.proxy, False, None, None),
        )
        if origin.secure:
            # The value is a secret: it goes from the expression into urllib3, whose frames are cut from errors.
            self.set_tunnel(
                origin.host,
                origin.port,
                {"Proxy-Authorization": proxy.authorization.reveal()} if proxy.authorization else None,
                scheme="https" if proxy.secure else "http",
            )

    def response_class(self, sock: Any, **options: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        return _ProxyAnswer(sock, self._limit, **options)

    def _new_conn(self) -> socket.socket:
        self._given.settimeout(max(self._limit.remaining(), 0.001))
        return self._given

    def _tunnel(self) -> None:
        super()._tunnel()
        # The handshake that follows is one operation, bounded by what is left now.
        self.sock.settimeout(max(self._limit.remaining(), 0.001))
