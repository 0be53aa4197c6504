"""The connections of one backend: the idle ones, last used first, and those that are lent out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from complaint_llm.named_tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.call import Clock
    from complaint_llm.transport.connection import Connection
    from complaint_llm.transport.dial import Dialer
    from complaint_llm.transport.origin import Origin

MAX_IDLE = 60.0
"""Seconds after which an idle connection is closed rather than used again; servers commonly keep them for 5 to 75."""


class ConnectionCounts(NamedTuple):
    """Open connections: kept for the next request, and in use by one."""

    idle: int
    in_use: int


class Pool:
    """Lends connections to exchanges. Any thread may call it; list and set operations that are single steps of the
    interpreter guard it, ordered so that ``close`` misses nothing: mark lent, then look whether it is closed.
    """

    __slots__ = ("_clock", "_idle", "_lent", "_process", "closed", "dialer", "origin", "redact")

    def __init__(self, dialer: Dialer, redact: Callable[[str], str], clock: Clock) -> None:
        self.dialer = dialer
        self.origin: Origin = dialer.origin
        self.redact = redact
        self.closed = False
        self._clock = clock
        self._idle: list[Connection] = []
        self._lent: set[Connection] = set()
        self._process = os.getpid()

    @property
    def counts(self) -> ConnectionCounts:
        """How many connections there are now."""
        return ConnectionCounts(len(self._idle), len(self._lent))

    def take(self) -> Connection | None:
        """An idle connection whose peer still listens; None if there is none."""
        if self._process != os.getpid():
            self._drop_inherited()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if self._clock() - connection.idle_since <= MAX_IDLE and connection.quiet():
                return connection
            connection.close()

    def lend(self, connection: Connection) -> None:
        """``connection`` is in use from now on; it is aborted at once if the pool is closed."""
        self._lent.add(connection)
        if self.closed:
            connection.abort("the backend was closed")

    def give_back(self, connection: Connection) -> None:
        """The answer was read; ``connection`` may serve the next request."""
        connection.idle_since = now = self._clock()
        self._lent.discard(connection)
        self._idle.append(connection)
        try:
            # What a burst left behind goes one by one, with the requests that follow it.
            if now - self._idle[0].idle_since > MAX_IDLE:
                self._idle.pop(0).close()
        except IndexError:
            pass  # another thread was faster
        if self.closed:
            self._close_idle()

    def forget(self, connection: Connection) -> None:
        """``connection`` is being closed by its user."""
        self._lent.discard(connection)

    def close(self) -> None:
        """Close what is idle and abort what is lent; its users close it and raise CancelledError. May be repeated."""
        self.closed = True
        if self._process == os.getpid():
            for connection in list(self._lent):
                connection.abort("the backend was closed")
        self._close_idle()

    def _close_idle(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _drop_inherited(self) -> None:
        """In a child: the parent goes on using its connections, so only our handles are closed and nothing is sent."""
        self._process = os.getpid()
        self._lent = set()
        self._close_idle()
