"""A server of scripted bytes and pauses on loopback, for what no well-behaved server does."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias


class Pause(NamedTuple):
    """Wait this many seconds, or until the server stops."""

    seconds: float


class Drip(NamedTuple):
    """Send a byte, wait ``every`` seconds, and so on; ``data`` is repeated for ever if ``endless``."""

    data: bytes
    every: float
    endless: bool = False


class Step(NamedTuple):
    """``request``: read one whole request. ``hang``: read nothing more and stay. ``reset``: break the connection."""

    name: str


REQUEST = Step("request")
HANG = Step("hang")
RESET = Step("reset")

Script: TypeAlias = Sequence["bytes | Pause | Drip | Step | Callable[[socket.socket], None]"]


def ok(body: bytes = b"{}", headers: bytes = b"") -> bytes:
    """A well-formed answer."""
    return b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


class FaultyServer:
    """Plays a script to each connection in turn, the last one to all that follow; closes it at the script's end.

    ``requests`` has what was read, ``connections`` how many came. A context manager that joins its threads.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = scripts
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultyServer:
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._listener.close()
        try:  # wakes accept where closing does not
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        except OSError:
            pass
        for sock in list(self._open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                continue
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.append(sock)
            self._start(self._play, sock, script)

    def _play(self, sock: socket.socket, script: Script) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            for step in script:
                self._do(sock, step)
        except (OSError, ValueError):
            pass  # the client went away, which many tests are about
        finally:
            sock.close()

    def _do(self, sock: socket.socket, step: object) -> None:
        if isinstance(step, bytes):
            sock.sendall(step)
        elif isinstance(step, Pause):
            self._stop.wait(step.seconds)
        elif isinstance(step, Drip):
            while True:
                for byte in step.data:
                    sock.sendall(bytes([byte]))
                    if self._stop.wait(step.every):
                        return
                if not step.endless:
                    return
        elif step is REQUEST:
            self.requests.append(read_request(sock))
        elif step is HANG:
            self._stop.wait(30)
        elif step is RESET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif callable(step):
            step(sock)


def read_request(sock: socket.socket) -> bytes:
    """Head and body of one request; ConnectionError if the client closes before its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    pieces = [body]
    while length > len(body):
        pieces.append(_some(sock))
        length -= len(pieces[-1])
    return head + b"\r\n\r\n" + b"".join(pieces)


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise ConnectionError("closed")
    return data
