"""Server-sent events (WHATWG HTML, 9.2): bytes in, events out, however they are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.named_tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_EVENT = 16 * 1024 * 1024
"""Bytes of one event, and of one line."""


class ServerSentEvent(NamedTuple):
    """One event. ``event`` is its type, ``message`` where none was given; ``id`` is the last one seen.

    ``outside`` marks what the standard drops and servers tell of errors by: lines of JSON without a field, a field
    ``error``, and a last line that was cut.
    """

    event: str
    data: str
    id: str = ""
    outside: bool = False


class SSEParser:
    """Parses a stream of events piece by piece. Used by one thread; needs no more memory than one event."""

    __slots__ = ("_after_cr", "_data", "_event", "_first", "_id", "_limit", "_outside", "_rest", "_size")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        self._rest: list[bytes] = []  # pieces of the line that is not yet whole
        self._data: list[bytes] = []
        self._outside: list[bytes] = []  # lines of JSON that stand in no field
        self._event = b""
        self._id = ""
        self._size = 0  # at least the bytes held for the event under way
        self._first = True
        self._after_cr = False

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that ``data`` completes. Raises ResponseFormatError if one grows above the limit."""
        if self._after_cr and data:
            # The line ended with the CR already; an LF that follows belongs to it.
            self._after_cr = False
            if data[:1] == b"\n":
                data = data[1:]
        if not data:
            return []
        self._size += len(data)
        lines = data.splitlines()
        last = data[-1:]
        complete = last in (b"\n", b"\r")
        self._after_cr = last == b"\r"
        if self._rest and (complete or len(lines) > 1):
            self._rest.append(lines[0])
            lines[0] = b"".join(self._rest)
            self._rest.clear()
        if not complete:
            self._rest.append(lines.pop())
        events: list[ServerSentEvent] = []
        for line in lines:
            if not line:
                self._dispatch(events)
            elif line[:5] == b"data:":
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            else:
                self._field(line, events)
        if self._size > self._limit:
            # Counted coarsely, for comments and finished events hold nothing; measured only when it may be too much.
            self._size = sum(map(len, (*self._rest, *self._data, *self._outside)))
            if self._size > self._limit:
                raise ResponseFormatError(f"one event is larger than {self._limit} bytes", maybe_received=True)
        return events

    def finish(self) -> list[ServerSentEvent]:
        """The stream is over: the last event, if only its blank line is missing. One that was cut is ``outside``."""
        events: list[ServerSentEvent] = []
        cut = b"".join(self._rest)
        self._rest.clear()
        if self._outside or cut[:1] in (b"{", b"["):
            self._outside.append(cut)
            self._hand_out(events)
        elif cut[:5] == b"data:":
            self._outside.append(b"\n".join((*self._data, cut[5:].lstrip())))
            self._data.clear()
            self._hand_out(events)
        elif not cut:
            self._dispatch(events)
        elif cut[:6] == b"error:":
            self._field(cut, events)
        return events

    def _field(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if self._first and line[:3] == b"\xef\xbb\xbf":
            line = line[3:]
        self._first = False
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"error" and value:
            events.append(ServerSentEvent("error", value.decode("utf-8", "replace"), self._id, True))
        elif line[:1] in (b"{", b"[") or (self._outside and name):
            self._outside.append(line)
            if line[:1] == b"{" and line[-1:] == b"}":
                self._hand_out(events)
        # A comment has no name; retry and unknown names mean nothing to a client that does not reconnect.

    def _hand_out(self, events: list[ServerSentEvent]) -> None:
        text = b"\n".join(self._outside).decode("utf-8", "replace")
        self._outside.clear()
        events.append(ServerSentEvent("message", text, self._id, True))

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        self._first = False
        if self._outside:
            self._hand_out(events)
        if self._data:
            # Whole lines are decoded, so a character that was cut between two pieces is whole again.
            text = (self._data[0] if len(self._data) == 1 else b"\n".join(self._data)).decode("utf-8", "replace")
            events.append(
                ServerSentEvent(self._event.decode("utf-8", "replace") if self._event else "message", text, self._id)
            )
            self._data.clear()
        self._event = b""


def sse_events(chunks: Iterable[bytes], limit: int = MAX_EVENT) -> Iterator[ServerSentEvent]:
    """The events of a stream of byte pieces, such as a ResponseStream."""
    parser = SSEParser(limit)
    for chunk in chunks:
        yield from parser.feed(chunk)
    yield from parser.finish()
