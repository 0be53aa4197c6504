"""Proxies and passwords of the environment, as requests follows them."""

from __future__ import annotations

import base64
import socket
import threading
from pathlib import Path

import pytest

from complaint_llm.call import Deadline
from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    ConfigError,
)
from complaint_llm.secrets import Secret
from complaint_llm.testing.steady_clock import SteadyClock
from complaint_llm.transport import Transport
from tests.transport.faulty import HANG, REQUEST, Drip, FaultyServer, ok
from tests.transport.reach import AUTHORITY, HOST, post, server_tls

# -- proxies ----------------------------------------------------------------------------------------------------------


def tunnel(port: int, seen: list[bytes]):
    """Plays a CONNECT proxy that leads to ``port`` on this machine."""

    def play(sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(1)
        seen.append(head)
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as far:
            back = threading.Thread(target=_pump, args=(far, sock), daemon=True)
            back.start()
            _pump(sock, far)
            back.join(5)

    return play


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except (OSError, ValueError):
        pass


def test_plain_http_goes_to_the_proxy_with_its_whole_url(names, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forwarding proxy reads where to go from the request, and its password from a header."""
    with FaultyServer([REQUEST, ok(b"via")]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        assert post("http://provider.test/base").body == b"via"
    assert proxy.requests[0].startswith(b"POST http://provider.test/base/v1 HTTP/1.1\r\nHost: provider.test\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:p@ss") in proxy.requests[0]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_https_goes_through_a_tunnel(scheme: str, names, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy sees the host and its own password, never the request; over TLS to the proxy, too."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)
    seen: list[bytes] = []
    server = FaultyServer([REQUEST, ok(b"1"), REQUEST, ok(b"2")], tls=server_tls())
    proxy = FaultyServer([tunnel(server.port, seen)], tls=server_tls() if scheme == "https" else None)
    with server, proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://user:pw@127.0.0.1:{proxy.port}")
        transport = Transport(f"https://{HOST}:{server.port}", headers={"Authorization": Secret("Bearer key")})
        for body in (b"1", b"2"):
            assert transport.request("POST", "/v1", b"{}", deadline=Deadline(5)).body == body
        transport.close()
    assert len(seen) == 1
    assert seen[0].startswith(b"CONNECT provider.test:%d HTTP/1." % server.port)
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:pw") in seen[0]
    assert b"key" not in seen[0]
    assert b"Authorization: Bearer key" in server.requests[0]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([REQUEST, HANG], BackendTimeoutError),
        ([REQUEST, Drip(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 999, 0.03)], BackendTimeoutError),
        ([REQUEST, b"HTTP/1.1 200 OK\r\n\r\n", HANG], BackendTimeoutError),
        ([REQUEST, b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03\x40\x00", Drip(b"\x02", 0.05, True)], BackendTimeoutError),
        ([REQUEST, b"HTTP/1.1 407 Who are you\r\n\r\n"], BackendConnectionError),
        ([REQUEST], BackendConnectionError),
        ([REQUEST, b"garbage\r\n"], BackendError),
    ],
    ids=["silent", "dripped answer", "silent tunnel", "dripped handshake", "refuses", "closes", "garbage"],
)
def test_faulty_proxies_are_errors_in_time(
    script, kind, names, monkeypatch: pytest.MonkeyPatch, steady_clock: SteadyClock
) -> None:
    """Each phase of a tunnel keeps the deadline; nothing was sent, and the password is in no message."""
    with FaultyServer(script) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@127.0.0.1:{proxy.port}")
        began = steady_clock()
        with pytest.raises(kind) as caught:
            post(f"https://{HOST}", seconds=0.5)
        assert steady_clock() - began < 0.5 * 1.1 + 0.3
        assert not caught.value.sent
        assert "hunter2" not in str(caught.value)
        assert base64.b64encode(b"user:hunter2").decode() not in str(caught.value)


def test_dripping_proxy_over_tls_keeps_the_deadline(
    names, monkeypatch: pytest.MonkeyPatch, steady_clock: SteadyClock
) -> None:
    """TLS within TLS reads many times for one step of the inner handshake; together they end in time."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)
    answer = b"HTTP/1.1 200 OK\r\n\r\n"
    with FaultyServer([REQUEST, answer, b"\x16\x03\x03\x40\x00", Drip(b"\x02", 0.05, True)], tls=server_tls()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
        began = steady_clock()
        with pytest.raises(BackendTimeoutError):
            post(f"https://{HOST}", seconds=0.5)
        assert steady_clock() - began < 0.5 * 1.1 + 0.3


def test_no_proxy_and_loopback_go_directly(names, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY is obeyed as requests obeys it, and a local server needs no entry in it."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "other.test,.provider.test,provider.test")
    with FaultyServer([REQUEST, ok()]) as server:
        assert post(f"http://{HOST}:{server.port}").status == 200
        assert post(f"http://localhost:{server.port}").status == 200


def test_socks_proxy_is_refused_when_the_backend_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be used is said before the first request, without the proxy's password."""
    monkeypatch.setenv("ALL_PROXY", "socks5://u:hunter2@127.0.0.1:9")
    with pytest.raises(ConfigError, match="socks5") as caught:
        Transport("https://provider.test")
    assert "hunter2" not in str(caught.value)


# -- netrc ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True], ids=["no key of its own", "a key of its own"])
def test_netrc_is_used_only_without_a_key(own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login of the user's netrc goes out as requests would send it, never instead of a backend's key."""
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login me password pw\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    with FaultyServer([REQUEST, ok()]) as server:
        post(server.url, headers={"X-Api-Key": Secret("k")} if own else {})
    assert (b"Authorization: Basic " + base64.b64encode(b"me:pw") in server.requests[0]) != own
