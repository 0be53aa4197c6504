"""Reads a Responses event stream: typed events, the last of them ``response.completed`` or ``response.incomplete``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from complaint_llm_plugins.backends.openai.event_json import loaded
from complaint_llm_plugins.backends.openai.usage import cost, token_usage
from complaint_llm_plugins.backends.openai.wire_chat import Fail, refuse
from complaint_llm_plugins.backends.openai.wire_responses import (
    check_status,
    fail_with,
    finish_of,
    kept_reasoning,
    log_probabilities,
    metadata,
)

from complaint_llm.backends.accumulator import StreamAccumulator
from complaint_llm.backends.parameters import Family
from complaint_llm.backends.shapes import items, mapping, text
from complaint_llm.messages import StreamEvent
from complaint_llm.request import Request
from complaint_llm.transport import ServerSentEvent

Events = Iterable[StreamEvent]


class ResponsesStreamDecoder:
    """Reads one stream; used by the one thread that reads it."""

    def __init__(self, request: Request, family: Family, fail: Fail) -> None:
        self._answer = StreamAccumulator()
        self._fail = fail
        self._facts = family.facts
        self._refused = family.refused(request.params)
        self._logprobs = bool(request.params.get("logprobs"))
        self._refusal: list[str] = []
        self._thought: Any = None
        self._over = False
        self._readers: Mapping[str, Callable[[Mapping[str, Any]], Events]] = {
            "response.output_text.delta": self._text,
            "response.refusal.delta": self._refused_piece,
            "response.reasoning_text.delta": self._reasoning,
            "response.reasoning_summary_text.delta": self._reasoning,
            "response.output_item.added": self._item_added,
            "response.function_call_arguments.delta": self._arguments,
            "response.output_item.done": self._item_done,
            "response.completed": self._end,
            "response.incomplete": self._end,
            "response.failed": self._failed,
            "response.cancelled": self._failed,
            "error": self._error,
        }

    def feed(self, event: ServerSentEvent) -> Events:
        """The events of one event. Raises the error that it tells of, or ResponseFormatError."""
        data = event.data
        if self._over or data == "[DONE]":
            return ()
        found = mapping(loaded(data), "an event")
        kind = found.get("type")
        reader = self._readers.get(kind) if isinstance(kind, str) else None
        if reader is None:
            # An error as the other wire sends it, from a gateway in between.
            return self._error(found) if found.get("error") else ()
        return reader(found)

    def end(self) -> Events:
        """The end of the bytes alone is no proper end here."""
        return ()

    def _text(self, event: Mapping[str, Any]) -> Events:
        if self._logprobs:
            self._answer.log_probabilities.extend(log_probabilities(event.get("logprobs")))
        piece = text(event.get("delta"), "delta")
        return (self._answer.text(piece),) if piece else ()

    def _refused_piece(self, event: Mapping[str, Any]) -> Events:
        self._refusal.append(text(event.get("delta"), "delta"))
        return ()

    def _reasoning(self, event: Mapping[str, Any]) -> Events:
        piece = text(event.get("delta"), "delta")
        if not piece:
            return ()
        # Parts of a reasoning are paragraphs: the whole answer joins them the same way.
        place = (event.get("output_index"), event.get("summary_index"), event.get("content_index"))
        new = self._thought is not None and place != self._thought
        self._thought = place
        return (self._answer.reasoning("\n\n" + piece if new else piece),)

    def _item_added(self, event: Mapping[str, Any]) -> Events:
        item = mapping(event.get("item"), "item")
        if item.get("type") != "function_call":
            return ()
        name = text(item.get("name"), "item.name")
        return self._answer.tool_call(_place(event), _id(item), name, text(item.get("arguments"), "item.arguments"))

    def _arguments(self, event: Mapping[str, Any]) -> Events:
        return self._answer.tool_call(_place(event), arguments=text(event.get("delta"), "delta"))

    def _item_done(self, event: Mapping[str, Any]) -> Events:
        item = mapping(event.get("item"), "item")
        if item.get("type") != "function_call":
            return ()
        place = _place(event)
        arguments = text(item.get("arguments"), "item.arguments")
        begun = self._answer.tool_call(place, _id(item), text(item.get("name"), "item.name"))
        return [*begun, *self._answer.set_arguments(place, arguments), *self._answer.end_tool_call(place)]

    def _end(self, event: Mapping[str, Any]) -> Events:
        body = mapping(event.get("response"), "response")
        check_status(body, self._fail)
        self._over = True
        answer = self._answer
        answer.model = text(body.get("model"), "model")
        usage = body.get("usage")
        answer.usage = token_usage(usage, "input", "output")
        answer.cost = cost(usage, self._facts)
        answer.finish_reason = finish_of(body, called=answer.has_calls)
        if not answer.has_calls and not answer.content:
            refuse("".join(self._refusal), answer.finish_reason)
        answer.metadata.update(metadata(self._refused, body))
        output = [mapping(item, "output[]") for item in items(body.get("output"), "output")]
        answer.extra = kept_reasoning(output, self._facts)
        return answer.done()

    def _failed(self, event: Mapping[str, Any]) -> Events:
        raise fail_with(mapping(event.get("response"), "response"), self._fail)

    def _error(self, event: Mapping[str, Any]) -> Events:
        # The event's own type is "error", which is no code; its fields stand in it or in an object "error".
        raise self._fail(event if event.get("error") else {key: event[key] for key in event if key != "type"})


def _place(event: Mapping[str, Any]) -> int | str | None:
    place = event.get("output_index", event.get("item_id"))
    return place if isinstance(place, (int, str)) else None


def _id(item: Mapping[str, Any]) -> str:
    return text(item.get("call_id"), "item.call_id") or text(item.get("id"), "item.id")
