"""One map from the errors of sockets, TLS, http.client, zlib and urllib3 to ours.

The foreign side is named by text, so that nothing is imported for an error that never came.
"""

from __future__ import annotations

from complaint_llm.exceptions import BackendConnectionError, BackendError, BackendTimeoutError, ResponseFormatError
from complaint_llm.named_tuples import NamedTuple

MAX_TEXT = 200
"""Characters of a foreign message that are repeated in ours."""


class Meaning(NamedTuple):
    """What a foreign error means here: our class, our words, and whether the same request may succeed later."""

    kind: type[BackendError]
    text: str
    retryable: bool | None = None


_BROKEN = Meaning(BackendConnectionError, "the connection broke")
_UNREACHED = Meaning(BackendConnectionError, "no connection")
_LATE = Meaning(BackendTimeoutError, "no answer in time")
_PROXY = Meaning(BackendConnectionError, "the proxy refused or failed")
_MALFORMED = Meaning(ResponseFormatError, "the answer is no valid HTTP")
CUT = Meaning(ResponseFormatError, "the answer is cut off")
"""For a whole answer; a stream is interrupted."""
_ENCODING = Meaning(ResponseFormatError, "the answer's compression is damaged")
_ADDRESS = Meaning(BackendConnectionError, "the host's name is not valid", retryable=False)
_TLS = Meaning(BackendConnectionError, "the TLS connection failed")
_CERTIFICATE = Meaning(
    BackendConnectionError, "the certificate was not accepted (for a company's own CA set REQUESTS_CA_BUNDLE)", False
)

# Looked up along the error's base classes, nearest first.
FOREIGN: dict[str, Meaning] = {
    "builtins.TimeoutError": _LATE,
    "builtins.OSError": _BROKEN,
    "builtins.ConnectionRefusedError": Meaning(BackendConnectionError, "connection refused: is the server running?"),
    "builtins.EOFError": CUT,
    "builtins.UnicodeError": _ADDRESS,
    "socket.gaierror": Meaning(BackendConnectionError, "the host's name could not be resolved"),
    "socket.herror": Meaning(BackendConnectionError, "the host's name could not be resolved"),
    "ssl.SSLError": _TLS,
    "ssl.SSLCertVerificationError": _CERTIFICATE,
    "zlib.error": _ENCODING,
    "http.client.HTTPException": _MALFORMED,
    "http.client.IncompleteRead": CUT,
    "http.client.RemoteDisconnected": Meaning(BackendConnectionError, "the server closed without an answer"),
    "http.client.NotConnected": _UNREACHED,
    "http.client.InvalidURL": _ADDRESS,
    "http.client.ImproperConnectionState": _BROKEN,
    "urllib3.exceptions.HTTPError": _BROKEN,
    "urllib3.exceptions.TimeoutError": _LATE,
    "urllib3.exceptions.NewConnectionError": _UNREACHED,
    "urllib3.exceptions.NameResolutionError": Meaning(BackendConnectionError, "the host's name could not be resolved"),
    "urllib3.exceptions.SSLError": _TLS,
    "urllib3.exceptions.ProxyError": _PROXY,
    "urllib3.exceptions.ProxySchemeUnknown": _PROXY,
    "urllib3.exceptions.ProxySchemeUnsupported": _PROXY,
    "urllib3.exceptions.LocationValueError": _ADDRESS,
    "urllib3.exceptions.DecodeError": _ENCODING,
    "urllib3.exceptions.IncompleteRead": CUT,
    "urllib3.exceptions.InvalidChunkLength": CUT,
    "urllib3.exceptions.InvalidHeader": _MALFORMED,
    "urllib3.exceptions.HeaderParsingError": _MALFORMED,
    "urllib3.exceptions.ResponseError": _MALFORMED,
    "urllib3.exceptions.ResponseNotChunked": _MALFORMED,
    "urllib3.exceptions.BodyNotHttplibCompatible": _MALFORMED,
    "urllib3.util.ssl_match_hostname.CertificateError": _CERTIFICATE,
}


def meaning_of(error: BaseException) -> Meaning | None:
    """The row of the nearest base class of ``error``; None for one that is no failure of the network (our bug)."""
    for base in type(error).__mro__:
        found = FOREIGN.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            return found
    return None


def brief(error: BaseException) -> str:
    """The foreign message on one line, at most ``MAX_TEXT`` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def without_frames(error: BaseException) -> BaseException:
    """``error`` and its causes without tracebacks: foreign frames hold the request, key and all, in their locals."""
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        step.__traceback__ = None
        step = step.__cause__ or step.__context__
    return error


class UnusableAnswer(Exception):  # noqa: N818 - becomes a ResponseFormatError with this text
    """An answer whose framing, size or compression rules it out. The text says why and repeats nothing of the answer,
    for a server may echo a key and a cause is shown unredacted."""


class CutOff(Exception):  # noqa: N818 - becomes a ResponseFormatError, or a StreamInterruptedError
    """An answer that ended, or went wrong between its chunks, before its end. The text repeats nothing of it."""


class NoAnswer(ConnectionResetError):  # noqa: N818 - becomes a BackendConnectionError
    """A connection that the server closed before the first byte of an answer."""


class UnusableBundle(Exception):  # noqa: N818 - becomes a BackendConnectionError with this text
    """CA certificates that cannot be read; the text names their file."""


FOREIGN["complaint_llm.transport.failures.UnusableAnswer"] = Meaning(ResponseFormatError, "the answer cannot be used")
FOREIGN["complaint_llm.transport.failures.CutOff"] = CUT
FOREIGN["complaint_llm.transport.failures.NoAnswer"] = Meaning(
    BackendConnectionError, "the server closed without an answer"
)
FOREIGN["complaint_llm.transport.failures.UnusableBundle"] = Meaning(
    BackendConnectionError,
    "the CA certificates cannot be used: correct or unset REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE",
    retryable=False,
)
