"""OpenRouter's errors: ``{"error": {"code": <HTTP status>, "message", "metadata"}}``, often inside an HTTP 200.

Source: openrouter.ai/docs/api/reference/errors-and-debugging.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm_plugins.backends.openai import errors

from complaint_llm.backends import WireError
from complaint_llm.exceptions import ContentFilterError, RateLimitError


def read_error(status: int | None, payload: Any) -> WireError:
    """The error in a body.

    A 403 with ``metadata.reasons`` is a moderation; a 402 whose limit is OpenRouter's own budget for requests in flight
    passes with time; ``metadata.raw`` is what the provider behind it said.
    """
    found = errors.read_error(status, payload)
    error = payload.get("error") if isinstance(payload, Mapping) else None
    metadata = error.get("metadata") if isinstance(error, Mapping) else None
    if not isinstance(metadata, Mapping):
        return found
    if metadata.get("reasons"):
        return found._replace(kind=ContentFilterError)
    if metadata.get("limit_source") == "openrouter_in_flight_budget":
        return found._replace(kind=RateLimitError)
    raw = metadata.get("raw")
    return found._replace(message=f"{found.message}: {raw}") if isinstance(raw, str) and raw else found
