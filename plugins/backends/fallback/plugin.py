"""Offers the type ``fallback``."""

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    """One backend first, others if it fails."""
    return [
        BackendType(
            "fallback",
            "complaint_llm_plugins.backends.fallback.backend:FallbackBackend",
            "One backend first, others if it fails.",
            Path(__file__).parent / "options.schema.json",
            example=Path(__file__).parent / "example.json",
            parts=("primary", "fallbacks"),
            honours=frozenset(("optional", "timeout")),
        )
    ]
