"""A Redis server of one test's own, on a free port of the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from pathlib import Path

SERVER = shutil.which("redis-server")


def needed() -> str | None:
    """Why tests with Redis cannot run here, or None."""
    if SERVER is None:
        return "redis-server is not installed"
    try:
        import redis  # noqa: F401
    except ImportError:
        return "the redis package is not installed"
    return None


def require() -> None:
    """Skip the test with a sentence, or fail it where peers are required."""
    reason = needed()
    if reason is None:
        return
    if os.environ.get("COMPLAINT_LLM_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


class RedisPeer:
    """Starts, kills and restarts the server; without persistence, so a restart has forgotten everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port: int = found.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> Secret:
        return Secret(f"redis://127.0.0.1:{self.port}/0")

    def start(self) -> None:
        assert SERVER is not None
        command = [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*command, "--dir", str(self.folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("redis-server did not start")

    def pause(self) -> None:
        """Answer nothing until ``go_on``; what is known stays known."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *command: str) -> Any:
        """What the server answers to a command."""
        import redis

        with redis.Redis(port=self.port, decode_responses=True) as client:
            asking: Any = client  # its execute_command has no types
            return asking.execute_command(*command)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None
