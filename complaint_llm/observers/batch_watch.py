"""Watches one batch and tells the observers how it began and ended."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from complaint_llm.observers.observer import BatchEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from complaint_llm.observers.event_queue import EventQueue


class BatchWatch:
    """One batch, whose beginning and end are told once each. Any thread may call it, a finalizer too."""

    def __init__(self, queue: EventQueue) -> None:
        self._queue = queue
        self._batch = uuid.uuid4().hex
        self._began = time.monotonic()
        self._ended = False

    @property
    def batch(self) -> str:
        """Its name, which the events of its calls have too."""
        return self._batch

    def begin(self, counts: Mapping[str, int]) -> None:
        """It begins; ``counts`` are of what its journal holds."""
        self._queue.put(BatchEvent(batch=self._batch, time=time.time(), phase="begin", counts=counts))

    def end(self, counts: Mapping[str, int], cost: float) -> None:
        """It ended, with so many results of each state."""
        if self._ended:
            return
        self._ended = True
        seconds = time.monotonic() - self._began
        self._queue.put(
            BatchEvent(
                batch=self._batch, time=time.time(), phase="end", counts=counts, cost=cost, seconds=seconds
            )
        )
