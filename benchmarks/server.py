"""Compiles and runs server.c: the loopback server that every benchmark asks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

from benchmarks import exchange

HERE = Path(__file__).parent
BUILD = HERE / ".build"


class Urls(NamedTuple):
    """Base URLs; ``cut`` answers with finish reason "length", ``structured`` with JSON; ``refused`` is closed."""

    fast: str
    slow: str
    failing: str
    cut: str
    structured: str
    refused: str


class Server:
    """A running server; a context manager. One thread at a time may use it."""

    def __init__(self, latency_ms: int = 50) -> None:
        program = _compiled()
        files = {"plain": exchange.plain(), "stream": exchange.stream(), "failure": exchange.failure()}
        files["cut"] = exchange.plain("length")
        files["structured"] = exchange.structured()
        for name, content in files.items():
            (BUILD / name).write_bytes(content)
        plain, stream, failure, *others = (str(BUILD / name) for name in files)
        listeners = [f"0:{plain}:{stream}", f"{latency_ms}:{plain}", f"0:{failure}", *(f"0:{file}" for file in others)]
        self._process = subprocess.Popen(
            [str(program), *listeners], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        urls = [f"http://127.0.0.1:{self._line()}/v1" for _ in listeners]
        self._closed = socket.socket()
        self._closed.bind(("127.0.0.1", 0))  # bound and not listening: the port stays refused while we hold it
        self.urls = Urls(*urls, refused=f"http://127.0.0.1:{self._closed.getsockname()[1]}/v1")

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the benchmark server ended; see its message above")
        return line

    def counts(self) -> list[tuple[int, int]]:
        """Requests and connections so far of each listener, in the order of ``Urls``."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        numbers = [int(word) for word in self._line().split()]
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def cpu_seconds(self) -> float:
        """CPU that the server has used, user and system."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(5)
        self._process.stdout.close()
        self._closed.close()


def _compiled() -> Path:
    source, program = HERE / "server.c", BUILD / "server"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise RuntimeError("the benchmarks need a C compiler (cc) for their loopback server; install one")
        BUILD.mkdir(exist_ok=True)
        subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True)
    return program
