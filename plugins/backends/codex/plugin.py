"""Offers the type ``codex``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import REFUSED_BY_PROGRAMS, BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "codex",
            "complaint_llm_plugins.backends.codex.backend:CodexBackend",
            "OpenAI models through the Codex program",
            schema=_HERE / "options.schema.json",
            key_variables=("CODEX_API_KEY",),
            refuses=REFUSED_BY_PROGRAMS,
            example=_HERE / "example.json",
        )
    ]
