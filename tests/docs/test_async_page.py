"""docs/async.md in a running FastAPI application: answers, errors, streams that are left, cancellation and the end."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from complaint_llm import Mediator, exceptions
from complaint_llm.testing import FaultyServer, Reply
from tests.peers import free_port, need_peer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "async.md"
LONGEST = 20.0
"""Seconds after which something hangs, at any load."""


def office(folder: Path, server: FaultyServer) -> ModuleType:
    """The application of the page, with a config that asks this server."""
    need_peer("llama-cpp-server")  # fastapi and uvicorn are among what it is made of
    [code] = re.findall(r"<!-- file: office.py -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    backend = {"id": "a", "type": "openai", "model": "m", "api_key": "sk-test", "max_retries": 0}
    config = {"BACKENDS": [{**backend, "base_url": f"{server.url}/v1"}]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    module = ModuleType("office")
    exec(compile(code, str(PAGE), "exec"), vars(module))
    return module


@contextmanager
def running(app: Any) -> Iterator[int]:
    """The application behind uvicorn on a port; it is ended as an operator ends it."""
    import uvicorn  # a peer

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(LONGEST)
        assert not thread.is_alive()


def wait_for(condition: Any) -> None:
    until = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.chdir(tmp_path)
    with FaultyServer(Reply("It is void.")) as found:
        yield found


def test_a_question_is_answered_and_a_failure_is_a_502(server: FaultyServer, tmp_path: Path) -> None:
    """An outage is no empty answer."""
    with running(office(tmp_path, server).app) as port:
        status, body = get(port, "/ask?question=valid")
        assert (status, json.loads(body)) == (200, {"text": "It is void.", "backend": "a", "demo": False})
        server.script(Reply.error(500))
        assert get(port, "/ask?question=valid")[0] == 502


def test_many_questions_at_once_share_one_mediator(server: FaultyServer, tmp_path: Path) -> None:
    with running(office(tmp_path, server).app) as port:
        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(get(port, "/ask?question=x")[0])) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONGEST)
    assert found == [200] * 12
    assert len(server.requests) == 12


def test_a_stream_arrives_and_one_that_is_left_is_closed(server: FaultyServer, tmp_path: Path) -> None:
    """The program ends at once though the provider would go on for minutes."""
    with running(office(tmp_path, server).app) as port:
        assert get(port, "/stream?question=valid") == (200, "It is void.")
        server.script(Reply(" ".join(["word"] * 5000), gap=0.05))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
        connection.request("GET", "/stream?question=valid")
        assert connection.getresponse().read(5) == b"word "
        connection.close()
    assert len(server.requests) == 2


def test_a_cancelled_wait_leaves_a_call_that_its_timeout_ends(server: FaultyServer, tmp_path: Path) -> None:
    """As the page says: the wait is over, the thread ends by itself."""
    module = office(tmp_path, server)
    server.script(Reply.hang())
    ended = threading.Event()

    def call(mediator: Mediator) -> None:
        try:
            mediator.generate("x", timeout=0.5)
        except exceptions.BackendTimeoutError:
            ended.set()

    async def main() -> None:
        async with module.lifespan(module.app):
            task = asyncio.create_task(asyncio.to_thread(call, module.app.state.mediator))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(ended.wait, LONGEST)

    asyncio.run(main())


def test_closing_ends_what_is_in_flight(server: FaultyServer, tmp_path: Path) -> None:
    """With this library's error, which a handler of BackendError catches."""
    module = office(tmp_path, server)
    server.script(Reply.hang())
    assert issubclass(exceptions.CancelledError, exceptions.BackendError)
    assert not issubclass(exceptions.CancelledError, asyncio.CancelledError)

    async def main() -> None:
        async with module.lifespan(module.app):
            waiting = asyncio.create_task(asyncio.to_thread(module.app.state.mediator.generate, "x"))
            while not server.requests:
                await asyncio.sleep(0.01)
        with pytest.raises(exceptions.CancelledError):
            await asyncio.wait_for(waiting, LONGEST)

    asyncio.run(main())
