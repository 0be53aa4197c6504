"""Embeddings of the Gemini API."""

from __future__ import annotations

from complaint_llm.messages import (
    EmbeddingOutput,
    TokenUsage,
)
from tests.plugins.google.gemini import (
    embedding,
    gemini,
)


def test_one_text_and_several_go_to_their_own_methods() -> None:
    backend = gemini()
    one = backend.encode_embedding(embedding("a", outputDimensionality=8))
    assert one.path == "/v1beta/models/gemini-embedding-001:embedContent"
    assert one.body == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "a"}]},
        "outputDimensionality": 8,
    }
    several = backend.encode_embedding(embedding("a", "b"))
    assert several.path.endswith(":batchEmbedContents")
    assert several.body is not None
    assert [part["content"]["parts"][0]["text"] for part in several.body["requests"]] == ["a", "b"]
    assert backend.embedding_batch == 100


def test_vectors_are_read_in_order() -> None:
    backend = gemini()
    assert backend.decode_embedding({"embedding": {"values": [1, 2.5]}}, embedding("a")).vectors == ((1.0, 2.5),)
    several = {"embeddings": [{"values": [1]}, {"values": [2]}], "usageMetadata": {"promptTokenCount": 4}}
    output = backend.decode_embedding(several, embedding("a", "b"))
    assert output == EmbeddingOutput(((1.0,), (2.0,)), TokenUsage(4, 0, 4))
