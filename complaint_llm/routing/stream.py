"""A streamed answer over several targets: switched only before its first piece was handed out."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, CancelledError, StreamInterruptedError
from complaint_llm.messages import Attempt, Done, StreamError, StreamEvent, TextDelta, ToolCallStart
from complaint_llm.routing.failure import attempt_error
from complaint_llm.routing.loop import AttemptLoop
from complaint_llm.routing.reask import with_earlier
from complaint_llm.routing.target import EventStream, Target

if TYPE_CHECKING:
    from complaint_llm.call import Clock
    from complaint_llm.request import Request
    from complaint_llm.routing.attempts import Attempts, Success
    from complaint_llm.routing.hedge import Hedge

Start = Callable[["Request"], "Attempts"]


class Opened(NamedTuple):
    """A target's stream whose first events were read; ``began`` is on the deadline's clock."""

    stream: EventStream
    events: list[StreamEvent]
    deadline: Deadline
    began: float

    def close(self) -> None:
        """Free the connection: another stream answered first."""
        self.stream.close()


class RoutedStream:
    """A running answer. One thread iterates, any thread may ``close()``; leaving it to the collector closes it too.

    Nothing is sent before the first ``next()``. The deadline stands still while the consumer holds a piece. An error
    before the first piece is raised as it is; one after it comes as a ``StreamError`` event and is then raised, a
    ``StreamInterruptedError`` with the text so far.
    """

    __slots__ = ("__weakref__", "_course")

    def __init__(self, start: Start, request: Request, clock: Clock, hedge: Hedge | None = None) -> None:
        self._course = _Course(start, request, clock, hedge)

    def __iter__(self) -> RoutedStream:
        return self

    def __next__(self) -> StreamEvent:
        return self._course.step()

    def close(self) -> None:
        """Stop the answer, free its connection and its slots. A thread that waits in ``next()`` gets CancelledError."""
        self._course.close("the stream was closed")

    def __del__(self) -> None:
        course = getattr(self, "_course", None)
        if course is not None and course.started and not course.ended:
            # The collector may run this inside any lock of ours: a thread that holds none does the closing.
            try:
                _thread.start_new_thread(course.close, ("the stream was abandoned",))
            except RuntimeError:
                pass  # the interpreter shuts down and frees everything


class _Course:
    """What runs behind a RoutedStream. ``_lock`` guards ``_busy`` and ``ended``: who ends it is decided there, once."""

    __slots__ = (
        "_began",
        "_busy",
        "_call_token",
        "_clock",
        "_error",
        "_events",
        "_hedge",
        "_lock",
        "_made",
        "_request",
        "_start",
        "_success",
        "_text",
        "_token",
        "_waited",
        "ended",
    )

    def __init__(self, start: Start, request: Request, clock: Clock, hedge: Hedge | None) -> None:
        self._clock = clock
        self._began = self._waited = 0.0
        self._lock = threading.Lock()
        self._busy = False
        self.ended = False
        self._call_token = request.cancel
        self._token = CancelToken()
        self._request = request._replace(cancel=self._token)
        self._start = start
        self._hedge = hedge
        self._made: Attempts | None = None
        self._success: Success | None = None
        self._events: list[StreamEvent] = []
        self._text: list[str] = []
        self._error: BackendError | None = None
        request.deadline.pause()
        self._call_token.attach(self._cancelled_outside)

    @property
    def started(self) -> bool:
        """Whether anything may have been sent."""
        return self._made is not None

    def step(self) -> StreamEvent:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        with self._lock:
            if self.ended:
                raise StopIteration
            if self._busy:
                raise RuntimeError("another thread waits for the next piece of this stream")
            self._busy = True
        self._count(True)
        self._began = self._clock()
        ending: BaseException | None = None
        try:
            event = self._next()
            if self._token.cancelled and not self.ended:
                raise CancelledError(self._token.reason)
        except BackendError as raised:
            ending = error = attempt_error(raised, self._token)
            self._finish(error)
            if self._success is None or isinstance(error, CancelledError):
                error.attempts = error.attempts or self._attempts()
                raise error from error.__cause__
            self._error = self._interruption(error)
            return StreamError(self._error)
        except BaseException as error:
            ending = error
            self._finish(error)
            raise
        finally:
            self._waited = self._seconds()
            self._count(False)
            with self._lock:
                self._busy = False
                late_close = ending is None and self._token.cancelled and not self.ended
            if late_close:
                self._finish(CancelledError(self._token.reason))
        return event

    def close(self, reason: str) -> None:
        self._token.cancel(reason)
        success = self._success
        if success is not None:
            success.value.close()
        with self._lock:
            # A thread inside step() sees the token and ends the course itself.
            if self.ended or self._busy:
                return
        self._finish(CancelledError(reason))

    def _next(self) -> StreamEvent:
        if self._success is None:
            return self._open()
        if self._events:
            return self._deliver(self._events.pop(0))
        try:
            return self._deliver(next(self._success.value.stream))
        except StopIteration:
            raise StreamInterruptedError("the stream ended without its proper end") from None

    def _open(self) -> StreamEvent:
        self._made = self._start(self._request)
        work = open_to_first_event if self._hedge is None else open_to_first_text
        self._success = success = AttemptLoop(self._made, work, self._hedge).first_success()
        self._made.forget_errors()
        opened: Opened = success.value
        self._began = success.started
        self._events = opened.events
        call_deadline, own = self._request.deadline, opened.deadline
        if own is not call_deadline:
            # No other backend will need its share any more: the stream may use all that is left of the call.
            limit = success.target.timeout
            own.at = call_deadline.at if limit is None else min(call_deadline.at, opened.began + limit)
        return self._deliver(self._events.pop(0))

    def _deliver(self, event: StreamEvent) -> StreamEvent:
        if isinstance(event, TextDelta):
            self._text.append(event.text)
        elif isinstance(event, Done):
            made, success = self._made, self._success
            assert made is not None
            assert success is not None
            if self._end_once():
                made.settle_answer(success, event.output, self._seconds())
                success.value.close()
            output = with_earlier(event.output, made.earlier)._replace(attempts=tuple(made.attempts))
            return Done(output.token_usage, output)
        elif isinstance(event, StreamError):
            raise event.error
        return event

    def _count(self, waiting: bool) -> None:
        """The deadline counts while we wait for the provider, and stands still while the consumer holds a piece."""
        deadlines = [self._request.deadline]
        if self._success is not None and self._success.value.deadline is not deadlines[0]:
            deadlines.append(self._success.value.deadline)
        for deadline in deadlines:
            if waiting:
                deadline.resume()
            else:
                deadline.pause()

    def _finish(self, error: BaseException) -> None:
        """End it, once: settle what is open and free the connection."""
        if not self._end_once():
            return
        success, made = self._success, self._made
        if success is None or made is None:
            return
        success.value.close()
        if not isinstance(error, BackendError):
            error = CancelledError(f"ended by {type(error).__name__}")
        error.maybe_received = True
        made.settle_failure(success.target, success.permits, self._seconds() if self._busy else self._waited, error)

    def _seconds(self) -> float:
        """Seconds spent waiting for the backend that answers; not those in which the consumer held a piece."""
        return self._waited + self._clock() - self._began

    def _end_once(self) -> bool:
        with self._lock:
            if self.ended:
                return False
            self.ended = True
        self._call_token.detach(self._cancelled_outside)
        return True

    def _attempts(self) -> tuple[Attempt, ...]:
        return () if self._made is None else tuple(self._made.attempts)

    def _interruption(self, error: BackendError) -> StreamInterruptedError:
        partial = "".join(self._text)
        if isinstance(error, StreamInterruptedError):
            interrupted = error
            interrupted.partial = error.partial or partial
        else:
            interrupted = StreamInterruptedError(
                f"the stream broke off: {error.message}",
                partial=partial,
                backend=error.backend,
                model=error.model,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
                maybe_received=True,
            )
            interrupted.__cause__ = error
        interrupted.attempts = self._attempts()
        return interrupted

    def _cancelled_outside(self) -> None:
        reason = self._call_token.reason or "cancelled"
        with self._lock:
            if not self.ended and not self._busy:
                # Nobody waits in step(): the next one must not take this for the answer's end.
                self._error = CancelledError(reason, maybe_received=True)
        self.close(reason)


def open_to_first_event(target: Target, request: Request) -> Opened:
    """Open a stream and wait for its first event: until then another backend may still be asked."""
    return _open(target, request, text_wanted=False)


def open_to_first_text(target: Target, request: Request) -> Opened:
    """Open a stream and wait for its first text, tool call or end: what decides a race between two."""
    return _open(target, request, text_wanted=True)


def _open(target: Target, request: Request, *, text_wanted: bool) -> Opened:
    began = request.deadline.clock()
    stream = target.attempt_stream(request)
    events: list[StreamEvent] = []
    try:
        for event in stream:
            if isinstance(event, StreamError):
                raise event.error
            events.append(event)
            if not text_wanted or isinstance(event, (TextDelta, ToolCallStart, Done)):
                return Opened(stream, events, request.deadline, began)
        raise StreamInterruptedError("the stream ended before its first piece")
    except BaseException:
        stream.close()
        raise
