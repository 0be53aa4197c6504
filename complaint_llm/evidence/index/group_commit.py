"""Writes of several threads in one transaction: who comes while one of them commits goes with the next."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

from complaint_llm.evidence.index.database import Database, StoreBusyError, Transaction

Result = TypeVar("Result")


class GroupCommit:
    """What the threads of a process write to one database, so that they wait for the disk together. Any may call it.

    One thread at a time leads: it commits all that is in line, then the first of those who came meanwhile leads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # One for each process: those in line before a fork go on in the parent alone.
        self._lines: dict[int, _Line] = {}

    @property
    def queue_length(self) -> int:
        """Writes in line that no thread has begun to commit."""
        line = self._lines.get(os.getpid())
        return 0 if line is None else len(line.waiting)

    def write(self, do: Callable[[Transaction], Result]) -> Result:
        """What ``do`` gives, once it is durable. Raises what ``do`` raises, and as ``Database.transaction`` does.

        ``do`` may be called in another thread, and again if something that was to be committed with it failed.
        """
        process = os.getpid()
        line = self._lines.get(process) or self._lines.setdefault(process, _Line())
        write = _Write(do)
        try:
            if line.enter(write):
                self._commit(line.take())
        finally:
            line.leave(write)
        if write.is_durable:
            result: Result = write.result
            return result
        if isinstance(write.error, StoreBusyError):
            raise StoreBusyError(str(write.error)) from write.error
        # Something in the group failed: alone it shows what, and the others are stored.
        with self._database.transaction("shared") as connection:
            return do(connection)

    def _commit(self, group: list[_Write]) -> None:
        try:
            with self._database.transaction("shared") as connection:
                for write in group:
                    write.result = write.do(connection)
        except Exception as error:
            if len(group) == 1:
                raise
            for write in group:
                write.error = error
        else:
            for write in group:
                write.is_durable = True


class _Write:
    """One write: ``gate`` is held until its group was committed, or until it is to lead the next one."""

    def __init__(self, do: Callable[[Transaction], Any]) -> None:
        self.do = do
        self.gate = Lock()
        self.gate.acquire()
        self.leads = False
        self.result: Any = None
        self.is_durable = False
        self.error: Exception | None = None


class _Line:
    """Who waits for the leader. ``_lock`` is not held over the disk."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.waiting: list[_Write] = []
        self._group: list[_Write] = []
        self._is_led = False

    def enter(self, write: _Write) -> bool:
        """Wait in line; whether ``write`` leads then. If not, its group was committed, or failed."""
        with self._lock:
            self.waiting.append(write)
            write.leads, self._is_led = not self._is_led, True
        if not write.leads:
            write.gate.acquire()
        return write.leads

    def take(self) -> list[_Write]:
        """All that is in line, for the leader to commit."""
        with self._lock:
            self._group, self.waiting = self.waiting, []
            return self._group

    def leave(self, write: _Write) -> None:
        """Let those go on whom ``write`` led, and the next group; also where its thread was interrupted."""
        with self._lock:
            if write in self.waiting:
                self.waiting.remove(write)
            if not write.leads:
                return
            for each in self._group:
                each.gate.release()
            self._group = []
            if self.waiting:
                self.waiting[0].leads = True
                self.waiting[0].gate.release()
            else:
                self._is_led = False
