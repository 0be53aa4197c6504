"""A loopback TLS server: ``python -m benchmarks.tls_server LATENCY_MS`` prints its port and ends with stdin."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys

from benchmarks import exchange
from benchmarks.measure import AUTHORITY


class TLSServer:
    """A running server in a process of its own; a context manager. ``base`` is its base URL."""

    def __init__(self, latency_ms: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.tls_server", str(latency_ms)],
            cwd=str(AUTHORITY.parents[3]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.base = f"https://localhost:{int(self._process.stdout.readline())}/v1"

    def __enter__(self) -> TLSServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate(timeout=10)


async def serve(latency: float) -> None:
    answer = exchange.plain()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                await reader.readexactly(length)
                if latency:
                    await asyncio.sleep(latency)
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(AUTHORITY.with_name("server.pem"))
    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) / 1000))
