"""Observers that are wrong in one thing each."""

from __future__ import annotations

import threading
from typing import Any

from complaint_llm import hookimpl
from complaint_llm.observers.observer import Observer


class Right(Observer):
    version = "1"
    count = 0

    def request(self, event: Any) -> None:
        self.count += 1


class NumberedVersion(Right):
    version: Any = 1


class TakesAnyKey(Right):
    def __init__(self, **keys: Any) -> None:
        pass


class Slow(Right):
    def request(self, event: Any) -> None:
        super().request(event)
        if self.count > 100:
            threading.Event().wait(0.001)


@hookimpl
def complaint_llm_observers() -> Any:
    return {"right": Right, "version": NumberedVersion, "any key": TakesAnyKey, "slow": Slow}
