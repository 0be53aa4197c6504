"""The bytes before a request's body, made once per backend; keys are in them, so they are never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.secrets import Secret

Headers = Mapping[str, str | Secret]


class OutgoingRequest(NamedTuple):
    """One request. ``first_byte`` and ``gap`` limit the silence before its answer and inside it, in seconds."""

    method: str
    path: str
    body: bytes | None
    headers: Headers
    first_byte: float | None = None
    gap: float | None = None

    def __repr__(self) -> str:
        # Tracebacks with locals print it, and prompts are in it.
        return f"<OutgoingRequest {self.method} {self.path}>"


_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_BAD_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]").search
_FRAMING = frozenset(("content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"))


class RequestHead:
    """Renders requests to one origin. Immutable. ``prefix`` goes before each path: the base URL's own, or for a
    forwarding proxy the whole URL.
    """

    __slots__ = ("_headers", "_lines", "_prefix")

    def __init__(self, prefix: str, headers: Headers) -> None:
        """Raises InvalidRequestError for a header that cannot be sent; its value is not repeated."""
        self._prefix = prefix
        self._headers = _lines(headers)
        self._lines = _join(self._headers)

    def render(self, request: OutgoingRequest) -> bytes:
        """The request, ready to be sent. Call it inside the sending expression: the result holds the keys."""
        method, wanted = request.method, f"{request.method} {self._prefix}{request.path}"
        visible = wanted.isascii() and wanted.isprintable() and wanted.count(" ") == 1
        if not visible or not request.path.startswith("/") or not (method.isalpha() and method.isupper()):
            raise InvalidRequestError(
                f"the path of a request starts with / and is ASCII without blanks: {request.path[:100]!r}", sent=False
            )
        lines = self._lines
        if request.headers:
            lines = _join({**self._headers, **_lines(request.headers)})
        body = request.body
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        return f"{wanted} HTTP/1.1\r\n{lines.reveal()}{length}\r\n".encode("latin-1") + (body or b"")

    def __repr__(self) -> str:
        return "<RequestHead>"


def _lines(headers: Headers) -> Mapping[str, Secret]:
    return {name.lower(): _line(name, value) for name, value in headers.items()}


def _line(name: str, value: str | Secret) -> Secret:
    """One header line. No error here may carry the value, as an encoding error's repr would."""
    if not _NAME(name) or name.lower() in _FRAMING:
        raise InvalidRequestError(
            f"the header {name[:60]!r} is no header name or not yours to set: leave it out", sent=False
        )
    if _BAD_VALUE(value.reveal() if isinstance(value, Secret) else value):
        raise InvalidRequestError(
            f"the header {name} has a line break or a character beyond Latin-1 in its value: correct it", sent=False
        )
    return Secret(f"{name}: {value.reveal() if isinstance(value, Secret) else value}\r\n")


def _join(lines: Mapping[str, Secret]) -> Secret:
    return Secret("".join(line.reveal() for line in lines.values()))
