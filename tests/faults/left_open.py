"""What is left of a call by the lists of the interpreter and the kernel: threads, descriptors, held locks, slots."""

from __future__ import annotations

import _thread
import gc
import logging
import os
import threading
import time
from collections.abc import Iterable
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

_OPAQUE = (type, ModuleType, FunctionType, logging.Logger, str, bytes, int, float)


class Lists(NamedTuple):
    """Threads and descriptors of this process at one moment."""

    threads: frozenset[threading.Thread]
    descriptors: frozenset[tuple[str, str]]

    @classmethod
    def now(cls) -> Lists:
        """What there is."""
        found = []
        for number in os.listdir("/proc/self/fd"):
            try:
                found.append((number, os.readlink(f"/proc/self/fd/{number}")))
            except OSError:
                continue  # the descriptor of the listing itself
        return cls(frozenset(threading.enumerate()), frozenset(found))


def held_locks(roots: Iterable[Any]) -> list[str]:
    """Locks that are held, of all that can be reached from these objects, each with what has it."""
    held: list[str] = []
    seen: set[int] = set()
    stack: list[Any] = list(roots)
    while stack:
        owner = stack.pop()
        for found in gc.get_referents(owner):
            if id(found) in seen or isinstance(found, _OPAQUE):
                continue
            seen.add(id(found))
            if isinstance(found, _thread.LockType):
                if found.locked():
                    held.append(repr(type(owner)))
            else:
                stack.append(found)
    return held


def left_open(before: Lists, roots: Iterable[Any], max_queue_wait: float = 1.0) -> list[str]:
    """What is there ``max_queue_wait`` seconds from now that was not there before; empty as soon as nothing is."""
    until = time.monotonic() + max_queue_wait
    while True:
        now = Lists.now()
        left = [f"thread {thread.name}" for thread in now.threads - before.threads if thread.is_alive()]
        left += [f"descriptor {number} {target}" for number, target in now.descriptors - before.descriptors]
        left += [f"lock of {owner}" for owner in held_locks(roots)]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.01)
