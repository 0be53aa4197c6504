"""Backends of which a test says what they answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar

from complaint_llm.backends import Backend, Request
from complaint_llm.exceptions import (
    BackendTimeoutError,
)
from complaint_llm.messages import InferenceOutput


class Fixed(Backend):
    """Answers with its id, or does what it is told."""

    interruptible: ClassVar[bool] = True

    def __init__(self, id: str, does: Callable[[Request], InferenceOutput] | None = None, **keys: Any) -> None:
        super().__init__(**{"id": id, "max_retries": 0, **keys})
        self._does = does
        self.asked: list[Request] = []
        self.closed = 0

    def answer(self, request: Request) -> InferenceOutput:
        self.asked.append(request)
        if self._does is not None:
            return self._does(request)
        return InferenceOutput(self.id, finish_reason="stop")

    def close_resources(self) -> None:
        self.closed += 1


asked = threading.Event()
"""Set by whoever waits."""


def waiting(request: Request) -> InferenceOutput:
    """Waits as a socket does: until the deadline or until it is cancelled."""
    woken = threading.Event()
    asked.set()
    request.cancel.attach(woken.set)
    woken.wait(request.deadline.remaining())
    raise BackendTimeoutError("no answer in time", maybe_received=True)


def mocks(*ids: str, **keys: Any) -> list[dict[str, Any]]:
    return [{"id": id, "type": "mock", "responses": [{"text": id}] * 50, **keys} for id in ids]
