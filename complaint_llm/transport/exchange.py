"""One request and its answer on one connection: sending, the silent resend, and what a failure on the way means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    CancelledError,
    StreamInterruptedError,
)
from complaint_llm.transport.connection import Connection, time_left
from complaint_llm.transport.dial import Abandoned
from complaint_llm.transport.failures import CUT, brief, meaning_of
from complaint_llm.transport.strict_response import StrictResponse, location_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.call import CancelToken, Deadline
    from complaint_llm.transport.origin import Origin
    from complaint_llm.transport.pool import Pool
    from complaint_llm.transport.request_head import OutgoingRequest, RequestHead


class Exchange:
    """Owns a connection from the pool until the answer was read. Used by one thread.

    ``sent`` is whether any byte of the request may have left, ``sent_completely`` whether all of them did.
    """

    __slots__ = ("_abort", "_cancel", "_pool", "_refused_early", "connection", "deadline", "sent", "sent_completely")

    def __init__(self, pool: Pool, deadline: Deadline, cancel: CancelToken | None) -> None:
        self._pool = pool
        self._cancel = cancel
        self._abort: Callable[[], None] | None = None
        self._refused_early = False
        self.connection: Connection | None = None
        self.deadline = deadline
        self.sent = False
        self.sent_completely = False

    def send(self, head: RequestHead, request: OutgoingRequest) -> StrictResponse:
        """Send the request and read the answer's head. Raises what sockets, TLS and parsers raise."""
        idle = self._pool.take()
        while True:
            self.connection = connection = idle or Connection()
            self._pool.lend(connection)
            if self._cancel is not None:
                self._abort = connection.abort
                self._cancel.attach(self._abort)
            if idle is None:
                self._pool.dialer.dial(connection, self.deadline, self._cancel)
            left = time_left(self.deadline)  # nothing is sent after it
            try:
                self.sent = True
                connection.send(memoryview(head.render(request)), left)
            except OSError as error:
                if connection.aborted or isinstance(error, TimeoutError):
                    raise
                if idle is not None:
                    # The server closed an idle connection as we began. The request was not wholly sent, so nothing
                    # can have been done with it: once more, on a connection of its own.
                    self.abandon()
                    idle = None
                    continue
                if connection.quiet() or connection.raw.ended:
                    raise
                # An answer before the request's end (too large, not allowed), and then no more reading.
                self._refused_early = True
            else:
                self.sent_completely = True
            connection.raw.expect(self.deadline, request.first_byte, request.gap)
            reply = StrictResponse(connection, request.method)
            reply.begin()
            return reply

    def finish(self, reply: StrictResponse) -> None:
        """The answer was read to its end: give the connection back, or close it if it cannot be used again."""
        connection = self.connection
        if connection is None:
            return
        if connection.keep_session is not None:
            connection.keep_session()
            connection.keep_session = None
        # Detached before it is given back: a late cancel must not reach the connection's next user.
        detached = self._cancel is None or self._abort is None or self._cancel.detach(self._abort)
        unusable = reply.will_close or connection.raw.ended or connection.closed or connection.aborted
        if detached and not self._refused_early and not unusable:
            self.connection = None
            self._pool.give_back(connection)
        else:
            self.abandon()

    def abandon(self) -> None:
        """Close the connection, whatever its state."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        if self._cancel is not None and self._abort is not None:
            self._cancel.detach(self._abort)
        self._pool.forget(connection)
        connection.close()

    def redirect_error(self, reply: StrictResponse) -> BackendError:
        """The error for an answer that points elsewhere: keys and prompts go to no host but the configured one."""
        where = location_of(reply.fields) or "another path"
        text = f"{self._pool.origin}: answered {reply.status} and points to {where}: put the right place into base_url"
        return BackendConnectionError(self._pool.redact(text), status=reply.status, retryable=False)

    def error_for(
        self, error: BaseException, connection: Connection | None, *, streamed: bool = False
    ) -> BackendError | None:
        """Our error for a foreign one; None if it is not the network's (an interrupt, our own bug, our own error).

        ``streamed`` is whether the answer was being handed out: one that is cut is interrupted then.
        """
        maybe = self.sent_completely
        origin = self._pool.origin
        if connection is not None and connection.aborted and isinstance(error, Exception):
            reason = self._cancel.reason if self._cancel is not None and self._cancel.cancelled else connection.aborted
            return CancelledError(f"{origin}: the request was given up: {reason}", sent=self.sent, maybe_received=maybe)
        if isinstance(error, Abandoned):
            return CancelledError(f"{origin}: the request was given up", sent=self.sent, maybe_received=maybe)
        meaning = meaning_of(error)
        if meaning is None:
            return None
        if meaning.kind is BackendTimeoutError:
            return BackendTimeoutError(f"{origin}: {self._why_late(connection)}", sent=self.sent, maybe_received=maybe)
        text = self._pool.redact(f"{origin}: {meaning.text} ({brief(error)})")
        kind = StreamInterruptedError if streamed and meaning is CUT else meaning.kind
        return kind(text, retryable=meaning.retryable, sent=self.sent, maybe_received=maybe)

    @property
    def origin(self) -> Origin:
        """The server asked."""
        return self._pool.origin

    def _why_late(self, connection: Connection | None) -> str:
        if not self.sent:
            return "no connection in time: check the address, the network and connection_timeout"
        if not self.sent_completely:
            return "the request could not be sent in time: raise timeout or send less"
        if self.deadline.remaining() <= 0:
            return "no whole answer before the deadline: raise timeout"
        if connection is not None and connection.raw.answer_begun:
            return "the server fell silent inside its answer"
        return "the server kept silent for too long before its answer"
