"""A provider's event stream, from bytes to typed events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, Protocol, Self

from complaint_llm import bounded_json
from complaint_llm.backends.wire.whole_answers import FirstBytes
from complaint_llm.exceptions import BackendError, CancelledError, ResponseFormatError
from complaint_llm.messages import StreamEvent
from complaint_llm.transport import Response, ResponseStream
from complaint_llm.transport.sse import MAX_EVENT, ServerSentEvent, SSEParser


class StreamDecoder(Protocol):
    """Reads one event stream; made anew for each."""

    def feed(self, event: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events that this one means, ``Done`` at the proper end. Raises BackendError for an error event."""
        ...

    def end(self) -> Iterable[StreamEvent]:
        """The events that the end of the bytes means: ``Done`` if the stream was whole by then, else nothing."""
        ...


class StreamParser(Protocol):
    """Cuts the bytes of one stream into events; made anew for each."""

    def feed(self, data: bytes) -> Iterable[ServerSentEvent]:
        """The events that ``data`` completes. Raises ResponseFormatError for one that is too large."""
        ...

    def finish(self) -> Iterable[ServerSentEvent]:
        """What stands after the last end of an event."""
        ...


class NDJSONParser:
    """Events that are lines of JSON (NDJSON, JSON Lines). Used by one thread; keeps one line at most."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> Iterable[ServerSentEvent]:
        """The lines that ``data`` completes; empty ones are none. Raises ResponseFormatError."""
        *lines, self._rest = (self._rest + data).split(b"\n") if b"\n" in data else (self._rest + data,)
        if max(map(len, (*lines, self._rest))) > self._limit:
            raise ResponseFormatError(f"one line is larger than {self._limit} bytes", maybe_received=True)
        return [_line_event(line) for line in lines if line.strip()]

    def finish(self) -> Iterable[ServerSentEvent]:
        """The last line, where it has no end: an event if it is whole, else a piece of one."""
        rest, self._rest = self._rest, b""
        if not rest.strip():
            return ()
        try:
            bounded_json.loads(rest.decode("utf-8", "replace"))
        except ValueError:
            return (_line_event(rest)._replace(outside=True),)
        return (_line_event(rest),)


def _line_event(line: bytes) -> ServerSentEvent:
    return ServerSentEvent("message", line.decode("utf-8", "replace").strip())


StreamFormat = Literal["sse", "ndjson"]
"""How a service cuts its streams: server-sent events, or a line of JSON for each."""

MEDIA_TYPES: Mapping[StreamFormat, str] = {"sse": "text/event-stream", "ndjson": "application/x-ndjson"}
_PARSERS: Mapping[StreamFormat, Callable[[], StreamParser]] = {"sse": SSEParser, "ndjson": NDJSONParser}


JSONReader = Callable[[Response], Iterable[StreamEvent]]
"""The events of an answer that came whole. Raises the error that it tells of."""


class HTTPEventStream:
    """An event stream under way. One thread iterates; ``close()`` may come from any thread.

    ``json_reader`` reads the answer of a server that does not stream.
    """

    def __init__(
        self,
        stream: ResponseStream,
        decoder: StreamDecoder,
        format: StreamFormat = "sse",
        json_reader: JSONReader | None = None,
    ) -> None:
        self._stream = stream
        self._json_reader = json_reader
        self._decoder = decoder
        self._parser = _PARSERS[format]()
        self._ready: list[StreamEvent] = []
        self._place = 0
        self._ended = False
        self._error: Exception | None = None
        # A page, an empty body or a whole answer instead of a stream: nothing broke off, so nothing is retried.
        self._is_stream = (stream.headers.get("content-type") or "").lower().startswith(MEDIA_TYPES[format])
        self._first = None if json_reader is None else FirstBytes(ndjson=format == "ndjson", labelled=self._is_stream)

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def open(self) -> Self:
        """The same, after the first piece of an answer that does not call itself a stream: what it refuses is raised
        here, where the request may still be asked otherwise."""
        while not (self._is_stream or self._ready or self._ended):
            self._ready, self._place = self._read(), 0
        return self

    def __next__(self) -> StreamEvent:
        while self._place >= len(self._ready):
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._ended:
                raise StopIteration
            self._ready, self._place = self._read(), 0
        event = self._ready[self._place]
        self._place += 1
        return event

    def _read(self) -> list[StreamEvent]:
        ready: list[StreamEvent] = []
        try:
            chunk = self._next_chunk(ready)
            if self._first is not None:
                is_json = self._first.feed(chunk)
                if is_json is None:
                    return ready
                data, complete, self._first = self._first.data, self._first.complete, None
                if is_json:
                    return list(self._events_of_json(data, complete))
                if data and not chunk:
                    self._feed(self._parser.feed(data), ready)
                else:
                    chunk = data
            if chunk:
                self._feed(self._parser.feed(chunk), ready)
            else:
                self._ended = True
                self._finish(ready)
                if not self._is_stream:
                    raise ResponseFormatError("the answer is no event stream: check base_url", maybe_received=True)
                self._stream.close()
        except Exception as error:
            self._end()
            if not ready:
                raise
            # What came before it is handed out first: how the bytes were cut on their way changes nothing.
            self._error = error
        except BaseException:
            self._end()
            raise
        return ready

    def _events_of_json(self, begin: bytes, complete: bool) -> Iterable[StreamEvent]:
        assert self._json_reader is not None
        self._ended = True
        try:
            rest = b"" if complete else self._stream.read()
        finally:
            self._stream.close()
        return self._json_reader(Response(self._stream.status, self._stream.headers, begin + rest))

    def _end(self) -> None:
        self._ended = True
        self._stream.close()

    def _next_chunk(self, ready: list[StreamEvent]) -> bytes:
        """The next bytes. Where they break off, what that end means is put into ``ready`` first and then raised: an
        answer that was whole by then is not lost with its end mark."""
        try:
            return self._stream.next_chunk()
        except CancelledError:
            raise
        except BackendError:
            self._finish(ready)
            raise

    def _feed(self, events: Iterable[ServerSentEvent], ready: list[StreamEvent]) -> None:
        feed = self._decoder.feed
        for event in events:
            self._is_stream = self._is_stream or not event.outside
            ready.extend(feed(event))

    def _finish(self, ready: list[StreamEvent]) -> None:
        self._feed(self._parser.finish(), ready)
        ready.extend(self._decoder.end())

    def close(self) -> None:
        """Free the connection at once."""
        self._stream.close()
