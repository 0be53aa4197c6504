"""Offers the type ``mock``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "mock",
            "complaint_llm_plugins.backends.mock.backend:MockBackend",
            "Answers without a model: scripted, or an echo",
            schema=_HERE / "options.schema.json",
            refuses=frozenset(("api_key", "base_url")),
            example=_HERE / "example.json",
            location="local",
            demo=True,
        )
    ]
