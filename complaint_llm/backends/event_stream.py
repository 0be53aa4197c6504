"""A provider's event stream, from bytes to typed events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from complaint_llm.exceptions import ResponseFormatError
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
        # A page, an empty body or a whole answer instead of a stream: nothing broke off, so nothing is retried.
        self._is_stream = (stream.headers.get("content-type") or "").lower().startswith("text/event-stream")

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        while self._place >= len(self._ready):
            if self._ended:
                raise StopIteration
            self._ready, self._place = self._read(), 0
        event = self._ready[self._place]
        self._place += 1
        return event

    def _read(self) -> list[StreamEvent]:
        ready: list[StreamEvent] = []
        feed = self._decoder.feed
        try:
            chunk = self._stream.next_chunk()
            for event in self._parser.feed(chunk) if chunk else self._parser.finish():
                self._is_stream = True
                ready.extend(feed(event))
            if not chunk:
                self._ended = True
                if not self._is_stream:
                    raise ResponseFormatError("the answer is no event stream: check base_url", maybe_received=True)
                ready.extend(self._decoder.end())
                self._stream.close()
        except BaseException:
            self._ended = True
            self._stream.close()
            raise
        return ready

    def close(self) -> None:
        """Free the connection at once."""
        self._stream.close()
