"""Event streams whose events are JSON: the one place where an event becomes a value, on every wire.

Heartbeats, end marks and errors come in many forms, whatever the wire; a wire reads only what is its own.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm import bounded_json
from complaint_llm.backends.wire.error_bodies import error_words, looks_like_error, tells_of_error
from complaint_llm.backends.wire.json_checks import wrong_shape
from complaint_llm.exceptions import BackendError, ResponseFormatError
from complaint_llm.messages import StreamEvent

if TYPE_CHECKING:
    from complaint_llm.transport.sse import ServerSentEvent

Fail = Callable[[Any], BackendError]
"""Makes the error of a body that tells of one; secrets are cut out there."""

HEARTBEATS = frozenset(("", "ping", "[ping]", "heartbeat", "keepalive", "keep-alive"))
"""Events, by their type or their data, that only keep the connection open."""

SHORT = 16 * 1024
"""Characters of an event that are read without counting what is in it."""

_decoder = json.JSONDecoder()


def _value(data: str) -> Any:
    """The JSON value. Raises ValueError."""
    if data[:1] == "{" and len(data) < SHORT:
        # 67 calls for a chunk where bounded_json makes it 77 (tests/guard); what is long, or ends early, goes there.
        try:
            value, end = _decoder.raw_decode(data)
        except RecursionError:
            end = -1
        if end == len(data):
            return value
    return bounded_json.loads(data)


class JSONStreamDecoder(ABC):
    """The base of decoders of JSON events; made anew for each stream, used by the one thread that reads it.

    A wire sets ``over`` once it gave ``Done``: what follows is not read.
    """

    own_keys: ClassVar[frozenset[str]]
    """Keys of which an event of this wire has at least one."""

    def __init__(self, fail: Fail) -> None:
        self.fail = fail
        self.over = False
        self._last_words: Any = None  # what was no event of this wire and may be an error

    @abstractmethod
    def read(self, value: Mapping[str, Any]) -> Iterable[StreamEvent]:
        """The events that an object of this wire means. Raises BackendError for an error that it tells of."""

    def end_mark(self) -> Iterable[StreamEvent]:
        """The events that ``[DONE]`` means: none, unless this wire ends so."""
        return ()

    def end_of_bytes(self) -> Iterable[StreamEvent]:
        """The events that the end of the bytes means: ``Done`` if the stream was whole by then, else nothing."""
        return ()

    def feed(self, event: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events that this one means. Raises the error that it tells of, or ResponseFormatError."""
        if self.over:
            return ()
        try:
            value = _value(event.data)
        except ValueError as cause:
            return self._no_json(event, cause)
        if event.event == "error" or tells_of_error(value):
            raise self.fail(value)
        if type(value) is dict and not event.outside and not self.own_keys.isdisjoint(value):
            self._last_words = None
            return self.read(value)
        return self._foreign(value, event)

    def end(self) -> Iterable[StreamEvent]:
        """The events that the end of the bytes means. Raises what the server said last, if that was no event."""
        if self.over:
            return ()
        events = self.end_of_bytes()
        if not events and self._last_words is not None:
            raise self.fail(self._last_words)
        return events

    def check_body(self, payload: Any) -> Mapping[str, Any]:
        """A whole answer's body. Raises the error that it tells of, ResponseFormatError if it is no object."""
        if tells_of_error(payload):
            raise self.fail(payload)
        if not isinstance(payload, dict):
            raise wrong_shape("the body", payload, "an object")
        if self.own_keys.isdisjoint(payload) and error_words(payload):
            raise self.fail(payload)
        return payload

    def _foreign(self, value: Any, event: ServerSentEvent) -> Iterable[StreamEvent]:
        if isinstance(value, str):
            return self._no_json(event._replace(data=value), None)
        if value is None or event.event in HEARTBEATS:
            return ()
        if isinstance(value, dict):
            if looks_like_error(value):
                raise self.fail(value)
            if error_words(value):
                self._last_words = value
        elif not event.outside:
            raise wrong_shape("an event", value, "an object")
        return ()

    def _no_json(self, event: ServerSentEvent, cause: Exception | None) -> Iterable[StreamEvent]:
        said = event.data.strip()
        if event.event == "error":
            raise self.fail(said)
        if said.upper() == "[DONE]":
            return self.end_mark()
        if event.event in HEARTBEATS or said.strip(": ").lower() in HEARTBEATS:
            return ()
        if event.outside:
            return ()
        raise ResponseFormatError(f"an event of the stream is no JSON: it begins {said[:80]!r}") from cause
