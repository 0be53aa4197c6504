"""What one call carries down to the socket: its deadline and the means to cancel it.

A ``Deadline`` belongs to the one thread that works on the attempt. A ``CancelToken`` may be used by any thread.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

Clock = Callable[[], float]

# Drawn in the process: to ask the system for each call would hand the interpreter's lock to a waiting thread.
_names = random.Random()  # noqa: S311 - a name is no secret
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_names.seed)


_TIME_LETTERS = 11


def times_of_call_name(first_letters: str) -> tuple[float, float] | None:
    """From when, and before when, calls were given names that begin so (Unix seconds); None where that is no hex."""
    shown = first_letters[:_TIME_LETTERS]
    missing = 4 * (_TIME_LETTERS - len(shown))
    if not shown or not set(shown) <= set("0123456789abcdef"):
        return None
    number = int(shown, 16)
    return (number << missing) / 1000, (number + 1 << missing) / 1000


class Deadline:
    """A moment on a monotonic clock, in seconds; it can be stopped while a stream's consumer holds a piece.

    ``at`` is read before every receive, so moving it moves the limit of a request that is under way.
    """

    __slots__ = ("_left", "_of_call", "at", "clock", "known_call_id")

    def __init__(self, seconds: float, clock: Clock = time.monotonic, of_call: Deadline | None = None) -> None:
        self.clock = clock
        self.at = clock() + seconds
        self._left: float | None = None
        # That of the whole call, where this is one attempt's.
        self._of_call = of_call
        self.known_call_id: str | None = None
        """The name of the call, if anybody has asked for it."""

    @property
    def call_id(self) -> str:
        """The name of the call, the same for all its attempts: the time in milliseconds, then what is random, in hex.
        It is made when it is first asked for. One is found by its first letters among those of its time; see
        ``times_of_call_name``."""
        if self._of_call is not None:
            return self._of_call.call_id
        if self.known_call_id is None:
            self.known_call_id = f"{time.time_ns() // 1_000_000:011x}{_names.getrandbits(84):021x}"
        return self.known_call_id

    def remaining(self) -> float:
        """Seconds left; zero or less when it has passed."""
        return self._left if self._left is not None else self.at - self.clock()

    def pause(self) -> None:
        """Stop counting (the consumer of a stream holds a piece)."""
        if self._left is None:
            self._left = self.at - self.clock()

    def resume(self) -> None:
        """Count again."""
        if self._left is not None:
            self.at = self.clock() + self._left
            self._left = None

    def within(self, seconds: float | None) -> Deadline:
        """A deadline of its own, ``seconds`` from now but never later than this one."""
        left = self.remaining()
        return Deadline(left if seconds is None or left < seconds else seconds, self.clock, self._of_call or self)


class CancelToken:
    """Cancels one attempt or call from any thread, once. Callbacks run in the cancelling thread and must not block."""

    __slots__ = ("_callbacks", "_lock", "cancelled", "reason")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.cancelled = False
        self.reason = ""

    def cancel(self, reason: str = "cancelled") -> None:
        """Cancel and run what was attached. Further calls do nothing."""
        with self._lock:
            if self.cancelled:
                return
            self.cancelled, self.reason = True, reason
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def attach(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` when cancelled; at once if that was already."""
        with self._lock:
            if not self.cancelled:
                self._callbacks.append(callback)
                return
        callback()

    def detach(self, callback: Callable[[], None]) -> bool:
        """Forget ``callback``; False if it ran or runs."""
        with self._lock:
            try:
                self._callbacks.remove(callback)
            except ValueError:
                return False
            return True
