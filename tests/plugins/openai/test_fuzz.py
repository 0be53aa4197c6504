"""Whatever JSON a server sends, a decoder answers, or raises one of our own errors: never anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from complaint_llm.backends import HuggingFaceBackend, OpenAIBackend, OpenRouterBackend
from complaint_llm.backends.wire.status_table import WireError
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError
from complaint_llm.request import EmbeddingRequest
from complaint_llm.transport.sse import ServerSentEvent
from tests.sampled import sampled
from tests.wire_messages import ask, chat, chunk

CHAT = OpenAIBackend(api_key="sk-secret-1", model="m")
RESPONSES = OpenAIBackend(api_key="sk-secret-1", model="m", api="responses")
ROUTER = OpenRouterBackend(api_key="sk-secret-1", model="m")
HUB = HuggingFaceBackend(api_key="sk-secret-1", model="m")
TEXTS = EmbeddingRequest(("a", "b"), Deadline(60), CancelToken(), "m")

# The words of the wires, so that random objects get past the first check.
WORDS = st.sampled_from(
    [
        "choices",
        "message",
        "content",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "total_tokens",
        "error",
        "prompt_tokens_details",
        "cached_tokens",
        "model",
        "id",
        "index",
        "logprobs",
        "logprob",
        "refusal",
        "reasoning",
        "type",
        "output",
        "status",
        "text",
        "response",
        "item",
        "delta",
        "item_id",
        "output_index",
        "call_id",
        "summary",
        "encrypted_content",
        "incomplete_details",
        "reason",
        "data",
        "embedding",
        "code",
        "metadata",
        "reasons",
        "raw",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["message", "function_call", "reasoning", "failed", "incomplete", "response.completed", "error"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)

RESPONSE: dict[str, Any] = {
    "id": "r",
    "status": "completed",
    "model": "m",
    "output": [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "e"},
        {"type": "message", "content": [{"type": "output_text", "text": "x", "logprobs": []}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ],
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_tokens_details": {"cached_tokens": 0}},
}
CALLS = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside."""
    found = [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        found.extend(places(child, (*path, key)))
    return found


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """The value with another one at this path."""
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def damaged(whole: Any) -> st.SearchStrategy[Any]:
    """A valid answer with one value replaced by any other."""
    return st.tuples(st.sampled_from(places(whole)), VALUES).map(lambda drawn: replaced(whole, *drawn))


def survives(decode: Callable[[], Any]) -> None:
    try:
        decode()
    except BackendError:
        pass


@given(VALUES | damaged(chat("x", tool_calls=CALLS)), st.booleans())
@sampled(80, of=1000, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_decoded_or_refused_as_a_chat_completion(payload: Any, logprobs: bool) -> None:
    """Random JSON, and valid answers with one value exchanged."""
    request = ask(params={"logprobs": logprobs})
    for backend in (CHAT, ROUTER):
        survives(lambda backend=backend: backend.decode(payload, request))  # type: ignore[misc]


@given(VALUES | damaged(RESPONSE), st.booleans())
@sampled(80, of=1000, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_decoded_or_refused_as_a_response(payload: Any, logprobs: bool) -> None:
    """The same of the Responses API."""
    survives(lambda: RESPONSES.decode(payload, ask(params={"logprobs": logprobs})))


@given(st.lists(VALUES | damaged(chunk({"content": "x", "tool_calls": CALLS}, "stop", usage={})), max_size=4))
@sampled(60, of=1000, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_read_or_refused_as_chunks(chunks: list[Any]) -> None:
    """A stream's decoder keeps state between its events: whole streams of odd ones."""
    for backend in (CHAT, ROUTER):
        survives(lambda backend=backend: feed(backend, chunks))  # type: ignore[misc]


@given(
    st.lists(
        VALUES
        | damaged({"type": "response.completed", "response": RESPONSE})
        | damaged({"type": "response.output_item.added", "output_index": 0, "item": RESPONSE["output"][2]})
        | damaged({"type": "response.output_item.done", "output_index": 0, "item": RESPONSE["output"][2]})
        | damaged({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{"})
        | damaged({"type": "response.reasoning_summary_text.delta", "delta": "x"})
        | damaged({"type": "response.output_text.delta", "delta": "x", "logprobs": []})
        | damaged({"type": "error", "code": "x", "message": "y"}),
        max_size=4,
    )
)
@sampled(60, of=1000, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_read_or_refused_as_response_events(events: list[Any]) -> None:
    """The same of the Responses API."""
    survives(lambda: feed(RESPONSES, events))


@given(VALUES | damaged({"data": [{"index": 0, "embedding": [0.5, 1]}], "usage": {"prompt_tokens": 1}}))
def test_any_json_is_decoded_or_refused_as_embeddings(payload: Any) -> None:
    """OpenAI's shape and Hugging Face's."""
    survives(lambda: CHAT.decode_embedding(payload, TEXTS))
    survives(lambda: HUB.decode_embedding(payload, TEXTS))


@given(st.integers(400, 599) | st.none(), VALUES)
@pytest.mark.parametrize("backend", [CHAT, ROUTER])
def test_any_json_is_read_as_an_error_body(backend: OpenAIBackend, status: int | None, payload: Any) -> None:
    """An error body of any shape still becomes the status's error."""
    assert isinstance(backend.decode_error(status, payload), WireError)
    assert isinstance(backend.error_inside(payload), BackendError)


def feed(backend: Any, values: list[Any]) -> None:
    decoder = backend.decoder(ask(stream=True, params={"logprobs": True}))
    for value in values:
        list(decoder.feed(ServerSentEvent("message", json.dumps(value))))
    list(decoder.end())
