"""Hugging Face: Inference Providers, or a model in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm_plugins.backends.huggingface import wire_features
from complaint_llm_plugins.backends.huggingface.which import is_local
from complaint_llm_plugins.backends.openai.compatible import CompatibleBackend

from complaint_llm.backends import EmbeddingRequest, Request, WireRequest
from complaint_llm.messages import EmbeddingOutput


class HuggingFaceBackend(CompatibleBackend):
    """Hugging Face's router: chat completions at whichever provider serves the model, embeddings at its own.

    ``base_url`` ends with ``/v1``, as that of the OpenAI-compatible endpoint does. A model may be pinned to a provider
    (``name:provider``); without that the router chooses.

    Any of ``device``, ``torch_dtype``, ``trust_remote_code`` and ``cache_dir``, or a ``model`` that is an existing
    folder, means a model in this process: what is made is then a ``TransformersBackend``.
    """

    def __new__(cls, **keys: Any) -> Any:
        if cls is HuggingFaceBackend and is_local(keys):
            # cold start: a model on this machine
            from complaint_llm_plugins.backends.huggingface.local import TransformersBackend

            return TransformersBackend(**keys)
        return super().__new__(cls)

    type: ClassVar[str] = "huggingface"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    default_base_url: ClassVar[str] = "https://router.huggingface.co/v1"
    key_variables: ClassVar[tuple[str, ...]] = ("HF_TOKEN", "HUGGINGFACE_API_KEY")
    needs_key: ClassVar[bool] = True
    models_path: ClassVar[str] = "/v1/models"
    model_data: ClassVar[Path | Mapping[str, Any]] = Path(__file__).with_name("models.json")
    embedding_batch: ClassVar[int] = 32

    def address(self) -> str:
        # Chat completions live under /v1, feature extraction beside it.
        return super().address().rstrip("/").removesuffix("/v1")

    def encode(self, request: Request) -> WireRequest:
        wire = super().encode(request)
        return wire._replace(path=f"/v1{wire.path}")

    def encode_embedding(self, request: EmbeddingRequest) -> WireRequest:
        return wire_features.encode(request)

    def decode_embedding(self, payload: Any, request: EmbeddingRequest) -> EmbeddingOutput:
        return wire_features.decode(payload, self.error_inside)
