"""A mock that stands in where no model is reachable: every answer says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.backends.lazy import LazyBackend
from complaint_llm.messages import Done, InferenceOutput, StreamEvent
from complaint_llm.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_llm.routing.candidate import EventStream


class DemoBackend(LazyBackend):
    """Marks the outputs of a mock with ``metadata["demo"]``, so that none passes for a model's."""

    def __init__(self, mock: LazyBackend) -> None:
        super().__init__(mock.id, lambda: mock.backend, demo=True)

    def attempt(self, request: Request) -> InferenceOutput:
        return _marked(super().attempt(request))

    def attempt_stream(self, request: Request) -> EventStream:
        return _MarkedStream(super().attempt_stream(request))


class _MarkedStream:
    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        event = next(self._stream)
        return Done(event.token_usage, _marked(event.output)) if isinstance(event, Done) else event

    def close(self) -> None:
        self._stream.close()


def _marked(output: InferenceOutput) -> InferenceOutput:
    return output._replace(metadata={**output.metadata, "demo": True})
