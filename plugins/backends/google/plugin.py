"""Offers the type ``google``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "google",
            "complaint_llm_plugins.backends.google.backend:GoogleBackend",
            "Gemini models over Google's Gemini API",
            schema=_HERE / "options.schema.json",
            aliases=("gemini",),
            key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
            needs_key=True,
            variables={"base_url": "GOOGLE_GEMINI_BASE_URL"},
            example=_HERE / "example.json",
        )
    ]
