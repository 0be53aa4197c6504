"""Making a connection: addresses one after the other, proxy and TLS, all inside one time limit.

ssl does TLS and urllib3 proxies, each imported only for it; the plain socket under them is always made here, because
urllib3 and the standard library give every address of a host the whole limit again.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from complaint_llm.transport.environment import Proxy, default_ca_bundle, find_proxy, named_ca_bundle
from complaint_llm.transport.failures import UnusableBundle
from complaint_llm.transport.origin import Origin, is_loopback_address
from complaint_llm.transport.resolve import Address, resolve

if TYPE_CHECKING:
    from complaint_llm.call import CancelToken, Deadline
    from complaint_llm.transport.connection import Connection
    from complaint_llm.transport.tls import MakeContext, TLSSettings


class Abandoned(Exception):  # noqa: N818 - no error: the connection was broken off on purpose
    """The connection was aborted or closed while it was made."""


class Dialer:
    """Makes connections to one origin. Thread-safe; backends with the same CA bundle share TLS settings."""

    def __init__(self, origin: Origin, connect_timeout: float) -> None:
        self.origin = origin
        self._loopback = origin.loopback
        self.proxy = find_proxy(origin)
        self._ca_bundle = named_ca_bundle() if origin.secure or (self.proxy and self.proxy.secure) else None
        self._connect_timeout = connect_timeout
        self._settings: dict[MakeContext, TLSSettings] = {}

    @property
    def forwarding(self) -> bool:
        """Whether requests go to a proxy as they are, to be passed on (plain HTTP only; TLS goes through a tunnel)."""
        return self.proxy is not None and not self.origin.secure

    def dial(self, connection: Connection, deadline: Deadline, cancel: CancelToken | None) -> None:
        """Connect ``connection`` within min(connect timeout, what is left). The caller closes it after an error.

        Raises OSError and urllib3's errors, TimeoutError, and Abandoned after an abort.
        """
        limit = deadline.within(self._connect_timeout)
        proxy = self.proxy
        sock = self._connect(connection, limit, cancel)
        if self.origin.secure or (proxy and proxy.secure):
            self._secure(connection, sock, proxy, limit)
        else:
            connection.open(sock)
        if connection.aborted:
            raise Abandoned

    def _connect(self, connection: Connection, limit: Deadline, cancel: CancelToken | None) -> socket.socket:
        proxy = self.proxy
        host, port = (proxy.host, proxy.port) if proxy else (self.origin.host, self.origin.port)
        addresses = resolve(host, port, limit.remaining(), cancel)
        failed: OSError | None = None
        for place, address in enumerate(addresses):
            # An equal share for each: a first address that swallows packets must not starve the second.
            seconds = limit.remaining() / (len(addresses) - place)
            if seconds <= 0 or connection.aborted:
                break
            try:
                # Inside, for a system may lack the family: IPv6 that is switched off must not hide an IPv4 address.
                sock = socket.socket(address.family, socket.SOCK_STREAM)
                if not connection.watch(sock):
                    sock.close()
                    raise Abandoned
                self._reach(sock, address, seconds)
            except OSError as error:
                connection.unwatch()
                failed = failed or error
            else:
                return sock
        if connection.aborted:
            raise Abandoned from failed
        if failed is not None and limit.remaining() > 0 and not isinstance(failed, TimeoutError):
            raise failed
        raise TimeoutError(f"{host} could not be reached in time") from failed

    def _reach(self, sock: socket.socket, address: Address, seconds: float) -> None:
        sock.settimeout(seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(address.address)
        if self._loopback and not is_loopback_address(sock.getpeername()[0]):
            raise OSError(f"{address.host} answered from beyond this machine")

    def _secure(self, connection: Connection, sock: socket.socket, proxy: Proxy | None, limit: Deadline) -> None:
        # While the handshake runs the socket is inside ssl, out of reach: a second handle serves to break it off.
        handle = sock.dup()
        try:
            if not connection.watch(handle):
                raise Abandoned
            secured = self._open(connection, sock, proxy, limit)
            if not connection.watch(secured):
                secured.close()
        except BaseException:
            sock.close()  # the connection has the handle alone by now; ssl took over the socket where it got so far
            raise
        finally:
            handle.close()

    def _open(self, connection: Connection, sock: socket.socket, proxy: Proxy | None, limit: Deadline) -> socket.socket:
        """Open ``connection`` over TLS, and the socket under it that can be shut down."""
        if proxy is None:
            from complaint_llm.transport.tls import direct_context, open_direct  # cold start: ssl

            settings = self._tls_settings(direct_context)
            return open_direct(connection, sock, origin=self.origin, settings=settings, limit=limit)
        from complaint_llm.transport.secure import Contexts, proxy_context, secure, tunnelled_context  # cold start

        inner = self._tls_settings(tunnelled_context).context
        contexts = Contexts(inner, self._tls_settings(proxy_context).context if proxy.secure else inner)
        secured = secure(sock, origin=self.origin, proxy=proxy, contexts=contexts, limit=limit)
        connection.open(secured.stream)
        return secured.socket

    def _tls_settings(self, make: MakeContext) -> TLSSettings:
        """The settings of a new connection: the CA bundle as it is now, and as it was while it cannot be read."""
        from complaint_llm.transport.tls import SHARED  # cold start: ssl

        bundle = self._ca_bundle or default_ca_bundle()
        before = self._settings.get(make)
        try:
            settings = SHARED.settings(bundle, make)
            if settings is not before:
                settings.context  # noqa: B018 - reads the bundle
                self._settings[make] = settings
        except OSError as cause:  # ssl's errors are such, too
            if before is None:
                raise UnusableBundle(f"{bundle}: {cause.strerror or cause.args[0]}") from cause
            return before
        return settings
