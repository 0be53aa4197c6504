"""A mock that stands in where no model is reachable: every answer says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from complaint_llm.messages import Done, InferenceOutput, StreamEvent

if TYPE_CHECKING:
    from complaint_llm.request import Request
    from complaint_llm.routing.target import EventStream, Target


class DemoBackend:
    """Marks the outputs of a mock with ``metadata["demo"]``, so that none passes for a model's. Otherwise the mock."""

    demo = True

    def __init__(self, mock: Target) -> None:
        self._mock = mock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mock, name)

    def attempt(self, request: Request) -> InferenceOutput:
        return _marked(self._mock.attempt(request))

    def attempt_stream(self, request: Request) -> EventStream:
        return _MarkedStream(self._mock.attempt_stream(request))


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
