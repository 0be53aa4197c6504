"""A provider's event stream, from bytes to typed events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from complaint_llm.exceptions import BackendError, CancelledError, ResponseFormatError
from complaint_llm.messages import StreamEvent
from complaint_llm.transport import ResponseStream, ServerSentEvent, SSEParser


class StreamDecoder(Protocol):
    """Reads one event stream; made anew for each."""

    def feed(self, event: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events that this one means, ``Done`` at the proper end. Raises BackendError for an error event."""
        ...

    def end(self) -> Iterable[StreamEvent]:
        """The events that the end of the bytes means: ``Done`` if the stream was whole by then, else nothing."""
        ...


class HTTPEventStream:
    """An event stream under way. One thread iterates; ``close()`` may come from any thread."""

    def __init__(self, stream: ResponseStream, decoder: StreamDecoder) -> None:
        self._stream = stream
        self._decoder = decoder
        self._parser = SSEParser()
        self._ready: list[StreamEvent] = []
        self._place = 0
        self._ended = False
        self._error: Exception | None = None
        # A page, an empty body or a whole answer instead of a stream: nothing broke off, so nothing is retried.
        self._is_stream = (stream.headers.get("content-type") or "").lower().startswith("text/event-stream")

    def __iter__(self) -> Iterator[StreamEvent]:
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
