"""What users iterate over: objects, not generators, for any thread can close them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from complaint_llm.messages import Done, InferenceOutput, StreamEvent, TextDelta

if TYPE_CHECKING:
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
    ) -> None:
        self._stream = stream
        self._ended = ended
        self._seal = seal

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        try:
            event = next(self._stream)
        except BaseException:
            self._ended()
            raise
        if isinstance(event, Done):
            self._ended()
            if self._seal is not None:
                event = Done(event.token_usage, self._seal(event.output))
        return event

    def close(self) -> None:
        """End the stream and free its connection. Idempotent."""
        self._ended()
        self._stream.close()

    def __del__(self) -> None:
        self._ended()

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
