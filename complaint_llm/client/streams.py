"""What users iterate over: objects, not generators, for any thread can close them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from complaint_llm.exceptions import CancelledError
from complaint_llm.messages import Done, InferenceOutput, StreamEvent, TextDelta

if TYPE_CHECKING:
    from complaint_llm.observers.call_events import StreamEvents
    from complaint_llm.routing.target import EventStream


class LiveStream:
    """What ``infer_stream`` returns: the router's stream, known to its backend until it ends.

    One thread iterates; ``close()`` may come from any thread, and leaving the stream to the collector closes it too.
    """

    def __init__(
        self,
        stream: EventStream,
        ended: Callable[[], None],
        seal: Callable[[InferenceOutput], InferenceOutput] | None = None,
        watch: StreamEvents | None = None,
    ) -> None:
        self._stream = stream
        self._ended = ended
        self._seal = seal
        self._watch = watch

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        watch = self._watch
        try:
            event = next(self._stream)
            if isinstance(event, Done):
                self._ended()
                if self._seal is not None:
                    event = Done(event.token_usage, self._seal(event.output))
                if watch is not None:
                    watch.end_with_answer(event.output)
            elif watch is not None:
                watch.saw_piece()
        except BaseException as error:
            self._ended()
            if watch is not None and not isinstance(error, StopIteration):
                watch.end_with_error(error)
            raise
        return event

    def close(self) -> None:
        """End the stream and free its connection. Idempotent."""
        self._ended()
        self._stream.close()
        if self._watch is not None:
            self._watch.end_with_error(CancelledError("the stream was closed"))

    def __del__(self) -> None:
        self._ended()
        if self._watch is not None:
            self._watch.end_with_error(CancelledError("the stream was abandoned"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class TextStream:
    """What ``stream_generate`` returns: the text pieces of a stream. After the end ``output`` is the whole answer."""

    def __init__(self, events: LiveStream) -> None:
        self._events = events
        self.output: InferenceOutput | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for event in self._events:
            if isinstance(event, TextDelta):
                return event.text
            if isinstance(event, Done):
                self.output = event.output
        raise StopIteration

    def close(self) -> None:
        """End the stream and free its connection. Idempotent."""
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
