"""TLS is spoken with the named authority, within the deadline."""

from __future__ import annotations

import threading

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
from tests.transport.faulty import HANG, REQUEST, Drip, FaultyServer, ok
from tests.transport.reach import AUTHORITY, post, server_tls


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
