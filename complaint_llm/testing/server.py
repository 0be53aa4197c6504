"""A model provider on 127.0.0.1 that answers as its script says, faults included. A real HTTP server, for tests.

>>> with FaultyServer() as server:
...     server.script(Reply.error(429, retry_after=0.01), Reply("The clause is void."))
...     backend = OpenAIBackend(base_url=f"{server.url}/v1", api_key="sk-test", model="any")
...     backend.generate("Is the clause valid?")
'The clause is void.'
"""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from complaint_llm.request import EMPTY
from complaint_llm.testing.dialects import WIRES, AnswerContent, Call, Dialect

DRIP = 0.05
"""Seconds between the bytes of a dripped answer."""


class Received(NamedTuple):
    """One request as it came. Header names are in lower case; ``body`` is the JSON, or None if it was none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Reply(NamedTuple):
    """What is done with one request. Without ``text`` the last user message is echoed.

    ``delay`` and ``gap`` are in seconds: before the first byte, and between the events of a stream. ``cut_after``
    closes the connection after so many bytes of a body, or events of a stream. ``drip`` sends byte by byte, head
    included.
    """

    text: str | None = None
    calls: Sequence[Call] = ()
    status: int = 200
    code: str | None = None
    headers: Mapping[str, str] = EMPTY
    body: bytes | None = None
    delay: float = 0.0
    gap: float = 0.0
    cut_after: int | None = None
    drip: bool = False
    silent: bool = False

    @classmethod
    def error(
        cls, status: int, code: str | None = None, *, message: str = "no", retry_after: float | None = None
    ) -> Reply:
        """An error in the words of the wire that asked; ``code`` is its own, more exact code."""
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        return cls(message, status=status, code=code, headers=headers)

    @classmethod
    def raw(cls, body: bytes, status: int = 200) -> Reply:
        """These bytes as the body."""
        return cls(status=status, body=body)

    @classmethod
    def hang(cls) -> Reply:
        """Nothing, ever: the connection stays open."""
        return cls(silent=True, delay=float("inf"))

    @classmethod
    def hang_up(cls) -> Reply:
        """The connection is closed without an answer."""
        return cls(silent=True)


class FaultyServer:
    """The server. Any thread may script it and read what it received; closing it ends every connection at once.

    ``requests`` is what came, oldest first. Scripted replies are used once each, in order; then ``reply`` answers.
    """

    def __init__(self, reply: Reply | None = None, *, wires: Iterable[Dialect] = ()) -> None:
        self.reply = Reply() if reply is None else reply
        self.requests: list[Received] = []
        self._wires = (*wires, *WIRES.values())
        self._script: deque[Reply] = deque()
        self._closing = threading.Event()
        self._http = _HTTPServer(self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.02,), name="faulty-server", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def script(self, *replies: Reply) -> None:
        """Add replies, each for one request."""
        self._script.extend(replies)

    def close(self) -> None:
        """Stop listening, end every connection, and wait for the threads."""
        self._closing.set()
        self._http.shutdown()
        self._http.end_connections()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> FaultyServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- for the handler ---------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> bool:
        """Wait, at most until the server closes; whether it goes on."""
        if seconds <= 0:
            return not self._closing.is_set()
        return not self._closing.wait(None if seconds == float("inf") else seconds)

    def take(self, received: Received) -> Reply:
        """Note a request; how to answer it."""
        self.requests.append(received)
        try:
            return self._script.popleft()
        except IndexError:
            return self.reply

    def wire_of(self, path: str) -> Dialect | None:
        """The wire that a path belongs to."""
        return next((wire for wire in self._wires if wire.speaks(path.partition("?")[0])), None)


class _HTTPServer(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, owner: FaultyServer) -> None:
        self.owner = owner
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._handlers: list[threading.Thread] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle it in a thread that ends with the program, and that ``server_close`` waits for: the standard library
        has one or the other."""
        work, name = partial(self.process_request_thread, request, client_address), "faulty-server handler"
        handler = threading.Thread(target=work, name=name, daemon=True)
        with self._lock:
            self._open.add(request)
        self._handlers = [*filter(threading.Thread.is_alive, self._handlers), handler]
        handler.start()

    def server_close(self) -> None:
        """Handlers end at once when their connections do."""
        super().server_close()
        for handler in self._handlers:
            handler.join()

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the play."""

    def end_connections(self) -> None:
        with self._lock:
            open_now = tuple(self._open)
        for connection in open_now:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it ended by itself meanwhile


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HTTPServer
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Tests look at ``requests``."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner = self.server.owner
        reply = owner.take(Received(self.command, self.path, headers, body))
        if not owner.wait(reply.delay) or reply.silent:
            self.close_connection = True
            return
        wire = owner.wire_of(self.path)
        if wire is None or not isinstance(body, Mapping):
            self._send(404, {}, json.dumps({"error": {"message": f"nothing at {self.path}"}}).encode(), reply)
        elif reply.body is not None:
            self._send(reply.status, reply.headers, reply.body, reply)
        elif reply.status >= 400:
            error = wire.error(reply.status, reply.code, reply.text or "no")
            self._send(reply.status, reply.headers, json.dumps(error).encode(), reply)
        else:
            content = AnswerContent(
                wire.prompt(body) if reply.text is None and not reply.calls else reply.text or "", reply.calls
            )
            if wire.streams(self.path, body):
                self._stream(wire.events(content), reply, getattr(wire, "stream_type", "text/event-stream"))
            else:
                answer = wire.answer(self.path.partition("?")[0], body, content)
                self._send(200, reply.headers, json.dumps(answer, ensure_ascii=False).encode(), reply)

    do_GET = do_POST  # noqa: N815 - the standard library's name

    def _send(self, status: int, headers: Mapping[str, str], body: bytes, reply: Reply) -> None:
        head = self._head(status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers})
        if reply.cut_after is not None:
            body = body[: reply.cut_after]
            self.close_connection = True
        self._write(head + body, reply.drip)

    def _stream(self, events: Sequence[bytes], reply: Reply, media_type: str) -> None:
        headers = {"Content-Type": media_type, "Transfer-Encoding": "chunked", **reply.headers}
        self._write(self._head(200, headers), reply.drip)
        for sent, event in enumerate(events):
            if reply.cut_after is not None and sent >= reply.cut_after:
                self.close_connection = True
                return
            if sent and not self.server.owner.wait(reply.gap):
                self.close_connection = True
                return
            self._write(b"%x\r\n%s\r\n" % (len(event), event), reply.drip)
        self._write(b"0\r\n\r\n", reply.drip)

    def _head(self, status: int, headers: Mapping[str, str]) -> bytes:
        phrase = self.responses.get(status, ("Unknown", ""))[0]
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _write(self, data: bytes, drip: bool) -> None:
        for piece in _bytes_of(data) if drip else (data,):
            if drip and not self.server.owner.wait(DRIP):
                self.close_connection = True
                return
            try:
                self.wfile.write(piece)
            except OSError:
                # The client went away: what it was to get is nobody's now.
                self.close_connection = True
                return


def _bytes_of(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))
