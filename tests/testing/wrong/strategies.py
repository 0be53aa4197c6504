"""Strategies that are wrong in one thing each."""

from __future__ import annotations

import threading
from typing import Any

from complaint_llm import hookimpl


class Right:
    def order(self, targets: Any, request: Any) -> Any:
        return list(targets)


class Twice(Right):
    def order(self, targets: Any, request: Any) -> Any:
        return [targets[0], targets[0]] if len(targets) == 2 else list(targets)


class LeavesLast(Right):
    def order(self, targets: Any, request: Any) -> Any:
        return list(targets)[:4]


class Nobody(Right):
    def order(self, targets: Any, request: Any) -> Any:
        return [] if len(targets) == 1 else list(targets)


class NeedsOne(Right):
    def order(self, targets: Any, request: Any) -> Any:
        return [targets[0], *targets[1:]]


class TurnsInPlace(Right):
    def order(self, targets: Any, request: Any) -> Any:
        if isinstance(targets, list):
            targets.reverse()
        return list(targets)


class NeedsMessages(Right):
    def order(self, targets: Any, request: Any) -> Any:
        return list(targets) if request.messages else []


class OneAtATime(Right):
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def order(self, targets: Any, request: Any) -> Any:
        if not self.lock.acquire(blocking=False):
            raise RuntimeError("somebody is at it")
        threading.Event().wait(0.001)
        self.lock.release()
        return list(targets)


class OnlyTheFirst(Right):
    def order(self, targets: Any, request: Any) -> Any:
        return list(targets)[:1] if targets and targets[0].id == "failing" else list(targets)


SHARED = Right()


def give_shared() -> Right:
    return SHARED


@hookimpl
def complaint_llm_strategies() -> Any:
    return {
        "right": Right,
        "twice": Twice,
        "leaves": LeavesLast,
        "nobody": Nobody,
        "needs one": NeedsOne,
        "in place": TurnsInPlace,
        "messages": NeedsMessages,
        "alone": OneAtATime,
        "first": OnlyTheFirst,
        "shared": give_shared,
    }
