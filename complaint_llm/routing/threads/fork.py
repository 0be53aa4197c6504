"""What a forked child must not inherit: locks held by threads that it does not have, and their claims.

The weak set below is the one process-wide thing here: the interpreter's fork hooks are process-wide and cannot be
taken back, so one hook serves all objects and keeps none of them alive.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """An object that is made fit for use in a forked child."""

    def after_fork(self) -> None: ...


_objects: WeakSet[Forkable] = WeakSet()


def reset_in_child(each: Forkable) -> None:
    """Call ``each.after_fork()`` in every forked child for as long as it lives."""
    _objects.add(each)


def _after_fork_in_child() -> None:
    for each in tuple(_objects):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
