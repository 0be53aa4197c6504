"""The backend type ``clerk``: answers in JSON, and in lines of JSON where a stream is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from complaint_llm import InferenceOutput, hookimpl
from complaint_llm.backends import BackendType, Capability, HTTPBackend, Request, StreamDecoder, WireRequest
from complaint_llm.backends.wire import (
    Fail,
    JSONStreamDecoder,
    StreamAccumulator,
    as_object,
    as_prompt,
    as_text,
    plain_answer,
    wrong_shape,
)
from complaint_llm.messages import StreamEvent


class Clerk(HTTPBackend):
    """``POST /answer`` with ``{"prompt", "stream"}``: ``{"text"}``, or lines ``{"piece"}``, ``{"end": true}``."""

    default_base_url: ClassVar[str] = "http://127.0.0.1:8092"
    key_variables: ClassVar[tuple[str, ...]] = ("CLERK_API_KEY",)
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream",))
    stream_format = "ndjson"

    def encode(self, request: Request) -> WireRequest:
        body = {"prompt": as_prompt(request.messages), "stream": request.stream, **request.params}
        return WireRequest("/answer", body)

    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        body = as_object(payload, "the body")
        if "error" in body:
            raise self.error_inside(body)
        if "text" not in body:
            raise wrong_shape("text", None, "a text")
        return plain_answer(as_text(body["text"], "text"))

    def decoder(self, request: Request) -> StreamDecoder:
        return ClerkDecoder(self.error_inside)


class ClerkDecoder(JSONStreamDecoder):
    """Reads one stream."""

    own_keys: ClassVar[frozenset[str]] = frozenset(("piece", "end"))

    def __init__(self, fail: Fail) -> None:
        super().__init__(fail)
        self._answer = StreamAccumulator()

    def read(self, value: Mapping[str, Any]) -> Iterable[StreamEvent]:
        events = self._answer.text(as_text(value.get("piece"), "piece"))
        if value.get("end"):
            self.over = True
            events += self._answer.done()
        return events


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    example = {"id": "clerk", "type": "clerk", "base_url": "http://127.0.0.1:8092"}
    return [BackendType("clerk", Clerk, "a model server", key_variables=Clerk.key_variables, example=example)]
