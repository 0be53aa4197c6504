"""Many threads on one Mediator: every call answered, connections kept and never shared with a forked child."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from complaint_llm import Mediator
from tests.end_to_end.everything import write_config
from tests.wire_messages import chat

THREADS = 16
CALLS = 200


class KeepAliveServer:
    """Says each prompt back; counts connections and who asked on which. One thread a connection, closed together."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.asked: list[list[str]] = []
        """The prompts of each connection, in the order in which the connections came."""

    def __enter__(self) -> KeepAliveServer:
        self._threads[0].start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(5)
        self._listener.close()
        for sock in self._open:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            prompts: list[str] = []
            with self._lock:
                self.asked.append(prompts)
                self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock, prompts), daemon=True).start()

    def _serve(self, sock: socket.socket, prompts: list[str]) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock, sock.makefile("rb") as file:
            while file.readline():
                length = 0
                while (line := file.readline()) != b"\r\n":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                body = json.loads(file.read(length))
                prompts.append(body["messages"][-1]["content"])
                answer = json.dumps(chat(prompts[-1])).encode()
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


@pytest.fixture
def server() -> Iterator[KeepAliveServer]:
    with KeepAliveServer() as server:
        yield server


@pytest.fixture
def mediator(server: KeepAliveServer, tmp_path: Path) -> Iterator[Mediator]:
    backend = {"id": "only", "type": "lmstudio", "base_url": f"http://127.0.0.1:{server.port}/v1", "model": "m"}
    config = write_config(tmp_path, [backend], MEDIATOR={"timeout": 60})
    with Mediator.from_config(config) as mediator:
        yield mediator


def test_sixteen_threads_lose_no_answer_and_keep_their_connections(server: KeepAliveServer, mediator: Mediator) -> None:
    """3,200 calls: each gets its own answer, over at most one connection for each thread."""
    started = threading.Barrier(THREADS)

    def run(thread: int) -> list[str]:
        started.wait(10)
        return [mediator.generate(f"{thread}:{call}") for call in range(CALLS)]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(run, range(THREADS)))
    assert answers == [[f"{thread}:{call}" for call in range(CALLS)] for thread in range(THREADS)]
    assert sum(map(len, server.asked)) == THREADS * CALLS
    assert 1 <= len(server.asked) <= THREADS


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_shares_no_connection(server: KeepAliveServer, mediator: Mediator) -> None:
    """The child opens its own, the parent's idle one goes on working, and no answer reaches the wrong process."""
    assert mediator.generate("parent before") == "parent before"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            answers = [mediator.generate(f"child {call}") for call in range(20)]
            code = 0 if answers == [f"child {call}" for call in range(20)] else 2
        finally:
            os._exit(code)
    answers = [mediator.generate(f"parent {call}") for call in range(20)]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert answers == [f"parent {call}" for call in range(20)]
    parents, childs = server.asked
    assert parents == ["parent before", *answers]
    assert childs == [f"child {call}" for call in range(20)]
