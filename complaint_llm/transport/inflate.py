"""Decompressing an answer that came compressed although it was not asked to be, without being blown up by it."""

from __future__ import annotations

import zlib

from complaint_llm.transport.failures import UnusableAnswer


class Inflater:
    """Incremental gzip or deflate (RFC 1950 to 1952). ``limit`` is the most bytes that may come out in all."""

    def __init__(self, encoding: str, limit: int) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise UnusableAnswer("its content-encoding is none of gzip, deflate and identity")
        self._gzip = encoding != "deflate"
        self._limit = limit
        self._made = 0
        self._held = b""
        self._stream: zlib._Decompress | None = zlib.decompressobj(zlib.MAX_WBITS | 16) if self._gzip else None
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """What ``data`` inflates to. Raises zlib.error for damage, UnusableAnswer above the limit."""
        if self._stream is None:
            # "deflate" is zlib by its definition and raw by a widespread mistake: the first two bytes tell.
            data, self._held = self._held + data, b""
            if len(data) < 2:
                self._held = data
                return b""
            wrapped = data[0] & 15 == 8 and (data[0] * 256 + data[1]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        pieces = []
        while data:
            if self._stream.eof:
                if not self._gzip:
                    break  # bytes after the end of a deflate stream mean nothing
                self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)  # gzip may have several members
            self._begun = True
            piece = self._stream.decompress(data, self._limit - self._made + 1)
            self._made += len(piece)
            if self._made > self._limit:
                raise UnusableAnswer(f"it inflates to more than {self._limit} bytes")
            pieces.append(piece)
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        return b"".join(pieces)

    def finish(self) -> None:
        """Nothing more comes. Raises UnusableAnswer if the compressed data is cut; an empty body is none."""
        if self._held or (self._begun and self._stream is not None and not self._stream.eof):
            raise UnusableAnswer("its compressed body is cut off")
