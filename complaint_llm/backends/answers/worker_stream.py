"""A stream whose source cannot be interrupted, read by a thread of its own so that its consumer keeps its deadline."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendTimeoutError, CancelledError
from complaint_llm.messages import StreamEvent
from complaint_llm.routing.threads.worker import AbandonableThread

AHEAD = 64
"""Events that the source may run ahead of its consumer."""


class WorkerStream:
    """The events of ``source()``, made on a daemon thread called ``name``.

    One thread iterates; any thread may close. The source is iterated, and closed, on its own thread alone, so locks
    that it takes are given back there: after the event under way when the stream is closed, cancelled or late.
    ``_changed`` guards all fields.
    """

    def __init__(
        self, source: Callable[[], Iterable[StreamEvent]], deadline: Deadline, cancel: CancelToken, name: str
    ) -> None:
        self._source = source
        self._deadline = deadline
        self._cancel = cancel
        self._changed = threading.Condition(threading.Lock())
        self._ready: deque[StreamEvent] = deque()
        self._ended = False
        self._stopped = False
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        self.thread = AbandonableThread(name, lambda: context.run(self._read_source))
        cancel.attach(self.close)
        self.thread.start()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        with self._changed:
            while not self._ready:
                if self._stopped:
                    raise CancelledError(self._cancel.reason or "the stream was closed", maybe_received=True)
                if self._ended:
                    break
                left = self._deadline.remaining()
                if left <= 0:
                    self._stop()
                    raise BackendTimeoutError("no answer before the deadline", maybe_received=True)
                self._changed.wait(left)
            else:
                self._changed.notify_all()
                return self._ready.popleft()
            error, self._error = self._error, None
        self._cancel.detach(self.close)
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop the source after the event under way. Idempotent."""
        with self._changed:
            self._stop()
        self._cancel.detach(self.close)

    def _stop(self) -> None:
        self._stopped = self.thread.abandoned = True
        self._ready.clear()
        self._changed.notify_all()

    def _read_source(self) -> None:
        events: Iterator[StreamEvent] | None = None
        error: BaseException | None = None
        try:
            events = iter(self._source())
            for event in events:
                with self._changed:
                    while len(self._ready) >= AHEAD and not self._stopped:
                        self._changed.wait()
                    if self._stopped:
                        break
                    self._ready.append(event)
                    self._changed.notify_all()
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer, who raises it
            error = caught
        try:
            close = getattr(events, "close", None)
            if close is not None:
                close()
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer, who raises it
            error = error or caught
        with self._changed:
            self._ended = self.thread.done = True
            self._error = error
            self._changed.notify_all()
