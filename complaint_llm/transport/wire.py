"""Reading and writing a connected socket, each operation within a timeout.

A socket's own timeout costs two system calls more for each operation, ``ioctl`` when it is set and ``poll`` before
anything is tried. Python hands its lock on at each of them: with hundreds of threads that is most of what a request
costs. Here the socket is non-blocking for good, and is polled where there is something to wait for.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
import time
from typing import Protocol

# Where Linux's struct tcp_info (linux/tcp.h) has the state of the connection and how many bytes have come in order;
# a peer's FIN changes both.
_STATE, _CAME, _INFO = slice(0, 1), slice(128, 136), 136
_ESTABLISHED = b"\x01"

_LONGEST = 86400.0
"""Seconds of one poll, which takes 24 days at most: a timeout may be longer, or infinite."""


class Wire(Protocol):
    """What is used of a connected socket; ``socket.socket`` and urllib3's TLS in TLS have it, too."""

    def settimeout(self, value: float, /) -> None: ...
    def recv_into(self, buffer: memoryview, /) -> int: ...
    def sendall(self, data: memoryview, /) -> None: ...


def wire_over(sock: socket.socket) -> Wire:
    """How to use ``sock``, connected and without TLS. The socket stays its owner's, who alone may close it."""
    return PolledWire(sock) if hasattr(select, "poll") else sock


class PolledWire:
    """A non-blocking socket with a timeout in seconds for each operation; 0 waits for nothing. Used by one thread."""

    __slots__ = ("_counted", "_poller", "_received", "_recv_into", "_send", "_sock", "_timeout")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._recv_into = sock.recv_into
        self._send = sock.send
        self._timeout = 0.0
        self._received = 0
        self._counted = sys.platform == "linux" and sock.family in (socket.AF_INET, socket.AF_INET6)
        self._poller = select.poll()
        self._poller.register(sock, select.POLLIN)

    def settimeout(self, value: float) -> None:
        """The timeout of the operations from now on."""
        self._timeout = value

    def recv_into(self, buffer: memoryview) -> int:
        """As ``socket.recv_into``. Raises TimeoutError, or BlockingIOError where the timeout is 0."""
        timeout = self._timeout
        if not timeout:
            if self._counted and self._nothing_came():
                raise BlockingIOError
            count = self._recv_into(buffer)
            self._received += count
            return count
        until = time.monotonic() + timeout
        while True:
            # Waits before it tries: an answer is never there when its request was sent just now.
            self._wait(select.POLLIN, until)
            try:
                count = self._recv_into(buffer)
            except BlockingIOError:
                continue  # what came was no use to the kernel
            self._received += count
            return count

    def sendall(self, data: memoryview) -> None:
        """As ``socket.sendall``. Raises TimeoutError."""
        until = time.monotonic() + self._timeout
        sent = 0
        while True:
            try:
                sent += self._send(data[sent:] if sent else data)
            except BlockingIOError:
                pass
            if sent == len(data):
                return
            self._wait(select.POLLOUT, until)

    def _nothing_came(self) -> bool:
        """Whether for certain nothing lies unread and the peer has not closed. Asked before every request, and so in a
        way in which Python does not give its lock up: with hundreds of threads that is a twelfth of their time.
        """
        info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO)
        return info[_STATE] == _ESTABLISHED and info[_CAME] == self._received.to_bytes(8, sys.byteorder)

    def _wait(self, events: int, until: float) -> None:
        """Return when one of ``events`` came, or the connection's end; perhaps sooner."""
        if self._sock.fileno() < 0:
            # Its number may be another file's by now.
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        left = until - time.monotonic()
        poller = self._poller
        if events != select.POLLIN:
            poller = select.poll()
            poller.register(self._sock, events)
        if left <= 0 or (not poller.poll(min(left, _LONGEST) * 1000) and left <= _LONGEST):
            raise TimeoutError("timed out")
