"""Reads a chat completion's event stream. Chunks are ``chat.completion.chunk`` objects, then ``[DONE]``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from complaint_llm_plugins.backends.openai.event_json import loaded
from complaint_llm_plugins.backends.openai.usage import cost, token_usage
from complaint_llm_plugins.backends.openai.wire_chat import (
    FINISH_REASONS,
    Fail,
    content_parts,
    echoed,
    function_arguments,
    log_probabilities,
    metadata,
    reasoning_of,
    refuse,
)

from complaint_llm.backends.accumulator import StreamAccumulator
from complaint_llm.backends.parameters import Family
from complaint_llm.backends.shapes import items, mapping, optional_mapping, text
from complaint_llm.messages import StreamEvent
from complaint_llm.request import Request
from complaint_llm.transport import ServerSentEvent


class ChatStreamDecoder:
    """Reads one stream; used by the one thread that reads it."""

    def __init__(self, request: Request, family: Family, fail: Fail) -> None:
        self._answer = StreamAccumulator()
        self._fail = fail
        self._facts = family.facts
        self._refused = family.refused(request.params)
        self._logprobs = bool(request.params.get("logprobs"))
        self._plain = not self._logprobs
        self._first: Mapping[str, Any] | None = None
        self._reason = ""
        self._refusal: list[str] = []
        self._echo: dict[str, list[Any]] = {}
        self._calls: dict[Any, tuple[int, str]] = {}
        self._fragments = 0
        self._over = False

    def feed(self, event: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events of one chunk. Raises the error that the chunk tells of, or ResponseFormatError."""
        data = event.data
        if self._over:
            return ()
        if data == "[DONE]":
            return self._end()
        chunk = loaded(data)
        # The common chunk by the shortest way: one piece of text and nothing else that would have to be read.
        try:
            (choice,) = chunk["choices"]
            delta = choice["delta"]
            piece = delta["content"]
            plain = (
                type(piece) is str
                and piece != ""
                and self._first is not None
                and self._plain
                and (len(delta) == 1 or (len(delta) == 2 and "role" in delta))
                and choice.get("finish_reason") is None
                and chunk.get("usage") is None
                and chunk.get("error") is None
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            plain = False
        return (self._answer.text(piece),) if plain else self._read(chunk)

    def end(self) -> Iterable[StreamEvent]:
        """Services that leave ``[DONE]`` out have still told the finish reason by then."""
        return self._end() if self._reason and not self._over else ()

    def _read(self, given: Any) -> list[StreamEvent]:
        chunk = mapping(given, "a chunk")
        if chunk.get("error") or chunk.get("object") == "error":
            raise self._fail(chunk)
        choices = items(chunk.get("choices"), "choices")
        if self._first is None and choices:
            # Azure begins with a chunk about the prompt's filter, which names neither model nor answer.
            self._first = chunk
            self._answer.model = text(chunk.get("model"), "model")
        usage = chunk.get("usage")
        if usage is not None:
            self._answer.usage = token_usage(usage, "prompt", "completion")
            self._answer.cost = cost(usage, self._facts)
        return self._choice(mapping(choices[0], "choices[0]")) if choices else []

    def _choice(self, choice: Mapping[str, Any]) -> list[StreamEvent]:
        if choice.get("error"):
            raise self._fail(choice)
        answer = self._answer
        events: list[StreamEvent] = []
        delta = optional_mapping(choice.get("delta"), "delta")
        given = delta.get("content")
        content, thoughts = (given, "") if type(given) is str else content_parts(given)
        thoughts = thoughts or reasoning_of(delta)
        if thoughts:
            events.append(answer.reasoning(thoughts))
        if content:
            events.append(answer.text(content))
        for fragment in items(delta.get("tool_calls"), "tool_calls"):
            events.extend(self._fragment(mapping(fragment, "tool_calls[]")))
        refusal = text(delta.get("refusal"), "refusal")
        if refusal:
            self._refusal.append(refusal)
        if self._logprobs:
            answer.log_probabilities.extend(log_probabilities(choice))
        self._keep(delta)
        self._reason = text(choice.get("finish_reason"), "finish_reason") or self._reason
        return events

    def _fragment(self, fragment: Mapping[str, Any]) -> list[StreamEvent]:
        function = optional_mapping(fragment.get("function"), "tool_calls[].function")
        id = text(fragment.get("id"), "tool_calls[].id")
        name = text(function.get("name"), "tool_calls[].function.name")
        index = fragment.get("index")
        place = index if isinstance(index, int) else None
        known = self._calls.get(place)
        # A service that numbers every call 0, or none, still gives each its own id.
        if known is None or (id and name and known[1] and id != known[1]):
            known = self._calls[place] = (self._fragments, id)
            self._fragments += 1
        return self._answer.tool_call(known[0], id, name, function_arguments(function.get("arguments")))

    def _keep(self, delta: Mapping[str, Any]) -> None:
        for field in self._facts.get("echo", ()):
            if delta.get(field) is not None:
                self._echo.setdefault(field, []).append(delta[field])

    def _end(self) -> list[StreamEvent]:
        self._over = True
        answer = self._answer
        answer.finish_reason = FINISH_REASONS.get(self._reason)
        if not answer.has_calls and not answer.content:
            refuse("".join(self._refusal), answer.finish_reason)
        answer.metadata.update(metadata(self._refused, self._first or {}, self._reason))
        answer.extra = echoed({field: _joined(pieces) for field, pieces in self._echo.items()}, self._facts)
        return answer.done()


def _joined(pieces: list[Any]) -> Any:
    """The pieces of a field as the whole answer would have it: texts put together, lists one after the other."""
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    return [entry for piece in pieces for entry in (piece if isinstance(piece, list) else [piece])]
