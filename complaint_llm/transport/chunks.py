"""A body that comes in chunks (RFC 9112, 7.1), read strictly.

The standard library's reader of them is a part of ``http.client``, which brings the parser of mail to every start. It
also takes signs and underscores for parts of a size.
"""

from __future__ import annotations

from io import BufferedReader

from complaint_llm.transport.failures import CutOff, UnusableAnswer

MAX_LINE = 64 * 1024
"""Bytes of a line between chunks, its extensions included."""
MAX_TRAILER = 256 * 1024
"""Bytes of the fields behind the last chunk, which nobody reads."""

_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_MOST_DIGITS = 16


class ChunkReader:
    """Reads the chunks of one body from ``reader``, which is left at what follows them. Used by one thread."""

    __slots__ = ("_ended", "_left", "_reader")

    def __init__(self, reader: BufferedReader) -> None:
        self._reader = reader
        # Bytes of this chunk that are not yet read; None before the first.
        self._left: int | None = None
        self._ended = False

    def read(self, most: int) -> bytes:
        """All that is left, at most so many bytes. Raises CutOff, UnusableAnswer, OSError."""
        parts: list[bytes] = []
        while most and (data := self.read1(most)):
            parts.append(data)
            most -= len(data)
        return b"".join(parts)

    def read1(self, most: int) -> bytes:
        """What comes next, as soon as it comes, at most so many bytes; empty at the end. Raises as ``read``."""
        if not self._left and (self._ended or not self._begin_chunk()):
            return b""
        left = self._left or 0
        data = self._reader.read1(min(most, left))
        if not data:
            raise CutOff(f"{left} bytes of a chunk did not come")
        # The line that ends a chunk is read with what follows it: it may come later.
        self._left = left - len(data)
        return data

    def _begin_chunk(self) -> bool:
        """Read up to the next chunk's bytes; False where there is none."""
        if self._left is not None and self._line() not in (b"\r\n", b"\n"):
            raise CutOff("a chunk is longer than it says")
        size = self._line().partition(b";")[0].strip()
        if not 0 < len(size) <= _MOST_DIGITS or not _DIGITS.issuperset(size):
            raise CutOff("a chunk without a size")
        self._left = int(size, 16)
        if not self._left:
            self._ended = True
            self._skip_trailer()
        return not self._ended

    def _skip_trailer(self) -> None:
        room = MAX_TRAILER
        while (line := self._line()) not in (b"\r\n", b"\n", b""):
            room -= len(line)
            if room < 0:
                raise UnusableAnswer(f"the fields behind its last chunk are larger than {MAX_TRAILER} bytes")

    def _line(self) -> bytes:
        line = self._reader.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise UnusableAnswer(f"a line between its chunks is larger than {MAX_LINE} bytes")
        return line
