"""Whether a server that was asked for a stream sends one, or its answer whole: what its first bytes say."""

from __future__ import annotations

import re

from complaint_llm import bounded_json

_BLANK = b" \t\r\n\xef\xbb\xbf"
_MOST_BLANK = 1 << 16
"""Bytes without a sign that are waited for: some servers send blanks to keep a connection open."""
_FIELD = re.compile(rb"[\r\n](?:data|event|id|retry)?:")
_EVENT_END = (b"\n\n", b"\r\n\r\n", b"\r\r")


class FirstBytes:
    """What came of an answer until it is known whether it is a stream. Used by one thread.

    Servers send either under any content type, so ``labelled`` (the content type is that of a stream) decides only
    where the bytes do not.
    """

    def __init__(self, *, ndjson: bool, labelled: bool) -> None:
        self._data = bytearray()
        self._begin = b""
        self._look = self._look_for_lines if ndjson else self._look_for_fields
        self._labelled = labelled
        self.complete = False
        """Whether nothing more needs to be read of a whole answer: some servers keep the connection open."""

    @property
    def data(self) -> bytes:
        """All that was fed."""
        return bytes(self._data)

    def feed(self, piece: bytes) -> bool | None:
        """Whether the answer is whole JSON; None is not known yet. An empty ``piece`` is the end."""
        self._data += piece
        self._begin = self._begin or piece.lstrip(_BLANK)[:1]
        if not self._begin:
            return None if piece and len(self._data) < _MOST_BLANK else False
        return self._look(piece) if self._begin in (b"{", b"[") else False

    def _look_for_fields(self, piece: bytes) -> bool | None:
        # No line of server-sent events begins so, but some servers put a line of JSON before them.
        if not piece or not self._labelled:
            return True
        if _FIELD.search(self._data, max(0, len(self._data) - len(piece) - 8)):
            return False
        self.complete = self._data.endswith(_EVENT_END) and _is_json(self._data)
        return self.complete or None

    def _look_for_lines(self, piece: bytes) -> bool | None:
        line, end, rest = self._data.lstrip(_BLANK).partition(b"\n")
        if not piece:
            return not self._labelled or not _is_json(line)
        if not end:
            return None
        if not _is_json(line):
            return True
        return False if self._labelled or rest.strip() else None


def _is_json(data: bytearray) -> bool:
    try:
        bounded_json.loads(bytes(data))
    except ValueError:
        return False
    return True
