"""Offers the type ``workstation``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import REFUSED_BY_LOCAL_MODELS, BackendType

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
            extra=("workstation", "xllamacpp"),
            modules=(("llama_cpp", "xllamacpp"),),
            refuses=REFUSED_BY_LOCAL_MODELS | {"reasoning_effort", "thinking_budget"},
            example=_HERE / "example.json",
            location="local",
        )
    ]
