"""An answer read from a connection: the standard library's parser, made strict, and the body within its limit."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from complaint_llm.transport.connection import BUFFER, Connection
from complaint_llm.transport.failures import UnusableAnswer
from complaint_llm.transport.fields import Fields
from complaint_llm.transport.inflate import Inflater

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_HEAD = 256 * 1024
"""Bytes of status line and headers, those of interim answers included."""

MAX_LINES = 1000
"""Lines of them; the standard library takes 100 headers."""


class StrictResponse(http.client.HTTPResponse):
    """One answer. The standard library frames the body; the head is read here: its own parser is made for mail, stops
    at interim answers, and takes a head that is cut off for a whole one.
    """

    chunked: bool
    length: int | None
    _method: str

    def __init__(self, connection: Connection, method: str) -> None:
        super().__init__(connection, method=method)  # type: ignore[arg-type]  # only makefile is called
        self._room = MAX_HEAD
        self._lines_left = MAX_LINES
        self.fields = Fields({})

    def begin(self) -> None:
        """Read up to the body, passing interim answers over. Raises OSError, RemoteDisconnected, UnusableAnswer."""
        while True:
            lines = self._lines()
            version, self.status = _status(next(lines))
            values = _field_values(lines)
            if self.status >= 200 or self.status == 101:
                break
        self.fields = Fields(values)
        connection = values.get("connection", "").lower()
        self.will_close = "close" in connection if version >= "HTTP/1.1" else "keep-alive" not in connection
        self._frame(values.get("transfer-encoding"), values.get("content-length"))

    def _lines(self) -> Iterator[str]:
        """The lines of a head, without their line feeds and without the blank line at its end."""
        begun = False
        while (line := self.fp.readline(self._room + 1)) not in (b"\r\n", b"\n") or not begun:
            self._count_head(len(line))
            if line[-1:] != b"\n":
                if line or self._room < MAX_HEAD:
                    raise UnusableAnswer("it is cut off inside the headers")
                raise http.client.RemoteDisconnected("closed before the first byte")
            begun = True
            yield line[:-1].decode("latin-1")

    def _count_head(self, size: int) -> None:
        self._room -= size
        self._lines_left -= 1
        if self._room < 0 or self._lines_left < 0:
            raise UnusableAnswer(f"its headers are larger than {MAX_HEAD} bytes or {MAX_LINES} lines")

    def _frame(self, encoding: str | None, length: str | None) -> None:
        """How the body ends (RFC 9112, 6.3). What could be read in two ways is refused."""
        self.chunked = encoding is not None and encoding.lower() == "chunked"
        self.chunk_left = None
        self.length = None
        if encoding is not None and not self.chunked and encoding.lower() != "identity":
            raise UnusableAnswer("its transfer-encoding is not chunked")
        if self.status in (101, 204, 304) or self._method == "HEAD":
            self.chunked, self.length = False, 0
        elif length is not None and not self.chunked:
            first, *others = [part.strip() for part in length.split(",")]
            if not (first.isascii() and first.isdecimal() and len(first) < 20) or any(
                other != first for other in others
            ):
                raise UnusableAnswer("its content-length is not one number")
            self.length = int(first)
        elif not self.chunked:
            self.will_close = True  # the end of the connection is the end of the body

    def _read_next_chunk_size(self) -> int:
        # Signs are part of a number to int(), and -1 would read without end.
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise UnusableAnswer("a chunk has a negative size")
        return size


def _status(line: str) -> tuple[str, int]:
    """The version and the status of a status line."""
    version, status = line[:8], line[9:12]
    if not (version.startswith("HTTP/1.") and status.isdecimal() and line[12:13] in " \r" and status >= "100"):
        raise UnusableAnswer("it does not begin as HTTP/1 does")
    return version, int(status)


def _field_values(lines: Iterator[str]) -> dict[str, str]:
    """The values of headers by their names in small letters; those of one name are joined as a list (RFC 9110, 5.3)."""
    values: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if line[0] in " \t" and name:
            values[name].append(f" {line.strip()}")  # a folded line belongs to the one before
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise UnusableAnswer("one of its headers has no colon")
        name, value = name.strip().lower(), value.strip()
        if name in values:
            values[name].append(f", {value}")
        else:
            values[name] = [value]
    return {name: "".join(parts) for name, parts in values.items()}


class Body:
    """The bytes of an answer's body, decompressed, at most ``limit`` of them. Used by one thread."""

    __slots__ = ("_inflater", "_limit", "_received", "_reply", "ended")

    def __init__(self, reply: StrictResponse, limit: int) -> None:
        self._reply = reply
        self._limit = limit
        self._received = 0
        self._inflater: Inflater | None = None
        self.ended = False
        encoding = reply.fields.get("content-encoding")
        if encoding and encoding.lower() != "identity":
            self._inflater = Inflater(encoding.lower(), limit)

    def read_all(self) -> bytes:
        """All that is left. Raises UnusableAnswer if that is too much or damaged, http.client.IncompleteRead if cut."""
        reply = self._reply
        length = reply.length
        if length is not None and length + self._received > self._limit:
            raise self._too_large()
        data = reply.read() if length is not None else reply.read(self._limit - self._received + 1)
        return self._decompress(data, ended=True)

    def read_piece(self) -> bytes:
        """What comes next, as soon as it comes; empty at the end. Raises as ``read_all``."""
        reply = self._reply
        while not self.ended:
            data: bytes = reply.read1(BUFFER)
            if not data and reply.length:
                raise http.client.IncompleteRead(b"", reply.length)
            data = self._decompress(data, ended=not data or reply.length == 0)
            if data:
                return data
        return b""

    def _decompress(self, data: bytes, *, ended: bool) -> bytes:
        self._received += len(data)
        if self._received > self._limit:
            raise self._too_large()
        if self._inflater is not None:
            data = self._inflater.feed(data)
            if ended:
                self._inflater.finish()
        self.ended = ended
        return data

    def _too_large(self) -> UnusableAnswer:
        return UnusableAnswer(f"it is larger than {self._limit} bytes")


def is_reusable(reply: StrictResponse, connection: Connection) -> bool:
    """Whether another request may follow on this connection, the body having been read."""
    return not (reply.will_close or connection.raw.ended or connection.closed or connection.aborted)


def location_of(fields: Fields) -> str:
    """The host that a redirect points to, without path and credentials; empty where it names none."""
    scheme, found, rest = fields.get("location", "").partition("//")
    if not found or (scheme and not scheme.endswith(":")):
        return ""
    authority = rest.split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    return authority.rpartition("@")[2][:100]
