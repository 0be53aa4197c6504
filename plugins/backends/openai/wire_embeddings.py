"""Embeddings: ``POST /embeddings``. Pure. Source: the openai SDK's types (3.52), embedding_create_params."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from complaint_llm.backends import EmbeddingRequest, WireRequest
from complaint_llm.backends.wire import UsageReader, as_array, as_count, as_number, as_object, as_text, wrong_shape
from complaint_llm.exceptions import BackendError, ResponseFormatError
from complaint_llm.messages import EmbeddingOutput, TokenUsage


def encode(request: EmbeddingRequest) -> WireRequest:
    """The HTTP request. Numbers are asked for as JSON, which every compatible service gives."""
    body = {"model": request.model, "input": list(request.texts), "encoding_format": "float", **request.extra_body}
    return WireRequest("/embeddings", body)


def decode(payload: Any, fail: Callable[[Any], BackendError]) -> EmbeddingOutput:
    """The vectors, put into the order of their ``index``. Raises ResponseFormatError, or the body's own error."""
    body = as_object(payload, "the body")
    if body.get("error"):
        raise fail(body)
    rows = [as_object(row, "data[]") for row in as_array(body.get("data"), "data")]
    placed: list[tuple[float, ...] | None] = [None] * len(rows)
    for place, row in enumerate(rows):
        index = as_count(row["index"], "data[].index") if row.get("index") is not None else place
        if index >= len(rows) or placed[index] is not None:
            raise ResponseFormatError("the answer has the wrong shape: data[].index is no order of the texts")
        placed[index] = vector(row.get("embedding"), "data[].embedding")
    usage = UsageReader(body.get("usage"))
    tokens = usage.count("prompt_tokens") or 0
    return EmbeddingOutput(
        tuple(found for found in placed if found is not None),
        TokenUsage(tokens, 0, tokens),
        model=as_text(body.get("model"), "model"),
    )


def vector(given: Any, where: str) -> tuple[float, ...]:
    """One vector: an array of finite numbers with at least one."""
    numbers = as_array(given, where)
    if not numbers:
        raise wrong_shape(where, None, "an array of numbers")
    if all(type(value) is float for value in numbers) and sum(numbers) - sum(numbers) == 0:
        return tuple(numbers)
    return tuple(as_number(value, where) for value in numbers)
