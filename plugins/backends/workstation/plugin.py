"""Offers the type ``workstation``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    """GGUF models on this machine."""
    return [
        BackendType(
            "workstation",
            "complaint_llm_plugins.backends.workstation.backend:WorkstationBackend",
            "GGUF models on this machine through llama.cpp",
            schema=_HERE / "options.schema.json",
            aliases=("llama.cpp",),
            extra="workstation",
            modules=("llama_cpp",),
            refuses=frozenset(
                ("api_key", "base_url", "custom_headers", "connection_timeout", "extra_body", "reasoning_effort")
            )
            | frozenset(("thinking_budget", "pricing", "embedding_model")),
            example=_HERE / "example.json",
            location="local",
        )
    ]
