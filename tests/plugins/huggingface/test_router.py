"""Hugging Face's router: its paths, its token, feature extraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.backends import EmbeddingRequest, HuggingFaceBackend
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, ResponseFormatError
from tests.wire_messages import ask

if TYPE_CHECKING:
    from tests.peers import AIMock

HUB = HuggingFaceBackend(api_key="hf_secret")
TEXTS = EmbeddingRequest(("a", "b"), Deadline(60), CancelToken(), "sentence-transformers/all-MiniLM-L6-v2")


@pytest.mark.parametrize("given", [None, "https://router.huggingface.co/v1", "https://router.huggingface.co/v1/"])
def test_chat_goes_under_v1_and_embeddings_beside_it(given: str | None) -> None:
    """The base URL is what OpenAI's SDK calls so."""
    hub = HuggingFaceBackend(api_key="hf_secret", base_url=given)
    assert hub.base_url == "https://router.huggingface.co"
    assert hub.encode(ask()).path == "/v1/chat/completions"
    wire = hub.encode_embedding(TEXTS)
    assert wire.path == "/hf-inference/models/sentence-transformers/all-MiniLM-L6-v2/pipeline/feature-extraction"
    assert wire.body == {"inputs": ["a", "b"]}


def test_the_token_comes_from_hf_token_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then from the older name."""
    monkeypatch.setenv("HUGGINGFACE_API_KEY", "hf_old")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert HuggingFaceBackend().api_key is not None
    assert HuggingFaceBackend().api_key.reveal() == "hf_old"  # type: ignore[union-attr]
    monkeypatch.setenv("HF_TOKEN", "hf_new")
    assert HuggingFaceBackend().api_key.reveal() == "hf_new"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "answer",
    [
        [[1.0, 2.0], [3.0, 4.0]],
        [[[0.0, 1.0], [2.0, 3.0]], [[3.0, 4.0]]],
        [[[[0.0, 1.0], [2.0, 3.0]]], [[[3.0, 4.0]]]],
    ],
)
def test_vectors_come_whole_or_as_tokens_whose_mean_is_taken(answer: Any) -> None:
    """Models without pooling give one vector for each token."""
    assert HUB.decode_embedding(answer, TEXTS).vectors == ((1.0, 2.0), (3.0, 4.0))


@pytest.mark.parametrize(
    "answer", [3, {}, {"vectors": []}, [3], [[]], [[[1.0], [1.0, 2.0]]], [["x"]], [[float("nan")]]]
)
def test_vectors_of_wrong_shape_are_a_format_error(answer: Any) -> None:
    """Never a vector with holes."""
    with pytest.raises(ResponseFormatError):
        HUB.decode_embedding(answer, TEXTS)


def test_an_error_instead_of_vectors_is_told() -> None:
    """Its bodies vary by what is behind the router."""
    with pytest.raises(BackendError, match="loading"):
        HUB.decode_embedding({"error": "Model is loading"}, TEXTS)
    assert HUB.decode_error(422, {"error": ["Input is too long"]}).message == '["Input is too long"]'
    assert HUB.decode_error(400, "Bad Request: no body").message == "Bad Request: no body"


def test_it_answers(aimock: AIMock) -> None:
    """Whole and streamed, against a server that others wrote."""
    aimock.says("Yes.")
    with HuggingFaceBackend(
        base_url=f"{aimock.url}/v1", api_key="hf_secret", model="openai/gpt-oss-20b:fastest"
    ) as hub:
        assert hub.generate("Hm?") == "Yes."
        assert "".join(hub.stream_generate("Hm?")) == "Yes."
    assert aimock.last_body()["model"] == "openai/gpt-oss-20b:fastest"
