"""Offers the type ``huggingface``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm_plugins.backends.huggingface.which import is_local

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "huggingface",
            "complaint_llm_plugins.backends.huggingface.backend:HuggingFaceBackend",
            summary="Hugging Face: Inference Providers, or a model in this process",
            schema=_HERE / "options.schema.json",
            key_variables=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
            needs_key=lambda keys: not is_local(keys),
            example=_HERE / "example.json",
        )
    ]
