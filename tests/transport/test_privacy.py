"""A key that goes out with every request shows nowhere else; and what is imported for it."""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback

import pytest

from complaint_llm.call import Deadline
from complaint_llm.exceptions import BackendError
from complaint_llm.secrets import Redactor, Secret
from complaint_llm.transport import Transport
from tests.transport.faulty import HANG, REQUEST, FaultyServer, ok
from tests.transport.reach import AUTHORITY, server_tls

KEY = "sk-canary-0123456789"


def everything(error: BaseException) -> str:
    """The traceback with the locals of every frame, causes and contexts, and the reprs of all."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines = list(shown.format())
    step: BaseException | None = error
    while step is not None:
        lines.append(repr(step) + repr(step.args) + repr(vars(step)))
        step = step.__cause__ or step.__context__
    return "\n".join(lines)


@pytest.mark.parametrize(
    "script",
    [
        [],
        [REQUEST],
        [REQUEST, HANG],
        [REQUEST, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx"],
        [REQUEST, b"HTTP/1.1 302 Go\r\nLocation: http://" + KEY.encode() + b"/\r\n\r\n"],
        [REQUEST, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + KEY.encode() + b"\r\n\r\n"],
        [REQUEST, KEY.encode() + b"\r\n\r\n"],
    ],
    ids=[
        "not read",
        "closed",
        "silent",
        "cut",
        "redirect that echoes it",
        "header that echoes it",
        "line that echoes it",
    ],
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_key_is_in_no_traceback_with_locals(script, tls: bool, caplog: pytest.LogCaptureFixture, monkeypatch) -> None:
    """Whatever fails, and even if the server says the key back: not in the frames, causes, reprs or DEBUG logs."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)
    secret = Secret(f"Bearer {KEY}")
    with FaultyServer(script, tls=server_tls() if tls else None) as server:
        transport = Transport(
            f"{'https' if tls else 'http'}://127.0.0.1:{server.port}",
            headers={"Authorization": secret},
            redact=Redactor([Secret(KEY)]),
        )
        body = bytes(8 << 20) if not script else b"{}"
        with pytest.raises(BackendError) as caught:
            transport.request("POST", "/v1", body, headers={"X-Key": secret}, deadline=Deadline(0.3))
        transport.close()
        assert KEY not in everything(caught.value).replace(repr(script), "")
        assert KEY not in caplog.text
        assert KEY not in repr([transport, vars(transport)])
        if script:
            assert KEY.encode() in server.requests[0]


@pytest.mark.parametrize("value", [f"{KEY}\r\nX: y", f"{KEY}\u20ac"])
def test_key_that_cannot_be_sent_is_not_repeated(value: str) -> None:
    """The error for a key with a line break (copied with its newline) names the header and not the key."""
    with pytest.raises(BackendError, match="Authorization") as caught:
        Transport("http://127.0.0.1:1", headers={"Authorization": Secret(value)})
    assert KEY not in everything(caught.value).replace(repr(value), "").replace(ascii(value), "")


def test_response_headers_do_not_show_their_values() -> None:
    """Cookies and request ids of a provider are no matter for a repr; names of any case find them."""
    with FaultyServer([REQUEST, ok(b"{}", b"Set-Cookie: abc\r\nX-A: 1\r\nx-a: 2\r\n")]) as server:
        transport = Transport(server.url)
        response = transport.request("GET", "/", None, deadline=Deadline(5))
        transport.close()
    assert "abc" not in repr(response.headers)
    assert response.headers["SET-cookie"] == "abc"
    assert response.headers.get("X-a") == "1, 2"
    assert response.headers.get("missing") is None


def test_plain_loopback_request_imports_neither_requests_nor_urllib3() -> None:
    """Cold start: TLS and proxies are paid for by those who use them."""
    code = (
        "import sys\n"
        "from complaint_llm.transport import Transport\n"
        "from complaint_llm.call import Deadline\n"
        "t = Transport(sys.argv[1])\n"
        "assert t.request('POST', '/v1', b'{}', deadline=Deadline(5)).status == 200\n"
        "t.close()\n"
        "print(sorted({'requests', 'urllib3', 'certifi', 'yaml', 'dataclasses'} & set(sys.modules)))\n"
    )
    with FaultyServer([REQUEST, ok()]) as server:
        done = subprocess.run([sys.executable, "-c", code, server.url], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
