"""Offers the type ``openrouter``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "openrouter",
            "complaint_llm_plugins.backends.openrouter.backend:OpenRouterBackend",
            summary="OpenRouter: many providers behind one key",
            schema=_HERE / "options.schema.json",
            key_variables=("OPENROUTER_API_KEY",),
            needs_key=True,
            example=_HERE / "example.json",
        )
    ]
