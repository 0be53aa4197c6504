"""Offers the type ``copilot_cli``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import REFUSED_BY_PROGRAMS, BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "copilot_cli",
            "complaint_llm_plugins.backends.copilot_cli.backend:CopilotCLIBackend",
            "Models of GitHub Copilot through the Copilot program",
            schema=_HERE / "options.schema.json",
            key_variables=("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"),
            needs_key=True,
            refuses=REFUSED_BY_PROGRAMS,
            example=_HERE / "example.json",
        )
    ]
