"""Every error of the libraries below has its place in the one map."""

from __future__ import annotations

import http.client
import inspect
import socket
import ssl
import zlib

import pytest
import urllib3.exceptions

from complaint_llm.exceptions import BackendConnectionError, BackendTimeoutError, ResponseFormatError
from complaint_llm.transport.failures import FOREIGN, MAX_TEXT, brief, meaning_of, without_frames

MODULES = [urllib3.exceptions, http.client, ssl, socket]
OWN = ("urllib3.exceptions", "http.client", "ssl", "builtins")
EVERY = sorted(
    {
        kind
        for module in MODULES
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError))
        or (kind.__module__ in OWN and issubclass(kind, Exception) and not issubclass(kind, Warning))
    }
    | {kind for kind in OSError.__subclasses__() if kind.__module__ == "builtins"}
    | {zlib.error, OSError, TimeoutError, *ConnectionError.__subclasses__()},
    key=lambda kind: f"{kind.__module__}.{kind.__name__}",
)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_foreign_error_is_mapped(kind: type[Exception]) -> None:
    """An error class that a new version of a library adds outside the known ones fails here, not at a user's."""
    error = kind.__new__(kind)
    meaning = meaning_of(error)
    assert meaning is not None
    assert meaning.kind in (BackendConnectionError, BackendTimeoutError, ResponseFormatError)


def test_names_in_the_map_exist() -> None:
    """A row whose class is gone or misspelt would never match."""
    import importlib

    for name in FOREIGN:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), BaseException), name


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), BackendTimeoutError),
        (socket.gaierror(-2, "x"), BackendConnectionError),
        (ConnectionRefusedError(), BackendConnectionError),
        (ssl.SSLCertVerificationError("x"), BackendConnectionError),
        (http.client.RemoteDisconnected("x"), BackendConnectionError),
        (http.client.IncompleteRead(b""), ResponseFormatError),
        (http.client.LineTooLong("x"), ResponseFormatError),
        (zlib.error("x"), ResponseFormatError),
        (urllib3.exceptions.ProxyError("x", OSError()), BackendConnectionError),
        (urllib3.exceptions.DecodeError("x"), ResponseFormatError),
        (urllib3.exceptions.NewConnectionError.__new__(urllib3.exceptions.NewConnectionError), BackendConnectionError),
        (urllib3.exceptions.ReadTimeoutError.__new__(urllib3.exceptions.ReadTimeoutError), BackendTimeoutError),
    ],
)
def test_meaning_follows_the_nearest_base(error: Exception, kind: type[Exception]) -> None:
    """A refused connection is no time-out although urllib3 derives it from one; a lost peer is no bad status line."""
    meaning = meaning_of(error)
    assert meaning is not None
    assert meaning.kind is kind


def test_our_own_bugs_are_not_failures_of_the_network() -> None:
    """A TypeError must not be retried as if a server had failed."""
    assert meaning_of(TypeError("x")) is None
    assert meaning_of(KeyboardInterrupt()) is None


def test_foreign_text_is_one_bounded_line() -> None:
    """What a server or library says cannot flood or break a log."""
    assert brief(OSError("a\nb\r\n  c")) == "a b c"
    assert len(brief(OSError("x" * 10_000))) == MAX_TEXT
    assert brief(OSError()) == "OSError"


def test_causes_are_kept_without_their_frames() -> None:
    """Foreign frames hold the request with its key; type, text and chain of the causes stay."""
    try:
        try:
            raise OSError("first")
        except OSError as first:
            raise ValueError("second") from first
    except ValueError as second:
        kept = without_frames(second)
    assert kept.__traceback__ is None
    assert isinstance(kept.__cause__, OSError)
    assert kept.__cause__.__traceback__ is None
