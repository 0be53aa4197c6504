"""Embeddings: many texts, in order, within the service's limits."""

from __future__ import annotations

from typing import Any

import pytest

from complaint_llm.backends import EmbeddingRequest, OpenAIBackend, WireRequest
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.messages import EmbeddingOutput, TokenUsage
from complaint_llm.testing import FaultyServer

REQUEST = EmbeddingRequest(("a", "b"), Deadline(60), CancelToken(), "text-embedding-3-small")
GPT = OpenAIBackend(api_key="sk-secret-1")


def test_vectors_come_in_the_order_of_the_texts() -> None:
    """The index counts, not the place; without one the place does."""
    rows: list[dict[str, Any]] = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1]}]
    body = {"data": rows, "model": "served", "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    assert GPT.decode_embedding(body, REQUEST) == EmbeddingOutput(((1.0,), (2.0,)), TokenUsage(4, 0, 4), model="served")
    del rows[0]["index"], rows[1]["index"]
    assert GPT.decode_embedding(body, REQUEST).vectors == ((2.0,), (1.0,))


@pytest.mark.parametrize(
    "rows",
    [
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}],
        [{"index": 5, "embedding": [1.0]}],
        [{"index": 0, "embedding": []}],
        [{"index": 0, "embedding": [float("inf")]}],
        [{"index": 0, "embedding": ["1.0"]}],
        [{"index": 0, "embedding": "AAAA"}],
    ],
)
def test_vectors_of_wrong_shape_are_a_format_error(rows: list[Any]) -> None:
    """Doubled, out of range, empty, infinite, or no numbers."""
    with pytest.raises(ResponseFormatError):
        GPT.decode_embedding({"data": rows}, REQUEST)


class Small(OpenAIBackend):  # type: ignore[misc]  # found when touched, so untyped
    """Limits that a test can reach."""

    embedding_batch = 3
    embedding_bytes = 10

    def encode_embedding(self, request: EmbeddingRequest) -> WireRequest:
        self.log.info("%s", "|".join(request.texts))
        return super().encode_embedding(request)  # type: ignore[no-any-return]


def test_texts_are_split_to_the_services_limits(caplog: pytest.LogCaptureFixture) -> None:
    """By number and by size in UTF-8; the vectors are in order all the same, and the usage is the sum."""
    texts = ["a", "b", "c", "d", "eeeeeeee", "ffffffffffff", "g", "ééééé", "h"]
    keys = {"api_key": "sk-secret-1", "embedding_model": "e", "id": "small"}
    caplog.set_level("INFO", logger="complaint_llm")
    with FaultyServer() as server, Small(base_url=f"{server.url}/v1", **keys) as backend:
        whole = backend.embed(texts)
        single = [backend.embed(text) for text in texts]
    assert whole == single
    sent = [record.getMessage() for record in caplog.records if record.name == "complaint_llm.backend.small"]
    assert sent[:6] == ["a|b|c", "d|eeeeeeee", "ffffffffffff", "g", "ééééé", "h"]
