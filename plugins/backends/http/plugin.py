"""Offers the type ``http``."""

from __future__ import annotations

from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType

_HERE = Path(__file__).parent


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    return [
        BackendType(
            "http",
            "complaint_llm_plugins.backends.http.backend:TemplateBackend",
            "Any API that takes a prompt in a JSON body and answers with JSON",
            schema=_HERE / "options.schema.json",
            refuses=frozenset(("embedding_model", "extra_body")),
            example=_HERE / "example.json",
        )
    ]
