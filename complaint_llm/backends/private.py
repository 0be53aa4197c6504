"""Targets of a Mediator that keeps everything on this machine, wherever that Mediator stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm.privacy import content_elsewhere

if TYPE_CHECKING:
    from complaint_llm.messages import EmbeddingOutput, InferenceOutput
    from complaint_llm.request import EmbeddingRequest, Request
    from complaint_llm.routing.target import AnyRequest, EventStream, Target


class PrivateBackend:
    """Asks a backend under privacy "local" although the call does not say so. Otherwise the backend itself."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def lacks(self, request: AnyRequest) -> str | None:
        private = request._replace(privacy="local")
        return content_elsewhere(private) or self._target.lacks(private)

    def bind(self, request: Request) -> Request:
        return self._target.bind(request._replace(privacy="local"))

    def attempt(self, request: Request) -> InferenceOutput:
        return self._target.attempt(request._replace(privacy="local"))

    def attempt_stream(self, request: Request) -> EventStream:
        return self._target.attempt_stream(request._replace(privacy="local"))

    def attempt_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        return self._target.attempt_embedding(request._replace(privacy="local"))


class PrivateTargets:
    """Those of a Mediator's targets that are local, each under one wrapper for good. Any thread may call it."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, PrivateBackend] = {}

    def of(self, found: Sequence[Target]) -> Sequence[Target]:
        """The local ones, in their order."""
        return [self._known.setdefault(id(each), PrivateBackend(each)) for each in found if each.local]
