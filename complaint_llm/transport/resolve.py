"""From a host to socket addresses, within a time limit.

``getaddrinfo`` cannot be interrupted, so it runs on a daemon thread that is left behind when the limit passes or the
call is cancelled. Numeric addresses and the names of loopback need no thread and ask nobody.
"""

from __future__ import annotations

import socket
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from complaint_llm.named_tuples import NamedTuple
from complaint_llm.transport.origin import is_loopback_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from complaint_llm.call import CancelToken


class Address(NamedTuple):
    """One place to connect to: the family and the address as ``socket.connect`` wants it."""

    family: int
    address: tuple[str, int] | tuple[str, int, int, int]

    @property
    def host(self) -> str:
        """The numeric address."""
        return self.address[0]


@lru_cache(maxsize=64)
def numeric(host: str, port: int) -> Sequence[Address] | None:
    """Addresses known without asking anyone: numeric ones, and IPv4 and IPv6 loopback for the names of loopback."""
    if is_loopback_name(host):
        # Local model servers listen on 127.0.0.1 by default, so that goes first.
        return (Address(socket.AF_INET, ("127.0.0.1", port)), Address(socket.AF_INET6, ("::1", port, 0, 0)))
    if ":" in host or host.replace(".", "").isdecimal():
        known = _plain_numeric(host, port)
        if known is not None:
            return known
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (socket.gaierror, UnicodeError):
            return None
        return _addresses(found)
    return None


def _plain_numeric(host: str, port: int) -> Sequence[Address] | None:
    """The address of a host in the usual notation. ``getaddrinfo`` would encode it by a codec for names, whose import
    takes longer than the connecting."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, UnicodeError):
            continue
        return (Address(family, (host, port) if family is socket.AF_INET else (host, port, 0, 0)),)
    return None


def resolve(host: str, port: int, seconds: float, cancel: CancelToken | None = None) -> Sequence[Address]:
    """All addresses of ``host`` within ``seconds``.

    Raises socket.gaierror or UnicodeError as ``getaddrinfo`` does, and TimeoutError; a cancelled call gets none of
    them. The thread is a daemon, holds nothing but its result, and ends when the system's resolver gives up.
    """
    known = numeric(host, port)
    if known is not None:
        return known
    inquiry = _Inquiry(host, port)
    threading.Thread(target=inquiry.look_up, name=f"resolve {host}", daemon=True).start()
    wake: Callable[[], None] = inquiry.done.set
    if cancel is not None:
        cancel.attach(wake)
    try:
        if not inquiry.done.wait(seconds):
            raise TimeoutError(f"resolving {host} took longer than {seconds:.1f} s")
    finally:
        if cancel is not None:
            cancel.detach(wake)
    if inquiry.error is not None:
        raise inquiry.error
    return inquiry.found


class _Inquiry:
    """One look-up. ``done`` is set after ``found`` or ``error``, or by whoever no longer waits."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.found: Sequence[Address] = ()
        self.error: OSError | UnicodeError | None = None
        self.done = threading.Event()

    def look_up(self) -> None:
        try:
            self.found = _addresses(socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            self.error = error
        self.done.set()


def _addresses(found: Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]) -> Sequence[Address]:
    """Families that TCP is spoken over here, in the resolver's order."""
    families = (socket.AF_INET, socket.AF_INET6)
    return tuple(Address(family, address) for family, _, _, _, address in found if family in families)
