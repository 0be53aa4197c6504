"""Offers the type ``anthropic``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "anthropic",
            "complaint_llm_plugins.backends.anthropic.backend:AnthropicBackend",
            "Claude models over Anthropic's Messages API",
            schema=_HERE / "options.schema.json",
            aliases=("claude",),
            key_variables=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
            needs_key=True,
            variables={"base_url": "ANTHROPIC_BASE_URL"},
            refuses=frozenset(("embedding_model",)),
            example=_HERE / "example.json",
        )
    ]
