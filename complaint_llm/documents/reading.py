"""Reading documents, for everybody else: bytes in, pages out, and one line where a file cannot be read."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from types import MappingProxyType

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.frames import BrokenFrameError, decode_document
from complaint_llm.documents.kinds import KINDS
from complaint_llm.documents.page_choice import Pages
from complaint_llm.documents.pages import Limits, ReadDocument
from complaint_llm.documents.plugin_reader import PluginReader
from complaint_llm.documents.process import (
    ReaderAnswer,
    ReaderEndedError,
    ReaderProcess,
    ReaderWasIdleError,
    time_words,
)
from complaint_llm.documents.registry import READERS
from complaint_llm.exceptions import BackendTimeoutError, CancelledError, ConfigError, InvalidRequestError

_USUAL = Limits()
_NO_PLUGINS: Mapping[str, PluginReader] = MappingProxyType({})
_WAIT = 0.1
"""Seconds between looks at a deadline whose clock is not the system's."""


class DocumentReaders:
    """Reads documents in processes of their own, which are started when first needed and kept warm.

    Any thread may call any method. At most ``most`` files are read at once; more wait for their turn. ``plugins`` are
    readers by media type, which come before the built-in ones.
    """

    def __init__(
        self, limits: Limits = _USUAL, plugins: Mapping[str, PluginReader] = _NO_PLUGINS, most: int = 8
    ) -> None:
        self._limits = limits
        self._plugins = plugins
        self._most = most
        self._pool = _Pool(limits, most)

    def can_read(self, media_type: str) -> bool:
        """Whether there is a reader of this kind, built in or a plugin's."""
        return media_type in READERS or media_type in self._plugins

    def read(
        self,
        data: bytes,
        media_type: str,
        name: str,
        *,
        pages: Pages | None = None,
        deadline: Deadline,
        cancel: CancelToken,
    ) -> ReadDocument:
        """What is in a file, of the pages that are asked for (None: all).

        ``name`` stands in errors. Raises InvalidRequestError in a line for a file that cannot be read,
        BackendTimeoutError at the deadline, CancelledError, ConfigError where an extra is missing, and PluginError.
        """
        plugin = self._plugins.get(media_type)
        if plugin is None and media_type not in READERS:
            raise _bad(f"{name} cannot be read: no reader takes {media_type}")
        if len(data) > self._limits.file_bytes:
            raise _bad(f"{name} has {len(data):,} bytes; at most {self._limits.file_bytes:,} are read")
        header = {
            "media_type": media_type,
            "pages": None if pages is None else pages.ranges,
            "plugin": plugin,
        }
        pool = self._own_pool()
        try:
            answer = pool.ask(header, data, deadline, cancel)
            return self._document(answer, media_type, name)
        except TimeoutError as cause:
            if cancel.cancelled:
                raise CancelledError(f"{name} was not read: {cancel.reason}", sent=False) from None
            if deadline.remaining() <= 0:
                raise BackendTimeoutError(f"{name} could not be read before the deadline", sent=False) from None
            raise _unread(name, time_words(self._limits.seconds)) from cause
        except ReaderEndedError as cause:
            if cancel.cancelled:
                raise CancelledError(f"{name} was not read: {cancel.reason}", sent=False) from None
            raise _unread(name, str(cause)) from cause
        except BrokenFrameError as cause:
            raise _unread(name, "gave back what is no document") from cause

    def close(self) -> None:
        """End all reading processes. Files that are being read are not; later calls of ``read`` raise."""
        self._own_pool().close()

    # -- inside --------------------------------------------------------------------------------------------------

    def _own_pool(self) -> _Pool:
        """That of this process: of a pool from before a fork only the pipes are here, and they are closed."""
        pool = self._pool
        if pool.pid != os.getpid():
            self._pool = _Pool(self._limits, self._most)
            pool.forget()
        return self._pool

    def _document(self, answer: ReaderAnswer, media_type: str, name: str) -> ReadDocument:
        header = answer.header
        if "document" in header:
            return decode_document(header["document"], answer.body, self._limits)
        if "unreadable" in header:
            raise _bad(f"{name} {_one_line(header['unreadable'])}")
        if header.get("missing"):
            if media_type in self._plugins:
                raise ConfigError(f"{name}: its reader needs the module {_one_line(header['missing'])}: install it")
            kind = KINDS[media_type].removesuffix(" file")
            raise ConfigError(f"{kind} is read with the extra documents: pip install 'complaint-llm[documents]'")
        if header.get("failed") == "MemoryError":
            raise _unread(name, f"used more than {self._limits.memory_bytes // (1024 * 1024)} MB")
        raise _unread(name, f"failed with {_one_line(header.get('failed'))}")


class _Pool:
    """The reading processes of one process of ours."""

    def __init__(self, limits: Limits, most: int) -> None:
        self.pid = os.getpid()
        self._limits = limits
        self._most = most
        self._changed = threading.Condition()
        self._idle: list[ReaderProcess] = []
        self._busy: set[ReaderProcess] = set()
        self._starting = 0
        self._closed = False

    def ask(
        self,
        header: Mapping[str, object],
        data: bytes,
        deadline: Deadline,
        cancel: CancelToken,
    ) -> ReaderAnswer:
        while True:
            process = self._take(deadline, cancel)
            try:
                answer = process.ask(header, data, deadline.within(self._limits.seconds), cancel)
            except ReaderWasIdleError:
                self._leave(process, None)
                continue
            except BaseException:
                self._leave(process, None)
                raise
            self._leave(process, answer)
            return answer

    def close(self) -> None:
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = tuple(self._busy)
            self._changed.notify_all()
        for process in idle:
            process.close()
        for process in busy:
            process.kill()

    def forget(self) -> None:
        for process in (*self._idle, *self._busy):
            process.forget()

    def _take(self, deadline: Deadline, cancel: CancelToken) -> ReaderProcess:
        """An idle process, or a new one, as soon as fewer than ``most`` are busy."""
        with self._changed:
            while len(self._busy) + self._starting >= self._most and not self._closed:
                if cancel.cancelled or deadline.remaining() <= 0:
                    raise TimeoutError
                self._changed.wait(min(_WAIT, deadline.remaining()))
            if self._closed:
                raise CancelledError("the readers of documents are closed", sent=False)
            while self._idle:
                process = self._idle.pop()
                if process.is_alive:
                    self._busy.add(process)
                    return process
                process.close()
            self._starting += 1
        started: ReaderProcess | None = None
        try:
            started = ReaderProcess(self._limits)
        finally:
            with self._changed:
                self._starting -= 1
                if started is not None:
                    self._busy.add(started)
                is_late = self._is_closed()
                self._changed.notify()
        if is_late:
            started.kill()
        return started

    def _is_closed(self) -> bool:
        return self._closed

    def _leave(self, process: ReaderProcess, answer: ReaderAnswer | None) -> None:
        """Keep a process that is unharmed for the next file, end any other."""
        keep = answer is not None and not answer.header.keys().isdisjoint(("document", "unreadable"))
        keep = keep and process.is_alive
        with self._changed:
            self._busy.discard(process)
            keep = keep and not self._closed
            if keep:
                self._idle.append(process)
            self._changed.notify()
        if not keep:
            process.close()


def _one_line(text: object) -> str:
    """Words from the reading process, bounded and without what a terminal obeys."""
    return "".join(sign if sign.isprintable() else " " for sign in str(text)[:300])


def _unread(name: str, why: str) -> InvalidRequestError:
    return _bad(f"{name} could not be read: the reader {why}")


def _bad(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, sent=False)
