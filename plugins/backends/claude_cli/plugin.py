"""Offers the type ``claude_cli``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import REFUSED_BY_PROGRAMS, BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "claude_cli",
            "complaint_llm_plugins.backends.claude_cli.backend:ClaudeCLIBackend",
            "Claude through the Claude Code program",
            schema=_HERE / "options.schema.json",
            key_variables=("ANTHROPIC_API_KEY",),
            variables={"base_url": "ANTHROPIC_BASE_URL"},
            refuses=REFUSED_BY_PROGRAMS,
            example=_HERE / "example.json",
        )
    ]
