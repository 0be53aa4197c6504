"""A value that the first who asks for it makes, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from complaint_llm.routing.threads.fork import reset_in_child

T = TypeVar("T")


class Once(Generic[T]):
    """Makes a value when it is first asked for, and remembers the error where it cannot be made.

    Any thread may call it; the lock lets one make it while the others wait. ``close`` is what ends the value.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], None]) -> None:
        self._make = make
        self._close = close
        self._lock = threading.Lock()
        self._made: list[T] = []
        self._fault: Exception | None = None
        self._closed = False
        reset_in_child(self)

    @classmethod
    def of(cls, value: T, close: Callable[[T], None]) -> Once[T]:
        """One whose value is there already."""
        once = cls(lambda: value, close)
        once.get()
        return once

    @property
    def is_made(self) -> bool:
        """Whether the value is there."""
        return bool(self._made)

    def get(self) -> T:
        """The value, made now if it was not yet. Raises what its making raised, each time."""
        if not self._made:
            with self._lock:
                if not self._made:
                    self._make_now()
        return self._made[0]

    def close(self) -> None:
        """End the value, now or as soon as it is made. Idempotent where ending it is."""
        self._closed = True
        if self._made:
            self._close(self._made[0])

    def after_fork(self) -> None:
        """Who was making it is the parent's thread."""
        self._lock = threading.Lock()

    def _make_now(self) -> None:
        if self._fault is not None:
            raise self._fault.with_traceback(None)
        try:
            made = self._make()
        except Exception as fault:
            self._fault = fault
            raise
        self._made.append(made)
        if self._closed:
            # It was closed while it was being made: nobody else would end it.
            self._close(made)
