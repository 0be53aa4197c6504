"""Offers the type ``openai``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "openai",
            "complaint_llm_plugins.backends.openai.backend:OpenAIBackend",
            summary="OpenAI, chat completions and Responses; with base_url any compatible service",
            schema=_HERE / "options.schema.json",
            key_variables=("OPENAI_API_KEY",),
            needs_key=True,
            variables={
                "base_url": "OPENAI_BASE_URL",
                "organization": "OPENAI_ORG_ID",
                "project": "OPENAI_PROJECT_ID",
            },
            example=_HERE / "example.json",
        )
    ]
