"""Offers the type ``load_balanced``."""

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    """Several backends that share the work."""
    return [
        BackendType(
            "load_balanced",
            "complaint_llm_plugins.backends.load_balanced.backend:LoadBalancedBackend",
            "Several backends that share the work.",
            Path(__file__).parent / "options.schema.json",
            example=Path(__file__).parent / "example.json",
            parts=("backends",),
            honours=frozenset(("optional", "timeout")),
        )
    ]
