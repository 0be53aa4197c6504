"""The calls that older guides show for Gemini run with our package's name."""

from __future__ import annotations

from complaint_llm.backends import GoogleBackend
from complaint_llm.testing import FaultyServer, Reply


def test_the_constructor_with_every_sampling_key() -> None:
    """model, api_key, temperature, top_p, top_k, max_output_tokens."""
    with FaultyServer(Reply("Yes.")) as server:
        backend = GoogleBackend(
            model="gemini-pro",
            api_key="test-key",
            base_url=server.url,
            temperature=0.8,
            top_p=0.95,
            top_k=40,
            max_output_tokens=2048,
        )
        with backend:
            assert backend.generate("Is the clause valid?") == "Yes."
        received = server.requests[0]
    assert received.path == "/v1beta/models/gemini-pro:generateContent"
    assert received.body["generationConfig"] == {"temperature": 0.8, "topP": 0.95, "topK": 40, "maxOutputTokens": 2048}


def test_many_texts_are_embedded_in_batches_of_a_hundred_in_order() -> None:
    """One call for many texts."""
    texts = ["x" * length for length in range(1, 251)]
    with FaultyServer() as server:
        backend = GoogleBackend(api_key="test-key", base_url=server.url, embedding_model="gemini-embedding-001")
        with backend:
            vectors = backend.embed(texts)
        assert [vector[0] for vector in vectors] == [float(length) for length in range(1, 251)]
        assert [len(received.body["requests"]) for received in server.requests] == [100, 100, 50]
