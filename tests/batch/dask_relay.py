"""A relay on loopback that keeps a copy of every byte that passes between a Dask client and its scheduler."""

from __future__ import annotations

import socket
import threading


class Relay:
    """Listens on a free port and connects each caller to ``target``. A context manager that joins its threads."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._copies: list[bytes] = []
        self.port: int = self._listener.getsockname()[1]

    @property
    def seen(self) -> bytes:
        """What has passed so far, in both directions."""
        return b"".join(self._copies)

    def __enter__(self) -> Relay:
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        for each in (self._listener, *self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its peer was first
            each.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
                called = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._open += [caller, called]
            self._start(self._pass_on, caller, called)
            self._start(self._pass_on, called, caller)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                self._copies.append(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one of the two went away
