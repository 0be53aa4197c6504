"""What an error body of OpenAI or a compatible service says.

Codes: the openai SDK's ``ResponseError.code`` and error types (3.52), OpenAI's error-code guide, Azure OpenAI's content
filter reference, inference-docs.cerebras.ai/support/error, console.groq.com/docs/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.backends import WireError
from complaint_llm.backends.wire.error_bodies import error_fields, error_words
from complaint_llm.backends.wire.schema_refusal import SchemaRefusals
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
)

CODES: Mapping[str, type[BackendError]] = {
    "insufficient_quota": QuotaExceededError,
    "credit_balance_exhausted": QuotaExceededError,
    "organization_spend_limit_exceeded": QuotaExceededError,
    "organization_usage_limit_exceeded": QuotaExceededError,
    "project_spend_limit_exceeded": QuotaExceededError,
    "billing_hard_limit_reached": QuotaExceededError,
    "billing_not_active": QuotaExceededError,
    "rate_limit_exceeded": RateLimitError,
    "slow_down": RateLimitError,
    "server_is_overloaded": ServerError,
    "context_length_exceeded": ContextLengthError,
    "model_not_found": ModelNotFoundError,
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "image_content_policy_violation": ContentFilterError,
    "invalid_prompt": ContentFilterError,
    "bio_policy": ContentFilterError,
    "misalignment_policy_violation": ContentFilterError,
}
"""Error classes by the body's ``code``, else its ``type``, whatever the status is."""

TYPES_WITHOUT_STATUS: Mapping[str, type[BackendError]] = {
    "invalid_request_error": InvalidRequestError,
    "authentication_error": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "not_found_error": ModelNotFoundError,
    "rate_limit_error": RateLimitError,
    "invalid_image": InvalidRequestError,
    "invalid_image_format": InvalidRequestError,
    "invalid_base64_image": InvalidRequestError,
    "invalid_image_url": InvalidRequestError,
    "invalid_image_mode": InvalidRequestError,
    "image_too_large": InvalidRequestError,
    "image_too_small": InvalidRequestError,
    "image_parse_error": InvalidRequestError,
    "image_file_too_large": InvalidRequestError,
    "image_file_not_found": InvalidRequestError,
    "empty_image_file": InvalidRequestError,
    "unsupported_image_media_type": InvalidRequestError,
    "failed_to_download_image": InvalidRequestError,
    "data_residency_mismatch": InvalidRequestError,
}
"""The same for errors inside an HTTP 200, where no status tells more: anything else is the server's fault."""


SCHEMA_REFUSALS = SchemaRefusals(
    codes=frozenset(("invalid_json_schema",)),
    places=("response_format", "text.format"),
    unspecific=frozenset(("invalid_request_error", "BadRequestError", "400", "bad_request", "invalid-argument")),
)
"""The code of OpenAI's Responses, the places of both its APIs, and what services call a request that is just bad:
OpenAI and most others, vLLM, numbers as codes, xAI."""


def read_error(status: int | None, payload: Any) -> WireError:
    """The error in a body; ``status`` is None for one inside an HTTP 200.

    Shapes that services use: ``{"error": {message, type, code}}``, ``{"error": text, "code"}`` (xAI), the fields at the
    top (Mistral, vLLM), ``{"detail"}`` (FastAPI, NVIDIA), a list of one, and text that is no JSON.
    """
    error = error_fields(payload)
    code, kind = _text(error.get("code")), _text(error.get("type"))
    found = CODES.get(code or "") or CODES.get(kind or "")
    if found is None and status is None:
        found = TYPES_WITHOUT_STATUS.get(code or "") or TYPES_WITHOUT_STATUS.get(kind or "")
    return WireError(error_words(error), code or kind, found, param=_text(error.get("param")))


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
