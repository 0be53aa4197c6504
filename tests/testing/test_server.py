"""The test server does what its script says, on real sockets."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.dialects import WIRES, AnswerContent
from complaint_llm.testing.server import Received
from complaint_llm.testing.steady_clock import SteadyClock


def post(server: FaultyServer, path: str, body: Any, timeout: float = 5) -> tuple[int, Any, bytes]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", CHAT),
    "responses": ("/v1/responses", {"input": CHAT["messages"]}),
    "anthropic": ("/v1/messages", CHAT),
    "gemini": ("/v1beta/models/m:generateContent", {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}),
}


@pytest.mark.parametrize("wire", list(WIRES))
def test_without_a_script_it_echoes_the_last_user_message_in_the_wire_that_asked(wire: str) -> None:
    path, body = ASKED[wire]
    with FaultyServer() as server:
        status, _, answer = post(server, path, body)
        assert status == 200
        assert b"Hello" in answer
        [received] = server.requests
        assert (received.method, received.path, received.body) == ("POST", path, body)


def test_replies_are_used_once_each_in_order_and_then_the_standing_one() -> None:
    path, body = ASKED["openai"]
    with FaultyServer(Reply("standing")) as server:
        server.script(Reply.error(429, "slow_down", retry_after=2), Reply("one"))
        status, headers, answer = post(server, path, body)
        assert (status, headers["Retry-After"]) == (429, "2")
        assert json.loads(answer)["error"]["code"] == "slow_down"
        assert b"one" in post(server, path, body)[2]
        assert b"standing" in post(server, path, body)[2]
        assert b"standing" in post(server, path, body)[2]


def test_an_unknown_path_is_a_404() -> None:
    with FaultyServer() as server:
        assert post(server, "/v1/nothing", {})[0] == 404


def test_a_body_can_be_cut_and_a_connection_closed_without_an_answer() -> None:
    path, body = ASKED["openai"]
    with FaultyServer() as server:
        server.script(Reply(cut_after=10), Reply.hang_up(), Reply.raw(b"<html>", 503))
        with pytest.raises(http.client.IncompleteRead):
            post(server, path, body)
        with pytest.raises(http.client.RemoteDisconnected):
            post(server, path, body)
        assert post(server, path, body)[::2] == (503, b"<html>")


def test_a_stream_can_be_cut_between_its_events() -> None:
    path, body = ASKED["openai"]
    with FaultyServer() as server:
        server.script(Reply("one two three", cut_after=2))
        with pytest.raises(http.client.IncompleteRead) as caught:
            post(server, path, {**body, "stream": True})
        assert caught.value.partial.count(b"data: ") == 2


def test_a_dripped_answer_comes_byte_by_byte() -> None:
    path, body = ASKED["openai"]
    with FaultyServer(Reply(drip=True)) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
        connection.request("POST", path, json.dumps(body))
        came = [connection.sock.recv(100) for _ in range(4)]
        connection.close()
    assert came == [b"H", b"T", b"T", b"P"]


def test_closing_it_ends_hanging_requests_and_leaves_no_thread(steady_clock: SteadyClock) -> None:
    path, body = ASKED["openai"]
    before = set(threading.enumerate())
    server = FaultyServer(Reply.hang())
    found: list[BaseException] = []

    def ask() -> None:
        try:
            post(server, path, body, timeout=30)
        except (OSError, http.client.HTTPException) as error:
            found.append(error)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    while len(server.requests) < 3:
        time.sleep(0.002)
    start = steady_clock()
    server.close()
    for client in clients:
        client.join(20)
    assert len(found) == 3
    assert steady_clock() - start < 2
    # Other tests of this process may have threads that come and go; those of the server have its name.
    started = [each.name for each in threading.enumerate() if each not in before]
    assert [name for name in started if "server" in name] == []


class Held(FaultyServer):
    """Notes a request, and goes on when it is let."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        super().__init__()

    def take(self, received: Received) -> Reply:
        self.begun.set()
        assert self.go_on.wait(20)
        return super().take(received)


def test_closing_it_waits_for_a_request_that_is_handled() -> None:
    """Nothing of it runs on beside the next test."""
    server = Held()
    path, body = ASKED["openai"]

    def ask() -> None:
        with suppress(OSError, http.client.HTTPException):
            post(server, path, body, timeout=30)

    client, closer = threading.Thread(target=ask), threading.Thread(target=server.close)
    client.start()
    assert server.begun.wait(20)
    closer.start()
    closer.join(0.05)
    assert closer.is_alive()
    server.go_on.set()
    closer.join(20)
    client.join(20)
    assert not closer.is_alive()
    assert len(server.requests) == 1


@pytest.mark.parametrize("wire", list(WIRES))
def test_the_events_of_a_wire_hold_the_whole_content(wire: str) -> None:
    content = AnswerContent("one two three", [("search", {"q": "rent"})])
    stream = b"".join(WIRES[wire].events(content)).decode()
    assert all(word in stream for word in ("one ", "two ", "three", "search"))
    assert stream.endswith("\n\n")
