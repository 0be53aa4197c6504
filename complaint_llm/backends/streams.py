"""Streams between a backend's events and the user's loop: objects, not generators: any thread can close them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from complaint_llm.exceptions import BackendError, StreamInterruptedError
from complaint_llm.messages import (
    Done,
    InferenceOutput,
    ReasoningDelta,
    StreamError,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)


class AttemptStream:
    """One attempt's events: names errors, finishes the output of ``Done``, and takes a quiet end for what it is."""

    def __init__(
        self,
        events: Iterable[StreamEvent],
        named: Callable[[Exception], BackendError],
        finished: Callable[[InferenceOutput], InferenceOutput],
    ) -> None:
        self._source = events
        self._events = iter(events)
        self._named = named
        self._finished = finished
        self._text: list[str] = []
        self._done = False

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        if self._done:
            raise StopIteration
        try:
            event = next(self._events)
            if isinstance(event, TextDelta):
                self._text.append(event.text)
            elif isinstance(event, Done):
                self._done = True
                output = self._finished(event.output)
                event = Done(output.token_usage, output)
            elif isinstance(event, StreamError):
                raise event.error
        except StopIteration:
            self._done = True
            raise self._interruption("the stream ended before its proper end", None) from None
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises becomes one kind of error here
            self._done = True
            named = self._named(error)
            if isinstance(named, StreamInterruptedError) and not named.partial:
                named.partial = "".join(self._text)
            raise named from named.__cause__
        return event

    def _interruption(self, message: str, cause: BaseException | None) -> BackendError:
        error = self._named(StreamInterruptedError(message, partial="".join(self._text)))
        error.__cause__ = cause
        return error

    def close(self) -> None:
        """Free the connection, from any thread. What the source raises in its clean-up is logged: it must neither cost
        an answer that was paid for nor keep a slot."""
        close = getattr(self._source, "close", None) or getattr(self._events, "close", None)
        if close is None:
            return
        try:
            close()
        except ValueError as error:
            # A generator that runs in another thread cannot be closed from here; its request's cancel token ends it.
            if str(error) != "generator already executing":
                self._log_failed_close(error)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises
            self._log_failed_close(error)

    def _log_failed_close(self, error: Exception) -> None:
        logging.getLogger("complaint_llm.backend").warning("closing a stream failed: %s", self._named(error))


def as_events(output: InferenceOutput) -> Iterator[StreamEvent]:
    """A whole answer as the events of a stream."""
    if output.reasoning:
        yield ReasoningDelta(output.reasoning)
    if output.content:
        yield TextDelta(output.content)
    for call in output.tool_calls:
        yield ToolCallStart(call.id, call.name)
        yield ToolCallDelta(call.id, call.arguments_raw)
        yield ToolCallEnd(call.id)
    yield Done(output.token_usage, output)


def collect(events: Iterable[StreamEvent]) -> InferenceOutput:
    """The whole answer at the end of a stream. Raises StreamInterruptedError if there was no proper end."""
    text: list[str] = []
    begun = False
    try:
        for event in events:
            begun = True
            if isinstance(event, Done):
                return event.output
            if isinstance(event, TextDelta):
                text.append(event.text)
    except BackendError as error:
        # What came before the error is billed, whatever status the error tells.
        error.maybe_received = error.maybe_received or begun
        raise
    raise StreamInterruptedError("the stream ended before its proper end", partial="".join(text))
