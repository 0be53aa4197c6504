"""Offers the type ``llm_router``."""

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    """One model over several providers."""
    return [
        BackendType(
            "llm_router",
            "complaint_llm_plugins.backends.llm_router.backend:LLMRouterBackend",
            "One model over several providers, with fallback.",
            Path(__file__).parent / "options.schema.json",
            example=Path(__file__).parent / "example.json",
            parts=("provider", "fallback_providers"),
            lends=True,
        )
    ]
