"""Names, addresses, TLS and proxies: who is reached, who is not, and that all of it keeps the deadline."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    CancelledError,
    ConfigError,
)
from complaint_llm.secrets import Secret
from complaint_llm.testing.steady_clock import SteadyClock
from complaint_llm.transport import Transport
from complaint_llm.transport.origin import is_loopback_address, parse_origin
from complaint_llm.transport.resolve import numeric, resolve
from tests.transport.faulty import HANG, REQUEST, Drip, FaultyServer, ok, read_request

TLS = Path(__file__).parent / "tls"
"""A test authority and its certificate for provider.test, localhost and 127.0.0.1, valid for a hundred years."""
AUTHORITY = str(TLS / "authority.pem")
HOST = "provider.test"
REAL_LOOKUP = socket.getaddrinfo


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name service of our own: hosts and their addresses; what it does not know does not exist."""
    known = {HOST: ["127.0.0.1"]}

    def getaddrinfo(host, port, *args, **options):
        if host[0].isdigit():
            return REAL_LOOKUP(host, port, *args, **options)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context


def post(url: str, *, seconds: float = 5, connect_timeout: float = 10, cancel: CancelToken | None = None, **options):
    transport = Transport(url, connect_timeout=connect_timeout, **options)
    try:
        return transport.request("POST", "/v1", b"{}", deadline=Deadline(seconds), cancel=cancel)
    finally:
        transport.close()


# -- the URL --------------------------------------------------------------------------------------------------------


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


# -- names and addresses --------------------------------------------------------------------------------------------


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


# -- local only -----------------------------------------------------------------------------------------------------


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


# -- TLS ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_tls_is_spoken_and_reused_with_the_named_authority(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A company's own CA is trusted where a variable names it; TLS connections are kept (session tickets and all)."""
    monkeypatch.setenv(variable, AUTHORITY)
    with FaultyServer([REQUEST, ok(b"1"), REQUEST, ok(b"2")], tls=server_tls()) as server:
        transport = Transport(f"https://127.0.0.1:{server.port}")
        for body in (b"1", b"2"):
            assert transport.request("POST", "/v1", b"{}", deadline=Deadline(5)).body == body
        transport.close()
    assert server.connections == 1


def test_unknown_authority_is_refused() -> None:
    """Certificates are verified; the error says so, is not worth retrying, and nothing was sent."""
    with FaultyServer([REQUEST, ok()], tls=server_tls()) as server:
        with pytest.raises(BackendConnectionError, match="certificate") as caught:
            post(f"https://127.0.0.1:{server.port}")
        assert not caught.value.retryable
        assert not caught.value.sent
    assert server.requests == []


def test_certificate_of_another_host_is_refused(names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is checked, too."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)
    names["other.test"] = ["127.0.0.1"]
    server = FaultyServer([REQUEST, ok()], tls=server_tls())
    with server, pytest.raises(BackendConnectionError, match="certificate"):
        post(f"https://other.test:{server.port}")
    assert server.requests == []


def test_missing_authority_is_a_clear_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable and the path are named when the backend is made."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ConfigError, match=r"REQUESTS_CA_BUNDLE names /nowhere/ca\.pem"):
        Transport("https://provider.test")


@pytest.mark.parametrize(
    "script",
    [[HANG], [b"\x16\x03\x03\x40\x00", Drip(b"\x02", 0.05, True)]],
    ids=["silent", "dripped"],
)
def test_tls_handshake_keeps_the_deadline_and_can_be_cancelled(script, steady_clock: SteadyClock) -> None:
    """A handshake that never ends is given up in time, and at once when cancelled."""
    with FaultyServer(script) as server:
        url = f"https://127.0.0.1:{server.port}"
        began = steady_clock()
        with pytest.raises(BackendTimeoutError) as caught:
            post(url, seconds=0.4)
        assert steady_clock() - began < 0.4 * 1.1 + 0.3
        assert not caught.value.sent
        token = CancelToken()
        threading.Timer(0.1, token.cancel).start()
        began = steady_clock()
        with pytest.raises(CancelledError):
            post(url, seconds=10, cancel=token)
        assert steady_clock() - began < 1


@pytest.mark.parametrize("script", [[REQUEST, HANG], [REQUEST, Drip(ok(bytes(999)), 0.03)], [HANG]])
def test_deadline_holds_inside_tls(script, monkeypatch: pytest.MonkeyPatch, steady_clock: SteadyClock) -> None:
    """Silence, a drip of records and an upload that nobody reads end in time."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)
    with FaultyServer(script, tls=server_tls()) as server:
        transport = Transport(f"https://127.0.0.1:{server.port}")
        body = bytes(32 << 20) if script == [HANG] else b"{}"
        began = steady_clock()
        with pytest.raises(BackendTimeoutError):
            transport.request("POST", "/v1", body, deadline=Deadline(0.5))
        assert steady_clock() - began < 0.5 * 1.1 + 0.5
        transport.close()


# -- proxies --------------------------------------------------------------------------------------------------------


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


# -- netrc ----------------------------------------------------------------------------------------------------------


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
