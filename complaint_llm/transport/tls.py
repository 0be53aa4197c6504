"""TLS straight to a server: one context for each CA bundle, and the sessions that servers let one resume.

The standard library's own client settings, with what requests (urllib3) adds: TLS 1.2 or later, names from the
certificate's alternative names alone, no tickets in TLS 1.2, where their keys would open what was recorded; its
sessions are resumed by their number. TLS 1.3 agrees on new keys when it resumes.
"""

from __future__ import annotations

import os
import ssl
import time
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from complaint_llm.call import Deadline
    from complaint_llm.transport.connection import Connection
    from complaint_llm.transport.origin import Origin

    MakeContext: TypeAlias = Callable[[str], ssl.SSLContext]


class TLSSettings:
    """One context, read from its CA bundle on first use, and the last session of each server reached with it.

    Any thread may use it. The lock is held while the bundle is read (10-20 ms), by those who need that very bundle.
    """

    __slots__ = ("__weakref__", "_bundle", "_context", "_lock", "_make", "_sessions")

    def __init__(self, bundle: str, make: MakeContext) -> None:
        self._bundle = bundle
        self._make = make
        self._context: ssl.SSLContext | None = None
        self._sessions: dict[tuple[str, int], ssl.SSLSession] = {}
        self._lock = Lock()

    @property
    def context(self) -> ssl.SSLContext:
        """The context. Raises OSError or ssl.SSLError for a bundle that cannot be used."""
        with self._lock:
            if self._context is None:
                self._context = self._make(self._bundle)
            return self._context

    def session(self, origin: Origin) -> ssl.SSLSession | None:
        """The last session of ``origin`` while it lasts; None where the whole handshake is due."""
        session = self._sessions.get((origin.host, origin.port))
        if session is None or 0 <= time.time() - session.time < session.timeout:
            return session
        self.forget_session(origin)
        return None

    def keep_session(self, origin: Origin, stream: ssl.SSLSocket) -> None:
        """Keep what ``stream`` may resume next time: after its first answer, for TLS 1.3 sends tickets late."""
        session = stream.session
        if session is not None and (session.has_ticket or stream.version() != "TLSv1.3"):
            self._sessions[origin.host, origin.port] = session

    def forget_session(self, origin: Origin) -> None:
        """The next handshake with ``origin`` is a whole one."""
        self._sessions.pop((origin.host, origin.port), None)

    def after_fork(self) -> None:
        """In a child: whoever held the lock is not here."""
        self._lock = Lock()


class SharedTLS:
    """The settings that all backends of a process share: the same bundle and the same way to make a context.

    They live as long as one backend uses them. A bundle is its file as it is now: when that changes, the next
    connection reads it again, and the sessions of before are not resumed.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._settings: WeakValueDictionary[tuple[object, ...], TLSSettings] = WeakValueDictionary()

    def settings(self, bundle: str, make: MakeContext) -> TLSSettings:
        """The settings for ``bundle``, a file or folder. Raises OSError where it is not there."""
        found = os.stat(bundle)  # noqa: PTH116 - a text from outside, handed on as it is
        key = (make, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        with self._lock:
            settings = self._settings.get(key)
            if settings is None:
                settings = self._settings[key] = TLSSettings(bundle, make)
            return settings

    def after_fork(self) -> None:
        """In a child: new locks for those that other threads of the parent may have held."""
        self._lock = Lock()
        for settings in tuple(self._settings.values()):
            settings.after_fork()


SHARED = SharedTLS()
"""Process-wide, as a context takes 20 ms and 0.7 MB however many backends there are."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SHARED.after_fork)


def direct_context(bundle: str) -> ssl.SSLContext:
    """A context for connections without a proxy. Nothing changes it afterwards. Raises OSError, ssl.SSLError."""
    folder = os.path.isdir(bundle)  # noqa: PTH112 - a text from outside, handed on as it is
    context = ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    return context


def open_direct(
    connection: Connection, sock: socket.socket, *, origin: Origin, settings: TLSSettings, limit: Deadline
) -> ssl.SSLSocket:
    """Speak TLS on a connected socket, resuming the server's last session, and open ``connection`` with it.

    Raises OSError, ssl.SSLError, TimeoutError.
    """
    context = settings.context
    sock.settimeout(max(limit.remaining(), 0.001))
    # As bytes: a text goes through the codec for international names, which takes 2 ms to import, and this is ASCII.
    name = _certified_name(origin.host).encode("ascii")
    stream = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    try:
        session = settings.session(origin)
        if session is not None:
            stream.session = session
        stream.do_handshake()
    except BaseException:
        # A server that stumbles over its own session gets the whole handshake next time.
        settings.forget_session(origin)
        stream.close()
        raise
    connection.open(stream, partial(settings.keep_session, origin, stream))
    return stream


def _certified_name(host: str) -> str:
    """The name as certificates hold it: no dot at the end, no zone behind an IPv6 address."""
    return host.partition("%")[0] if ":" in host else host.rstrip(".")
