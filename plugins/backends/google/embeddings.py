"""Embeddings of the Gemini API: one text by embedContent, several by batchEmbedContents (at most 100). Pure.

Source: the google-genai SDK 3.4; ai.google.dev/gemini-api/docs/embeddings for the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from complaint_llm_plugins.backends.google.names import model_path, resource_name

from complaint_llm.backends import WireRequest
from complaint_llm.backends.wire import UsageReader, as_array, as_number, as_object, merge_extra_body
from complaint_llm.messages import EmbeddingOutput, TokenUsage

if TYPE_CHECKING:
    from complaint_llm.backends import EmbeddingRequest


def encode(request: EmbeddingRequest) -> WireRequest:
    """The request for all texts; ``extra_body`` (``outputDimensionality``, ``taskType``) goes to each of them."""
    model = request.model or ""
    parts = [_one(resource_name(model), text, request) for text in request.texts]
    if len(parts) == 1:
        return WireRequest(model_path(model, "embedContent"), parts[0])
    return WireRequest(model_path(model, "batchEmbedContents"), {"requests": parts})


def decode(payload: Any) -> EmbeddingOutput:
    """The vectors in order. Raises ResponseFormatError."""
    body = as_object(payload, "the body")
    single = body.get("embedding")
    found = [single] if single is not None else as_array(body.get("embeddings"), "embeddings")
    vectors = tuple(_vector(as_object(one, "an embedding").get("values")) for one in found)
    tokens = UsageReader(body.get("usageMetadata")).count("promptTokenCount") or 0
    return EmbeddingOutput(vectors, TokenUsage(tokens, 0, tokens))


def _vector(values: Any) -> tuple[float, ...]:
    return tuple(as_number(value, "a vector's value") for value in as_array(values, "values"))


def _one(model: str, text: str, request: EmbeddingRequest) -> dict[str, Any]:
    part: dict[str, Any] = {"model": model, "content": {"parts": [{"text": text}]}}
    if request.extra_body:
        merge_extra_body(part, request.extra_body)
    return part
