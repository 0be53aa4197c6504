"""Plays fault modes in a process of its own, so that the lists of the tested process show the library alone.

A line of JSON in, a line of JSON out: ``{"play": mode, "streamed": true}`` gives ``{"port"}``; ``{"stop": port}`` gives
``{"connections"}``. It ends with its standard input.
"""

from __future__ import annotations

import json
import socket
import sys
from contextlib import ExitStack
from typing import Any

from tests.faults.mode import Mode
from tests.faults.modes import MODES, WELL
from tests.transport.faulty import FaultyServer


class Refusing:
    """A port that is taken and where nobody listens."""

    connections = 0

    def __enter__(self) -> Refusing:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()


class Unreachable(Refusing):
    """A listener whose queue is full: the kernel drops every further attempt, as a firewall would."""

    def __enter__(self) -> Unreachable:
        super().__enter__()
        self._socket.listen(0)
        self._waiting = [socket.socket() for _ in range(3)]
        for waiting in self._waiting:
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", self.port))
        return self

    def __exit__(self, *exc: object) -> None:
        for waiting in self._waiting:
            waiting.close()
        super().__exit__(*exc)


def server_for(mode: Mode, streamed: bool) -> Any:
    """A context manager with ``port`` and ``connections``."""
    if mode.listening == "scripted":
        return FaultyServer(mode.script(streamed))
    return Refusing() if mode.listening == "refusing" else Unreachable()


def main() -> None:
    """Serve until standard input ends."""
    playing: dict[int, Any] = {}
    with ExitStack() as stack:
        for line in sys.stdin:
            command = json.loads(line)
            if "play" in command:
                mode = WELL if command["play"] == WELL.name else MODES[command["play"]]
                server = stack.enter_context(server_for(mode, command["streamed"]))
                playing[server.port] = server
                answer = {"port": server.port}
            else:
                server = playing.pop(command["stop"])
                server.__exit__(None, None, None)
                answer = {"connections": server.connections}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
