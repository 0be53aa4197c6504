"""A provider's name on loopback, its certificate, and one request to it."""

from __future__ import annotations

import ssl
from pathlib import Path

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.transport import Transport

TLS = Path(__file__).parent / "tls"
"""A test authority and its certificate for provider.test, localhost and 127.0.0.1, valid for a hundred years."""
AUTHORITY = str(TLS / "authority.pem")
HOST = "provider.test"


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
