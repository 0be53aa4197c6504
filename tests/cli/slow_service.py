"""A service that is slow, and an office whose config leads to it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.transport.faulty import REQUEST, FaultyServer, Pause, Script

GIVE_UP = 30.0
"""Seconds after which a test that waits for something fails."""


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
