"""A lock that is held by another thread, without reaching for it: what is called under the lock does not return."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Gate:
    """Holds one thread, the one that ``held_elsewhere`` started; every other one passes."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.arrived, self.open = threading.Event(), threading.Event()

    def hold(self) -> None:
        """Call it where the lock is held."""
        if threading.current_thread() is self.thread:
            self.arrived.set()
            assert self.open.wait(30)


@contextmanager
def held_elsewhere(gate: Gate, work: Callable[[], object]) -> Iterator[None]:
    """Meanwhile another thread stands inside ``work``, at the gate."""
    gate.thread = threading.Thread(target=work, daemon=True)
    gate.thread.start()
    try:
        assert gate.arrived.wait(30), "the work never came to the gate"
        yield
    finally:
        gate.open.set()
        gate.thread.join(30)
