"""What an error body of OpenAI or a compatible service says.

Codes: the openai SDK's ``ResponseError.code`` and error types (3.52), OpenAI's error-code guide, Azure OpenAI's content
filter reference, inference-docs.cerebras.ai/support/error, console.groq.com/docs/errors.
"""

from __future__ import annotations

from typing import Any

from complaint_llm.backends import WireError
from complaint_llm.backends.wire import OPENAI_CODES, OPENAI_TYPES, error_fields, error_words


def read_error(status: int | None, payload: Any) -> WireError:
    """The error in a body; ``status`` is None for one inside an HTTP 200.

    Shapes that services use: ``{"error": {message, type, code}}``, ``{"error": text, "code"}`` (xAI), the fields at the
    top (Mistral, vLLM), ``{"detail"}`` (FastAPI, NVIDIA), a list of one, and text that is no JSON.
    """
    error = error_fields(payload)
    code, kind = _text(error.get("code")), _text(error.get("type"))
    found = OPENAI_CODES.get(code or "") or OPENAI_CODES.get(kind or "")
    if found is None and status is None:
        found = OPENAI_TYPES.get(code or "") or OPENAI_TYPES.get(kind or "")
    return WireError(error_words(error), code or kind, found, param=_text(error.get("param")))


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
