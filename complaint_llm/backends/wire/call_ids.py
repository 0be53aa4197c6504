"""Ids of tool calls: unique in a conversation, and on each wire in the form that its service takes.

A conversation may come from several services, some of which give no ids, number from 0 in every turn, or refuse what
another gave. What a wire sends is made from left to right and of nothing but what stands before it: a conversation that
grows keeps its ids, and with them the provider's prompt cache.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from complaint_llm.exceptions import ConfigError
from complaint_llm.messages import (
    Done,
    InferenceOutput,
    Message,
    StreamEvent,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from complaint_llm.named_tuples import NamedTuple


class IdForm(NamedTuple):
    """The form of a service's ids.

    ``pattern`` is a regular expression for the whole of an id that goes as it is. Another is made by ``made``, a format
    with ``{digest}`` (64 hex digits), ``{name}`` (the function's) and ``{count}`` (calls before this one), of which
    ``digest`` or ``count`` must be there.
    """

    pattern: str = r"(?s).+"
    made: str = "call_{digest:.24}"


ANY_ID = IdForm()
"""What a service takes that takes anything."""


def id_form(given: Mapping[str, str] | None) -> IdForm:
    """The form in a service's data: ``{"pattern", "made"}``; ANY without one. Raises ConfigError for another thing."""
    if given is None:
        return ANY_ID
    try:
        form = IdForm(**given)
        re.compile(form.pattern)
        two = {form.made.format(digest=64 * str(n), name="f", count=n) for n in (1, 2)}
    except (TypeError, ValueError, LookupError, AttributeError, re.error) as cause:
        raise ConfigError(f"call_ids is no form of ids: {cause}") from cause
    if len(two) == 1:
        raise ConfigError("call_ids makes one id for all calls: put {digest} or {count} into made")
    return form


def free_id(used: Collection[str]) -> str:
    """The first of ``call_0``, ``call_1`` and so on that is not used."""
    return next(id for id in map("call_{}".format, itertools.count()) if id not in used)


def with_wire_ids(messages: Sequence[Message], form: IdForm | Mapping[str, str] | None) -> Sequence[Message]:
    """The messages with ids of this form (see ``id_form``), each once; results go to the call that they answered.

    Results of calls with one id in one message are taken in the order of the calls.
    """
    for message in messages:
        if message.tool_calls or message.role == "tool":
            ids = _WireIds(form if isinstance(form, IdForm) else id_form(form))
            return list(map(ids.message, messages))
    return messages


class _WireIds:
    """The ids of one conversation as it is gone through."""

    def __init__(self, form: IdForm) -> None:
        self._accepts = re.compile(form.pattern).fullmatch
        self._made = form.made
        self._used: set[str] = set()
        self._count = 0
        self._answerable: dict[str, list[str]] = {}

    def message(self, message: Message) -> Message:
        if message.role == "tool":
            return message._replace(tool_call_id=self._of_result(message))
        if not message.tool_calls:
            return message
        calls: list[ToolCall] = []
        here: dict[str, list[str]] = {}
        for call in message.tool_calls:
            id = self._new(call.id, call.name)
            here.setdefault(call.id, []).append(id)
            calls.append(call if id == call.id else call._replace(id=id))
        self._answerable.update(here)
        return message._replace(tool_calls=tuple(calls))

    def _of_result(self, message: Message) -> str:
        given = message.tool_call_id or ""
        waiting = self._answerable.get(given)
        if waiting is None:
            # It answers nothing: the service will say so, in its own words.
            return self._new(given, message.name or "")
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def _new(self, given: str, name: str) -> str:
        id = given if given not in self._used and self._accepts(given) else self._make(given, name)
        self._used.add(id)
        self._count += 1
        return id

    def _make(self, given: str, name: str) -> str:
        for again in itertools.count():
            digest = hashlib.sha256(f"{given}\n{again}".encode("utf-8", "surrogatepass")).hexdigest()
            id = self._made.format(digest=digest, name=name, count=self._count + again)
            if id not in self._used:
                return id
        raise AssertionError("unreachable")


def known_ids(messages: Sequence[Message]) -> Collection[str]:
    """The ids of all calls in these messages."""
    return {call.id for message in messages for call in message.tool_calls}


def with_new_ids(output: InferenceOutput, known: Collection[str]) -> InferenceOutput:
    """The answer with other ids for calls whose id is empty, is among ``known`` or was there before in the answer."""
    if not output.tool_calls:
        return output
    used = set(known)
    calls = []
    for call in output.tool_calls:
        id = free_id(used) if not call.id or call.id in used else call.id
        used.add(id)
        calls.append(call if id == call.id else call._replace(id=id))
    return output._replace(tool_calls=tuple(calls))


class StreamedNewIds:
    """A stream's events with the ids of ``with_new_ids``; the calls of the stream have an id each, if not a new one.

    One thread iterates; ``close`` closes the stream, from any thread.
    """

    def __init__(self, events: Iterable[StreamEvent], known: Collection[str]) -> None:
        self._source = events
        self._events = iter(events)
        self._used = set(known)
        self._new: dict[str, str] = {}

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        event = next(self._events)
        if isinstance(event, ToolCallStart):
            if event.id in self._used:
                self._new[event.id] = free_id(self._used)
            self._used.add(self._new.get(event.id, event.id))
        if self._new and isinstance(event, (ToolCallStart, ToolCallDelta, ToolCallEnd)):
            return event._replace(id=self._new.get(event.id, event.id))
        if self._new and isinstance(event, Done):
            return Done(event.token_usage, self._with_new_ids(event.output))
        return event

    def close(self) -> None:
        """Close the stream."""
        close = getattr(self._source, "close", None) or getattr(self._events, "close", None)
        if close is not None:
            close()

    def _with_new_ids(self, output: InferenceOutput) -> InferenceOutput:
        calls = tuple(call._replace(id=self._new.get(call.id, call.id)) for call in output.tool_calls)
        return output._replace(tool_calls=calls)
