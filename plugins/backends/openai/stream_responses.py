"""Reads Responses, streamed or whole: typed events, the last of them ``response.completed`` or ``.incomplete``.

The last event holds the whole response, so a whole answer is a stream of that event alone. What it says counts: text
that comes only there is handed out then, and where its text is not that of the pieces, it is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from complaint_llm_plugins.backends.openai.citations import annotation_citations, listed_sources, search_results
from complaint_llm_plugins.backends.openai.response_items import kept_items
from complaint_llm_plugins.backends.openai.usage import cost, token_usage
from complaint_llm_plugins.backends.openai.wire_responses import metadata

from complaint_llm.backends import Request
from complaint_llm.backends.wire import (
    Fail,
    Family,
    JSONStreamDecoder,
    StreamAccumulator,
    as_array,
    as_object,
    as_text,
    documents_in,
    text_or_empty,
    value_without_halves,
    wrong_shape,
)
from complaint_llm.exceptions import BackendError
from complaint_llm.messages import InferenceOutput, StreamEvent

Item = Mapping[str, Any]
Events = Iterable[StreamEvent]
Place = tuple[Any, ...]


class ResponsesDecoder(JSONStreamDecoder):
    """Reads one answer. Messages whose phase is commentary stand beside it, without events."""

    own_keys: ClassVar[frozenset[str]] = frozenset(("type", "output"))

    def __init__(self, request: Request, family: Family, fail: Fail) -> None:
        super().__init__(fail)
        self._answer = StreamAccumulator(asked=request.model or "")
        self._quirks = family.quirks
        self._refused = family.unsupported_names(request.params)
        self._logprobs = bool(request.params.get("logprobs"))
        self._items: list[Item] = []  # those that are done
        self._commentary: set[Any] = set()
        self._calls: dict[Any, int] = {}
        self._said: dict[Place, list[str]] = {}
        self._thought: dict[Place, list[str]] = {}
        self._counted = False  # whether pieces brought probabilities
        self._documents = tuple(documents_in(request.messages))

    def read(self, event: Item) -> Events:
        kind = event.get("type")
        reader = self._readers.get(kind) if isinstance(kind, str) else None
        return () if reader is None else reader(self, event)

    def decode(self, payload: Any) -> InferenceOutput:
        """The answer in a response object. Raises ResponseFormatError, or the error that it tells of."""
        body = self.check_body(payload)
        self._check_status(body)
        if not as_array(body.get("output"), "output") and body.get("status") is None:
            raise wrong_shape("output", None, "an array with an answer")
        self._take(body)
        return self._answer.output()

    def _text(self, event: Item) -> Events:
        place = _place(event)
        self._probabilities(event.get("logprobs"))
        piece = as_text(event.get("delta"), "delta")
        return self._spoken((place, event.get("content_index")), piece)

    def _text_done(self, event: Item) -> Events:
        part = (_place(event), event.get("content_index"))
        had, complete = "".join(self._said.get(part, ())), text_or_empty(event.get("text"))
        return self._spoken(part, complete[len(had) :]) if complete.startswith(had) else ()

    def _spoken(self, part: Place, piece: str) -> Events:
        if part[0] in self._commentary or not piece:
            return ()
        self._said.setdefault(part, []).append(piece)
        return self._answer.text(piece)

    def _reasoning(self, event: Item) -> Events:
        piece = as_text(event.get("delta"), "delta")
        part = (_place(event), event.get("summary_index"), event.get("content_index"))
        if not piece:
            return ()
        # Parts of a reasoning are paragraphs: the whole answer joins them the same way.
        new = bool(self._thought) and part not in self._thought
        self._thought.setdefault(part, []).append(piece)
        return self._answer.reasoning("\n\n" + piece if new else piece)

    def _item_added(self, event: Item) -> Events:
        item = as_object(event.get("item"), "item")
        if item.get("phase") == "commentary":
            self._commentary.add(_name(item.get("id")) or _name(event.get("output_index")))
        if item.get("type") != "function_call":
            return ()
        return self._answer.tool_call(self._call(event, item), *_head(item), text_or_empty(item.get("arguments")))

    def _arguments(self, event: Item) -> Events:
        return self._answer.tool_call(self._call(event, event), arguments=as_text(event.get("delta"), "delta"))

    def _item_done(self, event: Item) -> Events:
        item = as_object(event.get("item"), "item")
        self._items.append(item)
        if item.get("type") != "function_call":
            return ()
        return self._call_done(self._call(event, item), item)

    def _call(self, event: Item, item: Item) -> int:
        """The number of the call that an event is about: by its item's id, else by its place."""
        id, place = _name(item.get("item_id")) or _name(item.get("id")), _name(event.get("output_index"))
        known = self._calls.get(id) if id in self._calls else self._calls.get(place)
        begins = event.get("type") == "response.output_item.added" and (id is None or id not in self._calls)
        if known is None or begins:
            known = len(set(self._calls.values()))
        self._calls.update({name: known for name in (id, place) if name is not None})
        return known

    def _call_done(self, key: int, item: Item) -> list[StreamEvent]:
        arguments = as_text(item.get("arguments"), "function_call.arguments")
        begun = self._answer.tool_call(key, *_head(item))
        return [*begun, *self._answer.set_arguments(key, arguments), *self._answer.end_tool_call(key)]

    def _last(self, event: Item) -> Events:
        body = as_object(event.get("response"), "response")
        self._check_status(body)
        self.over = True
        return [*self._take(body), *self._answer.done()]

    def _take(self, body: Item) -> list[StreamEvent]:
        """Read the whole response; the events of what did not come before."""
        answer = self._answer
        given = as_array(body.get("output"), "output") or self._items
        output = [as_object(item, "output[]") for item in given]
        events = self._catch_up(output)
        self._read_citations(body, output)
        for place, item in enumerate(item for item in output if item.get("type") == "function_call"):
            events += self._call_done(place, item)
        usage = body.get("usage")
        answer.model = text_or_empty(body.get("model"))
        answer.usage = token_usage(usage, "input", "output", body)
        if self._quirks.get("usage_cost"):
            answer.cost = cost(usage, self._quirks["usage_cost"])
        answer.raw_finish_reason = _finish_word(body)
        answer.metadata.update(metadata(self._refused, body))
        answer.extra = kept_items([value_without_halves(item) for item in output])
        return events

    def _catch_up(self, output: list[Item]) -> list[StreamEvent]:
        """The events of texts and reasoning that did not come in pieces."""
        answer = self._answer
        had_text = "".join(map("".join, self._said.values()))
        had_thoughts = "\n\n".join(map("".join, self._thought.values()))
        thoughts = "\n\n".join(filter(None, map(_reasoning_text, output))) or had_thoughts
        complete = self._message_text(output) if any(item.get("type") == "message" for item in output) else had_text
        if complete.startswith(had_text) and thoughts.startswith(had_thoughts):
            rest = thoughts[len(had_thoughts) :]
            return [*(answer.reasoning(rest) if rest else ()), *answer.text(complete[len(had_text) :])]
        answer.forget_text()
        if thoughts:
            answer.reasoning(thoughts)
        answer.text(complete)
        return []

    def _message_text(self, output: list[Item]) -> str:
        """The text of the messages that are the answer; commentary, refusals and probabilities are taken note of."""
        texts: list[str] = []
        counted = self._counted
        for item in output:
            if item.get("type") != "message":
                continue
            said: list[str] = []
            for part in _parts(item.get("content"), "output[].content"):
                if part.get("type") == "refusal":
                    self._answer.refusal += text_or_empty(part.get("refusal"))
                    continue
                said.append(as_text(part.get("text"), "output[].content[].text"))
                if not counted:
                    self._probabilities(part.get("logprobs"))
            if item.get("phase") == "commentary":
                self._answer.commentary("".join(said))
            else:
                texts += said
        return "".join(texts)

    def _read_citations(self, body: Item, output: list[Item]) -> None:
        """Annotations of the messages that are the answer; then what was found and is annotated nowhere."""
        reached = 0
        cited: set[str | None] = set()
        for item in output:
            if item.get("type") != "message" or item.get("phase") == "commentary":
                continue
            for part in _parts(item.get("content"), "output[].content"):
                for citation in annotation_citations(part.get("annotations"), self._documents, reached):
                    cited.add(citation.url)
                    self._answer.cite(citation)
                reached += len(text_or_empty(part.get("text"))) if part.get("type") != "refusal" else 0
        results = [item.get("results") for item in output if item.get("type") == "search_results"]
        found = [each for given in results for each in search_results(given)]
        for source in (*found, *listed_sources(body)):
            if source.url is None or source.url not in cited:
                self._answer.cite(source)

    def _probabilities(self, tokens: Any) -> None:
        if not self._logprobs or tokens is None:
            return
        for token in tokens if isinstance(tokens, list) else [None]:
            self._counted = True
            self._answer.log_probability(token.get("logprob") if isinstance(token, dict) else None)

    def _check_status(self, body: Item) -> None:
        """Raises the error of a response that failed, although HTTP said 200."""
        if body.get("error") or body.get("status") in ("failed", "cancelled"):
            raise self._failure(body)

    def _failure(self, body: Item) -> BackendError:
        words = {"error": {"message": f"the response's status is {text_or_empty(body.get('status')) or 'unknown'}"}}
        return self.fail(body if body.get("error") else words)

    def _read_failure(self, event: Item) -> Events:
        raise self._failure(as_object(event.get("response"), "response"))

    _readers: ClassVar[Mapping[str, Callable[[ResponsesDecoder, Item], Events]]] = {
        "response.output_text.delta": _text,
        "response.output_text.done": _text_done,
        "response.reasoning_text.delta": _reasoning,
        "response.reasoning_summary_text.delta": _reasoning,
        "response.output_item.added": _item_added,
        "response.function_call_arguments.delta": _arguments,
        "response.output_item.done": _item_done,
        "response.completed": _last,
        "response.incomplete": _last,
        "response.failed": _read_failure,
        "response.cancelled": _read_failure,
    }


def _place(event: Item) -> int | str | None:
    """What names the item that an event is about: its id, else its place."""
    return _name(event.get("item_id")) or _name(event.get("output_index"))


def _name(given: Any) -> int | str | None:
    return given if isinstance(given, (int, str)) and given != "" else None


def _head(item: Item) -> tuple[str, str]:
    """Id and name of a call."""
    id = text_or_empty(item.get("call_id")) or text_or_empty(item.get("id"))
    return id, as_text(item.get("name"), "function_call.name")


def _parts(given: Any, where: str) -> list[Item]:
    return [as_object(part, f"{where}[]") for part in as_array(given, where)]


def _reasoning_text(item: Item) -> str:
    """The reasoning of one item: its own text where the model shows it (open models), else its summary."""
    if item.get("type") != "reasoning":
        return ""
    shown = _parts(item.get("content"), "reasoning.content") or _parts(item.get("summary"), "reasoning.summary")
    return "\n\n".join(as_text(part.get("text"), "reasoning text") for part in shown)


def _finish_word(body: Item) -> str:
    """The word for why a response ended: why it is incomplete, else its status."""
    status = text_or_empty(body.get("status")) or "completed"
    details = body.get("incomplete_details")
    reason = text_or_empty(details.get("reason")) if isinstance(details, dict) else ""
    return reason or status if status == "incomplete" else status
