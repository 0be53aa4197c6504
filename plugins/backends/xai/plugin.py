"""Offers the type ``xai``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "xai",
            "complaint_llm_plugins.backends.xai.backend:XAIBackend",
            summary="xAI's Grok models by the Responses API, which is asked not to store anything",
            schema=_HERE / "options.schema.json",
            key_variables=("XAI_API_KEY",),
            needs_key=True,
            example=_HERE / "example.json",
            refuses=frozenset(("embedding_model",)),
        )
    ]
