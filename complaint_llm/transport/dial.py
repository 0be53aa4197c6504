"""Making a connection: addresses one after the other, proxy and TLS, all inside one time limit.

urllib3 does TLS and proxies, and is imported only for them; the plain socket under it is always made here, because
urllib3 and the standard library give every address of a host the whole limit again.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from complaint_llm.transport.environment import Proxy, default_ca_bundle, find_proxy, named_ca_bundle
from complaint_llm.transport.failures import UnusableBundle
from complaint_llm.transport.origin import Origin, is_loopback_address
from complaint_llm.transport.resolve import Address, resolve

if TYPE_CHECKING:
    from complaint_llm.call import CancelToken, Deadline
    from complaint_llm.transport.connection import Connection
    from complaint_llm.transport.secure import Contexts


class Abandoned(Exception):  # noqa: N818 - no error: the connection was broken off on purpose
    """The connection was aborted or closed while it was made."""


class Dialer:
    """Makes connections to one origin. Thread-safe; the TLS settings are made once, on first use, under a lock."""

    def __init__(self, origin: Origin, connect_timeout: float) -> None:
        self.origin = origin
        self._loopback = origin.loopback
        self.proxy = find_proxy(origin)
        self._ca_bundle = named_ca_bundle() if origin.secure or (self.proxy and self.proxy.secure) else None
        self._connect_timeout = connect_timeout
        self._lock = threading.Lock()
        self._contexts: Contexts | None = None

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
        from complaint_llm.transport.secure import secure  # cold start: urllib3

        # While the handshake runs the socket is inside ssl, out of reach: a second handle serves to break it off.
        handle = sock.dup()
        try:
            if not connection.watch(handle):
                raise Abandoned
            secured = secure(sock, origin=self.origin, proxy=proxy, contexts=self._tls_contexts(), limit=limit)
            connection.open(secured.stream)
            if not connection.watch(secured.socket):
                secured.socket.close()
        except BaseException:
            sock.close()  # the connection has the handle alone by now; ssl took over the socket where it got so far
            raise
        finally:
            handle.close()

    def _tls_contexts(self) -> Contexts:
        """The settings of this backend's connections (reading a CA bundle takes 10-20 ms)."""
        from complaint_llm.transport.secure import make_contexts  # cold start: urllib3

        with self._lock:
            if self._contexts is None:
                bundle = self._ca_bundle or default_ca_bundle()
                try:
                    self._contexts = make_contexts(bundle, self.proxy)
                except OSError as cause:  # ssl's errors are such, too
                    raise UnusableBundle(f"{bundle}: {cause.strerror or cause.args[0]}") from cause
            return self._contexts
