"""Offers the type ``lmstudio``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "lmstudio",
            "complaint_llm_plugins.backends.lmstudio.backend:LMStudioBackend",
            summary="LM Studio on this machine or another",
            schema=_HERE / "options.schema.json",
            key_variables=("LM_API_TOKEN",),
            needs_key=False,
            presets={"base_url": "http://localhost:1234/v1"},
            example=_HERE / "example.json",
        )
    ]
