"""What a machine's own settings can get wrong: proxies, certificates, address families, names in other scripts."""

from __future__ import annotations

import errno
import socket
import traceback
from pathlib import Path

import pytest

from complaint_llm.call import Deadline
from complaint_llm.exceptions import BackendConnectionError, ConfigError
from complaint_llm.transport import Transport
from complaint_llm.transport.origin import parse_origin
from tests.transport.faulty import REQUEST, FaultyServer, ok

PASSWORD = "hunter2-secret"


def refused(url: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        Transport(url)
    return caught.value


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://user:{}@proxy.test:99999", "is no URL"),
        ("http://user:{}@proxy.test:31x28", "is no URL"),
        ("http://user:a#{}@proxy.test:3128", "is no URL"),
        ("http://user:{}/a@proxy.test:3128", "is no URL"),
        ("http://user:{}@", "is no URL"),
        ("socks5://user:{}@proxy.test:1", "socks5"),
    ],
)
def test_a_proxy_that_is_no_url_is_a_config_error_that_repeats_nothing_of_it(
    proxy: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in its text, its causes, or the locals of its frames."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(PASSWORD))
    error = refused("https://provider.test")
    assert said in str(error)
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    own = [frame for frame in frames.stack if "/complaint_llm/" in frame.filename]
    assert own
    shown = [str(error), repr(error), repr(error.__cause__), repr(error.__context__), repr([f.locals for f in own])]
    assert PASSWORD not in "".join(shown)


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_a_ca_bundle_without_certificates_is_named_and_not_tried_again(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads as a failed handshake otherwise, which a later try might seem to mend."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(text)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with FaultyServer([REQUEST, ok()]) as server:
        transport = Transport(f"https://127.0.0.1:{server.port}")
        with pytest.raises(BackendConnectionError, match="REQUESTS_CA_BUNDLE") as caught:
            transport.request("POST", "/v1", b"{}", deadline=Deadline(5))
        transport.close()
    assert str(bundle) in str(caught.value)
    assert caught.value.retryable is False
    assert caught.value.sent is False


def test_an_address_family_that_the_system_lacks_does_not_hide_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """With IPv6 switched off in the kernel a name's IPv6 addresses, which come first, cannot even be tried."""

    class WithoutIPv6(socket.socket):
        def __init__(self, family: int = -1, *args: int, **options: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *args, **options)

    with FaultyServer([REQUEST, ok()]) as server:
        port = server.port
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr("complaint_llm.transport.resolve.socket.getaddrinfo", lambda *args, **options: found)
        monkeypatch.setattr("complaint_llm.transport.dial.socket.socket", WithoutIPv6)
        transport = Transport(f"http://provider.test:{port}")
        assert transport.request("POST", "/v1", b"{}", deadline=Deadline(5)).status == 200
        transport.close()


def test_a_name_in_another_script_is_asked_for_as_dns_knows_it() -> None:
    """DNS, TLS and the Host header all want ASCII; what cannot be written so is refused."""
    assert parse_origin("https://Bücher.example/v1").authority == "xn--bcher-kva.example"
    assert parse_origin("https://例え.jp").host == "xn--r8jz45g.jp"
    assert "no valid name" in str(refused("https://\u2488.example"))


def test_a_redirect_within_the_server_names_no_host() -> None:
    """Two slashes in a path begin no host name."""
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /v2//chat\r\nContent-Length: 0\r\n\r\n"
    with FaultyServer([REQUEST, moved]) as server:
        transport = Transport(server.url)
        with pytest.raises(BackendConnectionError, match="points to another path"):
            transport.request("POST", "/v1", b"{}", deadline=Deadline(5))
        transport.close()
