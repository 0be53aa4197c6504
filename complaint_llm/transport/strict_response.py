"""An answer read from a connection: its head, read strictly, and its body within a limit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from complaint_llm.transport.connection import BUFFER, Connection
from complaint_llm.transport.failures import CutOff, NoAnswer, UnusableAnswer
from complaint_llm.transport.fields import Fields

if TYPE_CHECKING:
    from io import BufferedReader

    from complaint_llm.transport.chunks import ChunkReader
    from complaint_llm.transport.inflate import Inflater

MAX_HEAD = 256 * 1024
"""Bytes of status line and headers, those of interim answers included."""

MAX_LINES = 1000
"""Lines of them; the standard library takes 100 headers."""

_EMPTY_LINE = re.compile(rb"\n\r?\n").search
"""The end of a line, and an empty one after it."""

_ONE_NUMBER = re.compile(r"([0-9]{1,19})(?:\s*,\s*\1)*").fullmatch
"""A length, or the same length several times."""


class StrictResponse:
    """One answer: its status and fields, and how its body ends.

    The head is read here: the standard library's parser of it is made for mail, stops at interim answers, and takes a
    head that is cut off for a whole one. ``length`` is that of the body in bytes, None where it is ``chunked`` or ends
    with the connection; ``encoding`` is how it is compressed, in small letters.
    """

    __slots__ = (
        *("_lines_left", "_method", "_room", "chunked", "connection", "encoding", "fields", "length", "reader"),
        *("status", "will_close"),
    )

    def __init__(self, connection: Connection, method: str) -> None:
        self.connection = connection
        self.reader = connection.reader
        self._method = method
        self._room = MAX_HEAD
        self._lines_left = MAX_LINES

    def begin(self) -> None:
        """Read up to the body, passing interim answers over. Raises OSError (NoAnswer), UnusableAnswer."""
        while True:
            line = self._count(self.reader.readline(self._room + 1))
            version, status = line[:8], line[9:12]
            if not (version.startswith(b"HTTP/1.") and status.isdigit() and status >= b"100" and line[12] in b" \r\n"):
                raise UnusableAnswer("it does not begin as HTTP/1 does")
            self.status = int(status)
            values = self._field_values()
            if self.status >= 200 or self.status == 101:
                break
        self.fields = Fields(values)
        self.encoding = values.get("content-encoding", "identity").lower()
        connection = values.get("connection", "").lower()
        self.will_close = "close" in connection if version >= b"HTTP/1.1" else "keep-alive" not in connection
        self._frame(values.get("transfer-encoding"), values.get("content-length"))

    def _field_values(self) -> dict[str, str]:
        """The values of headers by their names in small letters; those of one name are a list (RFC 9110, 5.3)."""
        values: dict[str, str] = {}
        name = ""
        while True:
            for line in self._lines():
                if line[:1] in (" ", "\t") and name:
                    values[name] += f" {line.strip()}"  # a folded line belongs to the one before
                    continue
                name, colon, value = line.partition(":")
                if not colon:
                    if line in ("", "\r"):
                        return values
                    raise UnusableAnswer("one of its headers has no colon")
                name, value = name.strip().lower(), value.strip()
                values[name] = f"{values[name]}, {value}" if name in values else value

    def _lines(self) -> list[str]:
        """The whole lines that have come, one at least, up to the empty one: nothing of a body."""
        come = self.reader.peek()
        empty = _EMPTY_LINE(b"\n" + come)
        size = empty.end() - 1 if empty else come.rfind(b"\n") + 1
        lines = self._count(self.reader.read(size) if size else self.reader.readline(self._room + 1))
        return lines.decode("latin-1").split("\n")[:-1]

    def _count(self, lines: bytes) -> bytes:
        """The next lines of the head, if they are whole and within its bounds."""
        self._room -= len(lines)
        self._lines_left -= lines.count(b"\n")
        if self._room < 0 or self._lines_left < 0:
            raise UnusableAnswer(f"its headers are larger than {MAX_HEAD} bytes or {MAX_LINES} lines")
        if not lines.endswith(b"\n"):
            if lines or self._room < MAX_HEAD:
                raise UnusableAnswer("it is cut off inside the headers")
            raise NoAnswer("closed before the first byte")
        return lines

    def _frame(self, encoding: str | None, length: str | None) -> None:
        """How the body ends (RFC 9112, 6.3). What could be read in two ways is refused."""
        self.chunked = encoding is not None and encoding.lower() == "chunked"
        self.length: int | None = None
        if encoding is not None and not self.chunked and encoding.lower() != "identity":
            raise UnusableAnswer("its transfer-encoding is not chunked")
        if self.status in (101, 204, 304) or self._method == "HEAD":
            self.chunked, self.length = False, 0
        elif length is not None and not self.chunked:
            number = _ONE_NUMBER(length)
            if number is None:
                raise UnusableAnswer("its content-length is not one number")
            self.length = int(number[1])
        elif not self.chunked:
            self.will_close = True  # the end of the connection is the end of the body


class Body:
    """The bytes of an answer's body, decompressed, at most ``limit`` of them. Used by one thread."""

    __slots__ = ("_inflater", "_left", "_limit", "_received", "_source", "ended")

    def __init__(self, reply: StrictResponse, limit: int) -> None:
        self._source = _chunks(reply.reader) if reply.chunked else reply.reader
        self._left = reply.length
        self._limit = limit
        self._received = 0
        self._inflater = None if reply.encoding in ("", "identity") else _inflater(reply.encoding, limit)
        self.ended = False

    def read_all(self) -> bytes:
        """All that is left. Raises UnusableAnswer if that is too much or damaged, CutOff if it is cut."""
        left, room = self._left, self._limit - self._received
        if left is not None and left > room:
            raise self._too_large()
        data = self._source.read(room + 1 if left is None else left)
        if left is not None and len(data) < left:
            raise CutOff(f"{left - len(data)} of {left} bytes did not come")
        return self._decompress(data, ended=True)

    def read_piece(self) -> bytes:
        """What comes next, as soon as it comes; empty at the end. Raises as ``read_all``."""
        while not self.ended:
            left = self._left
            data = self._source.read1(BUFFER if left is None else min(left, BUFFER))
            if left is not None:
                self._left = left = left - len(data)
                if left and not data:
                    raise CutOff(f"{left} bytes did not come")
            data = self._decompress(data, ended=not data or left == 0)
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


def _chunks(reader: BufferedReader) -> ChunkReader:
    from complaint_llm.transport.chunks import ChunkReader  # cold start: not every answer has them

    return ChunkReader(reader)


def _inflater(encoding: str, limit: int) -> Inflater:
    from complaint_llm.transport.inflate import Inflater  # cold start: compression is not asked for

    return Inflater(encoding, limit)


def location_of(fields: Fields) -> str:
    """The host that a redirect points to, without path and credentials; empty where it names none."""
    scheme, found, rest = fields.get("location", "").partition("//")
    if not found or (scheme and not scheme.endswith(":")):
        return ""
    authority = rest.split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    return authority.rpartition("@")[2][:100]
