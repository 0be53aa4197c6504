"""Servers on this machine are found by their lists of models; nothing else is asked, and nobody elsewhere."""

from __future__ import annotations

import json

import pytest

from complaint_llm.backends import BackendType, MockBackend
from complaint_llm.cli.init.servers import FoundServer, is_loopback, loopback_servers, server_models
from tests.peers import free_port
from tests.transport.faulty import HANG, REQUEST, RESET, Drip, FaultyServer, Script, ok


def type_at(name: str, address: str, variable: str = "") -> BackendType:
    variables = {"base_url": variable} if variable else {}
    return BackendType(name, MockBackend, presets={"base_url": address} if address else {}, variables=variables)


LISTED = ok(b'{"data": [{"id": "m"}]}')


def refused(status: bytes) -> bytes:
    return LISTED.replace(b"200 OK", status)


def test_what_answers_is_listed_in_the_order_of_types() -> None:
    listed = {"data": [{"id": "b"}, {"id": "a"}, {"id": "b"}, {"id": 3}, None, {"name": "x"}]}
    script: Script = [REQUEST, ok(json.dumps(listed).encode())]
    with FaultyServer(script) as one, FaultyServer([REQUEST, ok(b'{"data": []}')]) as two:
        types = [
            type_at("one", f"{one.url}/v1"),
            type_at("silent", f"http://127.0.0.1:{free_port()}/v1"),
            type_at("elsewhere", "https://models.example/v1"),
            type_at("two", "https://models.example/v1", "TWO_URL"),
            type_at("none", ""),
        ]
        found = loopback_servers(types, {"TWO_URL": f"{two.url}/v1"})
        assert found == [FoundServer("one", f"{one.url}/v1", ("b", "a")), FoundServer("two", f"{two.url}/v1", ())]
        (request,) = one.requests
        assert request.startswith(b"GET /v1/models HTTP/1.1\r\n")
        assert b"authorization" not in request.lower()


def test_without_a_path_the_usual_one_is_tried_first() -> None:
    with FaultyServer([REQUEST, refused(b"404 Not Found"), REQUEST, LISTED], [REQUEST, LISTED]) as server:
        assert server_models(server.url, timeout=20) == ("m",)
        assert [request.split()[1] for request in server.requests] == [b"/v1/models", b"/models"]


@pytest.mark.parametrize(
    "script",
    [
        [REQUEST, ok(b"")],
        [REQUEST, ok(b"<html>")],
        [REQUEST, ok(b"[]")],
        [REQUEST, ok(b"{}")],
        [REQUEST, ok(b'{"data": {}}')],
        [REQUEST, ok(b'{"data": "x"}')],
        [REQUEST, ok(b"[" * 100_000)],
        [REQUEST, ok(b"\xff\xfe")],
        [REQUEST, refused(b"500 Broken")],
        [REQUEST, refused(b"401 No")],
        [REQUEST, refused(b"301 Moved")],
        [REQUEST, b"SSH-2.0-OpenSSH_9\r\n"],
        [REQUEST, LISTED[:-3]],
        [REQUEST, Drip(LISTED[:-9] + b" ", 0.05, endless=True)],
        [REQUEST, HANG],
        [REQUEST, RESET],
        [],
    ],
)
def test_what_lists_no_models_is_no_server_and_holds_nobody_up(script: Script) -> None:
    with FaultyServer(script) as server:
        assert server_models(f"{server.url}/v1", timeout=0.5) is None


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("http://localhost:1234/v1", True),
        ("http://127.0.0.1:1", True),
        ("https://[::1]:1/v1", True),
        ("http://office.localhost", True),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://192.168.1.5:1234/v1", False),
        ("http://0.0.0.0.example", False),
        ("localhost:1234", False),
        ("", False),
        ("http://user@localhost", False),
    ],
)
def test_only_addresses_that_name_this_machine_are_here(address: str, here: bool) -> None:
    assert is_loopback(address) is here
