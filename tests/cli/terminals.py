"""The program on a pseudo-terminal, with the time at which each piece was seen there, and a server that is slow."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from tests.transport.faulty import REQUEST, FaultyServer, Pause, Script

GIVE_UP = 30.0
"""Seconds after which a test that waits for something fails."""
PROMPT = "\x1b[?2004h> "
"""That of a chat, with what an editor of lines switches on before it."""
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


def _take_terminal() -> None:
    """In the child: signals as usual, and the pseudo-terminal is the one that controls it, so that Ctrl-C arrives."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """The program as a user has it: standard input, output and error on one pseudo-terminal.

    ``stdout`` may lead elsewhere. ``shown`` is all that came, ``pieces`` when each piece of it did (monotonic).
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        columns: int = 200,
        variables: Mapping[str, str] = NO_VARIABLES,
        stdout: Any = None,
    ) -> None:
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "INPUTRC")}
        environment = {**plain, "LC_ALL": "C.UTF-8", "TERM": "xterm", "INPUTRC": "/dev/null", **variables}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "complaint_llm", *arguments],
            cwd=folder,
            stdin=other,
            stdout=other if stdout is None else stdout,
            stderr=other,
            env=environment,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(other)
        self.shown = ""
        self.pieces: list[tuple[float, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._main)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._main, text.encode())

    def wait_for(self, text: str, after: int = 0) -> float:
        """Read until ``text`` is shown behind place ``after``; when it was."""
        ends = time.monotonic() + GIVE_UP
        while text not in self.shown[after:]:
            if not self._read() or time.monotonic() > ends:
                raise AssertionError(f"{text!r} was not shown: {self.shown[after:]!r}")
        return self.seen(text, after)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Read until something is so."""
        ends = time.monotonic() + GIVE_UP
        while not holds():
            if not self._read() or time.monotonic() > ends:
                raise AssertionError(f"it did not become so: {self.shown!r}")

    def say(self, line: str, until: str = PROMPT) -> str:
        """Type a line at the prompt and read until the next prompt; what was shown between."""
        place = len(self.shown)
        self.type(f"{line}\n")
        self.wait_for(until, place + len(line))
        return plain(self.shown[place:])

    def end(self) -> int:
        """Read to the end; the exit code."""
        ends = time.monotonic() + GIVE_UP
        while self._read():
            if time.monotonic() > ends:
                raise AssertionError(f"it does not end: {self.shown!r}")
        return self.process.wait(GIVE_UP)

    def seen(self, text: str, after: int = 0) -> float:
        """When ``text`` was complete on the terminal."""
        complete, length = self.shown.index(text, after) + len(text), 0
        for when, piece in self.pieces:
            length += len(piece)
            if length >= complete:
                return when
        raise AssertionError("what is shown has come in pieces")

    def _read(self) -> bool:
        """Wait a little for a piece; false at the end."""
        if not select.select([self._main], [], [], 0.05)[0]:
            return True
        with suppress(OSError):  # the other end is closed
            data = os.read(self._main, 65536)
            if data:
                piece = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
                self.pieces.append((time.monotonic(), piece))
                self.shown += piece
                return True
        return False


def plain(shown: str) -> str:
    """What is left on the screen of lines that were drawn and erased, and of what an editor of lines switches on."""
    without = re.sub(r"\x1b\[\?2004[hl]\r?|\^C", "", shown)
    return re.sub(r"\r(?:[^\r\n]*? \.\.\.(?: \d+ s)? *| +)(?=\r)|\r +\r", "", without).replace("\r", "")


def chunk(text: str | None, finish: str | None = None, **delta: Any) -> bytes:
    """One event of a stream on OpenAI's wire, as a piece of a chunked body."""
    said = {**({} if text is None else {"content": text}), **delta}
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "served"}
    data = json.dumps({**event, "choices": [{"index": 0, "delta": said, "finish_reason": finish}]})
    body = f"data: {data}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(body), body)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
_LAST = b"data: [DONE]\n\n"
END = chunk(None, "stop") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(_LAST), _LAST)


def streamed(
    pieces: Sequence[str], *, first: float = 0.0, gap: float = 0.0, sent: dict[str, float] | None = None
) -> Script:
    """A stream of these pieces, the first after ``first`` seconds; ``sent`` notes when each went out (monotonic)."""
    script: list[Any] = [REQUEST, HEAD, Pause(first)]
    for piece in pieces:
        script += [_send(piece, {} if sent is None else sent), Pause(gap)]
    return [*script, END]


def stuck(pieces: Sequence[str]) -> Script:
    """A stream that stops after these pieces and stays open."""
    return [REQUEST, HEAD, *map(chunk, pieces), Pause(GIVE_UP)]


def _send(piece: str, sent: dict[str, float]) -> Callable[[socket.socket], None]:
    def step(sock: socket.socket) -> None:
        data = chunk(piece)
        sent[piece] = time.monotonic()
        sock.sendall(data)

    return step


def entry(server: FaultyServer, id: str = "slow", **keys: Any) -> dict[str, Any]:
    """The backend's entry in a config."""
    base = {"id": id, "type": "openai", "base_url": f"{server.url}/v1", "api_key": "sk-x", "model": "m"}
    return {**base, "max_retries": 0, **keys}


def write_config(folder: Path, *entries: Mapping[str, Any], **more: Any) -> None:
    """A config of these backends."""
    (folder / "config.json").write_text(json.dumps({"BACKENDS": list(entries), **more}))


@contextmanager
def office(folder: Path, *scripts: Script, **more: Any) -> Iterator[FaultyServer]:
    """A folder with a config whose one backend plays these scripts."""
    with FaultyServer(*scripts) as server:
        write_config(folder, entry(server), **more)
        yield server


def bodies(server: FaultyServer) -> list[dict[str, Any]]:
    """What was asked, request by request."""
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
