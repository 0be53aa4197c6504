"""Reads chat completions, streamed or whole. Chunks are ``chat.completion.chunk`` objects, then ``[DONE]``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm_plugins.backends.openai.citations import annotation_citations, listed_sources
from complaint_llm_plugins.backends.openai.echo import echo_of, join_pieces
from complaint_llm_plugins.backends.openai.usage import cost, token_usage
from complaint_llm_plugins.backends.openai.wire_chat import function_arguments, metadata

from complaint_llm.backends import Request
from complaint_llm.backends.wire import (
    Fail,
    Family,
    JSONStreamDecoder,
    StreamAccumulator,
    as_array,
    as_object,
    as_optional_object,
    as_text,
    documents_in,
    text_or_empty,
    value_without_halves,
    wrong_shape,
)
from complaint_llm.messages import Citation, Document, InferenceOutput, StreamEvent

if TYPE_CHECKING:
    from complaint_llm.backends.wire import CallFragments


class ChatDecoder(JSONStreamDecoder):
    """Reads one answer; a whole one is a stream of one piece."""

    own_keys: ClassVar[frozenset[str]] = frozenset(("choices", "usage", "x_groq"))

    def __init__(self, request: Request, family: Family, fail: Fail) -> None:
        super().__init__(fail)
        self._answer = StreamAccumulator(asked=request.model or "")
        self._quirks = family.quirks
        self._refused = family.unsupported_names(request.params)
        self._logprobs = bool(request.params.get("logprobs"))
        self._first: Mapping[str, Any] | None = None
        self._echo: dict[str, list[Any]] = {}
        self._echo_calls: dict[Any, dict[str, Any]] = {}
        # Of a content that goes back as a list of parts no piece may be missing.
        self._plain = not self._logprobs and "content" not in self._quirks.get("echo", ())
        self._messages = request.messages
        self._sources: tuple[Citation, ...] = ()
        self._cited: set[str | None] = set()

    @cached_property
    def _fragments(self) -> CallFragments:
        from complaint_llm.backends.wire import CallFragments  # cold start: streamed tool calls

        return CallFragments()

    @cached_property
    def _documents(self) -> Sequence[Document]:
        return tuple(documents_in(self._messages))

    def read(self, chunk: Mapping[str, Any]) -> Iterable[StreamEvent]:
        piece = _only_text(chunk) if self._first is not None and self._plain else None
        if piece is not None:
            return self._answer.text(piece)
        choice = self._head(chunk)
        if choice is None:
            return ()
        delta = choice.get("delta")
        if delta is None and not self._answer.content:
            delta = choice.get("message")  # from a server that answers a stream in one piece
        return self._choice(choice, as_optional_object(delta, "delta"), complete=False)

    def end_mark(self) -> Iterable[StreamEvent]:
        return self._done()

    def end_of_bytes(self) -> Iterable[StreamEvent]:
        # Services that leave [DONE] out have still told the finish reason by then.
        return self._done() if self._answer.raw_finish_reason else ()

    def decode(self, payload: Any) -> InferenceOutput:
        """The answer in a body. Raises ResponseFormatError, or the error that the body tells of."""
        choice = self._head(self.check_body(payload))
        if choice is None:
            raise wrong_shape("choices", None, "an array with an answer")
        if choice.get("error"):
            raise self.fail(choice)
        self._choice(choice, as_object(choice.get("message"), "choices[0].message"), complete=True)
        self._close()
        return self._answer.output()

    def _head(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What stands beside the answer; the choice that is the answer, if there is one."""
        choice = _first_choice(as_array(body.get("choices"), "choices"))
        if self._first is None and choice is not None:
            # Azure begins with a chunk about the prompt's filter, which names neither model nor answer.
            self._first = body
            self._answer.model = text_or_empty(body.get("model"))
        self._sources = tuple(listed_sources(body)) or self._sources
        usage = _usage(body, choice)
        if usage is not None:
            self._answer.usage = token_usage(usage, "prompt", "completion", body)
            if self._quirks.get("usage_cost"):
                self._answer.cost = cost(usage, self._quirks["usage_cost"])
        return choice

    def _choice(self, choice: Mapping[str, Any], message: Mapping[str, Any], *, complete: bool) -> list[StreamEvent]:
        if choice.get("error"):
            raise self.fail(choice)
        answer = self._answer
        events: list[StreamEvent] = []
        given = message.get("content")
        content, thoughts = (given, "") if type(given) is str else content_parts(given)
        thoughts = thoughts or reasoning_of(message)
        if thoughts:
            events.extend(answer.reasoning(thoughts))
        if content:
            events.extend(answer.text(content))
        if message.get("tool_calls") is not None or message.get("function_call"):
            for place, call in enumerate(_calls_of(message)):
                events.extend(self._fragment(place, as_object(call, "tool_calls[]"), complete=complete))
        if message.get("refusal"):
            answer.refusal += text_or_empty(message["refusal"])
        if message.get("annotations"):
            for citation in annotation_citations(message["annotations"], self._documents):
                self._cited.add(citation.url)
                answer.cite(citation)
        if self._logprobs:
            self._probabilities(choice.get("logprobs"))
        for field in self._quirks.get("echo", ()):
            if message.get(field) is not None:
                self._echo.setdefault(field, []).append(message[field])
        answer.raw_finish_reason = text_or_empty(choice.get("finish_reason")) or answer.raw_finish_reason
        return events

    def _fragment(self, place: int, call: Mapping[str, Any], *, complete: bool) -> list[StreamEvent]:
        function = as_optional_object(call.get("function"), "tool_calls[].function")
        id = as_text(call.get("id"), "tool_calls[].id")
        name = as_text(function.get("name"), "tool_calls[].function.name")
        arguments = function_arguments(function.get("arguments"))
        if complete:
            # Each entry is a call of its own, whatever index and id it has.
            if not name:
                raise wrong_shape("tool_calls[].function.name", None, "a text")
            self._keep_call(place, call)
            return self._answer.tool_call(place, id, name, arguments)
        if not (id or name or arguments):
            return []
        index = call.get("index")
        slot = index if type(index) is int else f"place {place}"
        placed = self._fragments.place(slot, id, name, arguments)
        if placed is None:
            return []
        self._keep_call(placed.key, call)
        return self._answer.tool_call(placed.key, id, placed.name, arguments)

    def _keep_call(self, key: Any, call: Mapping[str, Any]) -> None:
        wanted = self._quirks.get("echo_calls", ())
        self._echo_calls.setdefault(key, {}).update({field: call[field] for field in wanted if call.get(field)})

    def _probabilities(self, given: Any) -> None:
        tokens = given.get("content") if isinstance(given, dict) else given
        if tokens is None:
            return
        for token in tokens if isinstance(tokens, list) else [None]:
            self._answer.log_probability(token.get("logprob") if isinstance(token, dict) else None)

    def _done(self) -> list[StreamEvent]:
        self.over = True
        self._close()
        return self._answer.done()

    def _close(self) -> None:
        answer = self._answer
        for source in self._sources:
            if source.url is None or source.url not in self._cited:
                answer.cite(source)
        answer.metadata.update(metadata(self._refused, self._first or {}))
        if self._echo or self._echo_calls:
            message = {field: join_pieces(pieces) for field, pieces in self._echo.items()}
            kept = value_without_halves({**message, "tool_calls": list(self._echo_calls.values())})
            answer.extra = echo_of(kept, self._quirks)


def _only_text(chunk: Mapping[str, Any]) -> str | None:
    """The text of the common chunk, which has a piece of it and nothing else to be read; None for any other.

    Without this way a chunk takes twice the calls (tests/hot_path counts them).
    """
    try:
        (choice,) = chunk["choices"]
        delta = choice["delta"]
        piece = delta["content"]
        index, reason, usage = choice["index"], choice["finish_reason"], chunk.get("usage")
    except (KeyError, TypeError, ValueError):
        return None
    alone = reason is None and usage is None and "x_groq" not in chunk and "error" not in choice
    return piece if type(piece) is str and index == 0 and alone and len(delta) == 1 + ("role" in delta) else None


def content_parts(given: Any) -> tuple[str, str]:
    """Text and reasoning of a content that is a list of parts (Mistral's reasoning models), or nothing."""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in as_array(given, "content"):
        part = as_object(part, "content[]")
        if part.get("type") == "thinking":
            for inner in as_array(part.get("thinking"), "content[].thinking"):
                piece = as_object(inner, "content[].thinking[]").get("text")
                thoughts.append(as_text(piece, "content[].thinking[].text"))
        else:
            texts.append(as_text(part.get("text"), "content[].text"))
    return "".join(texts), "".join(thoughts)


def reasoning_of(message: Mapping[str, Any]) -> str:
    """Reasoning text under the two names that services use (DeepSeek, vLLM; OpenRouter, Groq, Cerebras)."""
    for given in (message.get("reasoning_content"), message.get("reasoning")):
        if given and isinstance(given, str):
            return given
    return ""


def _first_choice(choices: list[Any]) -> Mapping[str, Any] | None:
    """The choice with index 0, or the first without an index: no other one is the answer, whatever their order."""
    for given in choices:
        choice = as_object(given, "choices[]")
        index = choice.get("index")
        if type(index) is not int or index == 0:
            return choice
    return None


def _calls_of(message: Mapping[str, Any]) -> list[Any]:
    """The tool calls; the old form of a single call among them."""
    calls = as_array(message.get("tool_calls"), "tool_calls")
    old = message.get("function_call")
    return calls if calls or not old else [{"function": old}]


def _usage(body: Mapping[str, Any], choice: Mapping[str, Any] | None) -> Any:
    """The usage where services put it: in the body, in the choice (Moonshot), in a field of their own (Groq)."""
    for place in (body, choice, body.get("x_groq")):
        if isinstance(place, dict) and place.get("usage") is not None:
            return place["usage"]
    return None
