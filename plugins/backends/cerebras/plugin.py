"""Offers the type ``cerebras``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "cerebras",
            "complaint_llm_plugins.backends.cerebras.backend:CerebrasBackend",
            summary="Cerebras Cloud",
            schema=_HERE / "options.schema.json",
            key_variables=("CEREBRAS_API_KEY",),
            needs_key=True,
            example=_HERE / "example.json",
            refuses=frozenset(("embedding_model",)),
        )
    ]
