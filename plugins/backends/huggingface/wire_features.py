"""Feature extraction: ``POST /hf-inference/models/{model}/pipeline/feature-extraction``. Pure.

Source: huggingface_hub, inference/_providers/hf_inference.py. The answer is one vector for each text; of models without
pooling it is one for each token, whose mean is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from math import fsum
from typing import Any
from urllib.parse import quote

from complaint_llm_plugins.backends.openai.wire_embeddings import vector

from complaint_llm.backends import EmbeddingRequest, WireRequest
from complaint_llm.backends.wire import as_array, wrong_shape
from complaint_llm.exceptions import BackendError
from complaint_llm.messages import EmbeddingOutput


def encode(request: EmbeddingRequest) -> WireRequest:
    """The HTTP request."""
    path = f"/hf-inference/models/{quote(request.model or '', safe='/')}/pipeline/feature-extraction"
    return WireRequest(path, {"inputs": list(request.texts), **request.extra_body})


def decode(payload: Any, fail: Callable[[Any], BackendError]) -> EmbeddingOutput:
    """The vectors in order. Raises ResponseFormatError, or the error that the body tells of."""
    if isinstance(payload, dict):
        raise fail(payload) if payload.get("error") else wrong_shape("the body", payload, "an array of vectors")
    return EmbeddingOutput(tuple(_vector(row) for row in as_array(payload, "the body")))


def _vector(row: Any) -> tuple[float, ...]:
    found = as_array(row, "a vector")
    if not found or not isinstance(found[0], list):
        return vector(found, "a vector")
    # Some models nest the tokens once more: [[[...], [...]]].
    tokens = found[0] if found[0] and isinstance(found[0][0], list) else found
    rows = [vector(token, "a token's vector") for token in tokens]
    if len({len(token) for token in rows}) != 1:
        raise wrong_shape("a token's vector", [], "as long as the others")
    return tuple(fsum(column) / len(rows) for column in zip(*rows, strict=True))
