"""From a base URL to a connection: names, addresses, and what stays on this machine."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendTimeoutError,
    CancelledError,
    ConfigError,
)
from complaint_llm.testing.steady_clock import SteadyClock
from complaint_llm.transport import Transport
from complaint_llm.transport.origin import is_loopback_address, parse_origin
from complaint_llm.transport.resolve import numeric, resolve
from tests.transport.faulty import REQUEST, FaultyServer, ok, read_request
from tests.transport.reach import post

# -- the URL ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown", "host", "path"),
    [
        ("https://api.example.com/v1/", "https://api.example.com", "api.example.com", "/v1"),
        ("HTTP://LocalHost:1234", "http://localhost:1234", "localhost", ""),
        ("https://h:443", "https://h", "h", ""),
        ("http://[::1]:80/a/b", "http://[::1]", "::1", "/a/b"),
    ],
)
def test_base_urls_are_understood(url: str, shown: str, host: str, path: str) -> None:
    """Scheme and host in any case, default ports, IPv6 in brackets, a path with or without its last slash."""
    origin = parse_origin(url)
    assert (str(origin), origin.host, origin.path) == (shown, host, path)


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.example.com", "ftp://h", "https://", "https://u:hunter2@h", "https://h:0", "https://h:99999"),
        *("https://h:x", "https://h/?q=hunter2", "https://h/#f", "https://h h/", "https://h\r\nX: 1/"),
        *("https://h/a b", "https://[::1"),
    ],
)
def test_base_urls_that_mean_nothing_or_too_much_are_refused(url: str) -> None:
    """One clear ConfigError, which repeats no password."""
    with pytest.raises(ConfigError) as caught:
        Transport(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_known(host: str) -> None:
    """All of 127.0.0.0/8, ::1, and the first mapped into the second."""
    assert is_loopback_address(host)


@pytest.mark.parametrize(
    "host", ["128.0.0.1", "127.0.0.1.evil.test", "127.evil.test.1", "::2", "::ffff:8.8.8.8", "0.0.0.0", ""]
)
def test_what_only_looks_like_loopback_is_not(host: str) -> None:
    """A name that begins like an address is a name."""
    assert not is_loopback_address(host)


# -- names and addresses ----------------------------------------------------------------------------------------------


def test_numbers_and_localhost_ask_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread and no resolver for what is known; localhost is both loopbacks, whatever a resolver would say."""
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread"))
    assert [a.host for a in resolve("127.0.0.1", 80, 0)] == ["127.0.0.1"]
    assert [a.host for a in resolve("localhost", 80, 0)] == ["127.0.0.1", "::1"]
    assert [a.host for a in resolve("::1", 80, 0)] == ["::1"]
    assert numeric("example.com", 80) is None


def test_name_that_does_not_exist(names: dict[str, list[str]]) -> None:
    """A connection error with the resolver's words; nothing was sent."""
    with pytest.raises(BackendConnectionError, match="could not be resolved") as caught:
        post("http://nowhere.test")
    assert not caught.value.sent


def test_name_that_is_none() -> None:
    """An empty label never resolves, so it is not worth retrying."""
    with pytest.raises(BackendConnectionError) as caught:
        post("http://a..b.test")
    assert not caught.value.retryable


def test_slow_resolver_is_left_behind_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, steady_clock: SteadyClock
) -> None:
    """getaddrinfo cannot be interrupted; it does not hold the call. A cancel ends the wait as well."""
    stop = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: stop.wait(10) and [])
    try:
        began = steady_clock()
        with pytest.raises(BackendTimeoutError) as caught:
            post("http://slow.test", seconds=0.3)
        assert not caught.value.sent
        token = CancelToken()
        threading.Timer(0.1, token.cancel).start()
        with pytest.raises(CancelledError):
            post("http://slow.test", cancel=token)
        assert steady_clock() - began < 1
    finally:
        stop.set()


def test_every_address_gets_its_share_of_the_time(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, steady_clock: SteadyClock
) -> None:
    """Addresses that swallow packets do not multiply the limit, nor starve the one that works."""
    real = socket.socket.connect

    class Swallowing(socket.socket):
        def connect(self, address):
            if address[0] != "127.0.0.1":
                time.sleep(self.gettimeout())
                raise TimeoutError("timed out")
            return real(self, address)

    monkeypatch.setattr(socket, "socket", Swallowing)
    with FaultyServer([REQUEST, ok()]) as server:
        names["both.test"] = ["192.0.2.1", "127.0.0.1"]
        assert post(f"http://both.test:{server.port}", connect_timeout=2.0).status == 200
    names["dead.test"] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    began, steadily = time.monotonic(), steady_clock()
    with pytest.raises(BackendTimeoutError) as caught:
        post("http://dead.test", connect_timeout=0.4)
    assert time.monotonic() - began > 0.3
    assert steady_clock() - steadily < 0.4 * 1.1 + 0.3
    assert not caught.value.sent


def test_connection_that_hangs_keeps_the_deadline_and_can_be_cancelled(steady_clock: SteadyClock) -> None:
    """A server whose queue is full answers no connect: given up in time, and at once when cancelled."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]
        for sock in filling:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
        began = steady_clock()
        with pytest.raises(BackendTimeoutError) as caught:
            post(f"http://127.0.0.1:{port}", seconds=0.3)
        assert not caught.value.sent
        token = CancelToken()
        threading.Timer(0.1, token.cancel).start()
        with pytest.raises(CancelledError):
            post(f"http://127.0.0.1:{port}", cancel=token)
        assert steady_clock() - began < 1
        for sock in filling:
            sock.close()


def test_second_address_answers_where_the_first_refuses() -> None:
    """localhost is tried as IPv4 and IPv6."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        thread = threading.Thread(target=lambda: _answer_one(listener))
        thread.start()
        assert post(f"http://localhost:{listener.getsockname()[1]}").status == 200
        thread.join()


def _answer_one(listener: socket.socket) -> None:
    sock, _ = listener.accept()
    with sock:
        read_request(sock)
        sock.sendall(ok())


# -- local only -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_call", [False, True], ids=["backend", "call"])
def test_local_only_neither_connects_nor_resolves(per_call: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must stay on the machine is refused before a resolver hears of it, for the backend or for one call."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: pytest.fail("resolved"))
    monkeypatch.setattr(socket.socket, "connect", lambda *a: pytest.fail("connected"))
    for host in ("provider.test", "8.8.8.8", "127.0.0.1.provider.test"):
        transport = Transport(f"http://{host}", local_only=not per_call)
        with pytest.raises(BackendConnectionError, match="this machine") as caught:
            transport.request("POST", "/v1", b"{}", deadline=Deadline(5), local_only=per_call)
        assert not caught.value.sent
        assert not caught.value.retryable


def test_local_only_answers_from_loopback_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loopback server is reached directly, whatever proxy is set."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with FaultyServer([REQUEST, ok()]) as server:
        assert post(server.url, local_only=True).status == 200


def test_peer_beyond_loopback_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a loopback address lead elsewhere, the connection is dropped before a byte is sent."""
    with FaultyServer([REQUEST, ok()]) as server:
        monkeypatch.setattr(socket.socket, "getpeername", lambda self: ("203.0.113.9", 80))
        with pytest.raises(BackendConnectionError) as caught:
            post(server.url, local_only=True)
        assert not caught.value.sent
    assert server.requests == []
