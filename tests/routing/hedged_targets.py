"""Targets for hedged calls: slow ones, stuck ones, and slots that say who has them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from complaint_llm.exceptions import (
    BackendConnectionError,
    BudgetExceededError,
)
from complaint_llm.messages import InferenceOutput
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState
from tests.routing.routing_model import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.request import Request


SOON = 0.01


class Slot:
    """A policy that counts its permits and keeps how they were settled."""

    def __init__(self, refuse: bool = False) -> None:
        self.refuse = refuse
        self.entered = 0
        self.outcomes: list[Outcome] = []

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        if self.refuse:
            raise BudgetExceededError("spent", sent=False)
        self.entered += 1
        return self

    def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        return PolicyState("slot", "")


class Stuck:
    """An attempt that answers only when ``release`` is set, and ends at once when it is cancelled."""

    def __init__(self, end: InferenceOutput | Exception | None = None) -> None:
        self.end = end or answer("late")
        self.release = threading.Event()
        self.started = threading.Event()
        self.reasons: list[str] = []

    def __call__(self, request: Request) -> InferenceOutput:
        self.started.set()
        request.cancel.attach(self.release.set)
        assert self.release.wait(20)
        if request.cancel.cancelled:
            self.reasons.append(request.cancel.reason)
            raise BackendConnectionError("the socket was shut down")
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(3000):
        if condition():
            return True
        time.sleep(0.01)
    return False


def slow(request: Request) -> InferenceOutput:
    """An attempt long enough to be hedged, short enough to wait for."""
    time.sleep(0.05)
    return answer("slow")
