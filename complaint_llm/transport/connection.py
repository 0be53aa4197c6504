"""One connection: a socket, the reader that keeps the deadline, and the means to break it off from another thread."""

from __future__ import annotations

import io
import os
import socket
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.call import Deadline

BUFFER = 65536

LONGEST_WAIT = 20 * 86400.0
"""Seconds of one wait: sockets take 24 days at most, and a deadline may be infinite."""


class SocketLike(Protocol):
    """What is used of a connected socket: ``socket.socket``, ``ssl.SSLSocket`` and urllib3's TLS inside TLS have it."""

    def settimeout(self, value: float, /) -> None: ...
    def recv_into(self, buffer: memoryview, /) -> int: ...
    def sendall(self, data: memoryview, /) -> None: ...


def time_left(deadline: Deadline) -> float:
    """Seconds that one operation may wait. Raises TimeoutError where the deadline passed."""
    left = deadline.remaining()
    if left <= 0:
        raise TimeoutError("the deadline passed")
    return min(left, LONGEST_WAIT)


class DeadlineReader(io.RawIOBase):
    """Reads a socket, giving each receive the time that is left: a server that drips bytes gains nothing.

    A socket's own timeout is no deadline: it starts anew with every byte. ``gap`` limits one silence,
    ``first`` the silence before the first byte of an answer; both in seconds, None for no limit of their own.
    Used by the thread that owns the connection.
    """

    def __init__(self, sock: SocketLike) -> None:
        self._socket = sock
        self.deadline: Deadline | None = None
        self.limit: float | None = None
        self.gap: float | None = None
        self.answer_begun = False
        self.ended = False

    def expect(self, deadline: Deadline, first: float | None, gap: float | None) -> None:
        """An answer begins next, to be read within these limits."""
        self.deadline, self.gap, self.limit = deadline, gap, first if first is not None else gap
        self.answer_begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        if self.deadline is None:
            return self._poll(buffer)
        left = time_left(self.deadline)
        self._socket.settimeout(left if self.limit is None else min(left, self.limit))
        count = self._socket.recv_into(buffer)
        self.limit = self.gap
        self.answer_begun = True
        if not count:
            self.ended = True
        return count

    def _poll(self, buffer: memoryview) -> int | None:
        """What has come without waiting; None for nothing."""
        self._socket.settimeout(0)
        try:
            count = self._socket.recv_into(buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            if _would_wait(error):
                return None
            self.ended = True
            return 0
        self.ended = not count
        return count


def _would_wait(error: OSError) -> bool:
    """Whether nothing can be had, or sent, without waiting. TLS says so in its own class: it may have read and kept a
    session ticket."""
    return isinstance(error, BlockingIOError) or type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")


class KeptReader(io.BufferedReader):
    """A buffered reader that outlives one response: whoever closes what it read from, the connection stays."""

    def close(self) -> None:
        """Do nothing; the socket is closed by its connection."""

    def flush(self) -> None:
        """Do nothing; an answer that is collected after its connection was would flush a closed file."""


class Connection:
    """A socket with its buffered reader. Used by one thread at a time; ``abort`` may be called by any.

    The lock guards the pair (socket, closed), so that an abort never touches a descriptor that was closed and given
    to someone else. It is held over ``shutdown`` and ``close`` only, which do not wait.
    """

    __slots__ = (
        "_lock",
        "_process",
        "_socket",
        "aborted",
        "closed",
        "idle_since",
        "keep_session",
        "raw",
        "reader",
        "stream",
    )

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process = os.getpid()
        self.aborted = ""
        self.closed = False
        self.idle_since = 0.0
        self.keep_session: Callable[[], None] | None = None
        self.stream: SocketLike
        self.raw: DeadlineReader
        self.reader: KeptReader

    def watch(self, sock: socket.socket) -> bool:
        """Name the socket that an abort shuts down; False if aborted or closed already (then the caller closes it)."""
        with self._lock:
            if self.aborted or self.closed:
                return False
            self._socket = sock
            return True

    def unwatch(self) -> None:
        """Close the watched socket and forget it: this address failed, the next one follows."""
        with self._lock:
            sock, self._socket = self._socket, None
            if sock is not None:
                sock.close()

    def open(self, stream: SocketLike, keep_session: Callable[[], None] | None = None) -> None:
        """Take over a connected socket, TLS and proxy done; ``keep_session`` is called once an answer was read."""
        self.stream = stream
        self.keep_session = keep_session
        self.raw = DeadlineReader(stream)
        self.reader = KeptReader(self.raw, BUFFER)

    def send(self, data: memoryview, seconds: float) -> None:
        """Send all of ``data``, whose text no traceback shows. Raises OSError, and TimeoutError after ``seconds``."""
        sock = self._socket
        if sock is not None and sock is self.stream and sock.gettimeout() == 0:
            # After a look that did not wait: what the kernel takes at once needs no time limit.
            try:
                data = data[sock.send(data) :]
            except OSError as error:
                if not _would_wait(error):
                    raise
            if not data:
                return
        self.stream.settimeout(seconds)
        self.stream.sendall(data)

    def quiet(self) -> bool:
        """Whether nothing lies unread and the peer has not closed (``raw.ended``). Does not wait."""
        self.raw.deadline = None
        try:
            return not (self.reader.peek(1) or self.raw.ended)
        except (OSError, ValueError):
            return not self.raw.ended

    def abort(self, reason: str = "cancelled") -> None:
        """Wake whoever reads, writes or connects; the owner then closes. Any thread, any number of times.

        In a forked child it only marks the connection: to shut it down would end it for the parent, too.
        """
        with self._lock:
            self.aborted = self.aborted or reason
            if self._socket is not None and not self.closed and self._process == os.getpid():
                try:
                    # On TLS the plain shutdown: ssl's own would drop the session under the feet of the reader.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    pass  # not connected yet, or gone already: the owner finds out

    def close(self) -> None:
        """Close the socket. Only the owner calls it, while nobody reads."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            sock, self._socket = self._socket, None
            if sock is not None:
                sock.close()

    def __repr__(self) -> str:
        return f"<Connection {'closed' if self.closed else 'open'}>"
