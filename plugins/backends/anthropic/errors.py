"""What an error body of the Messages API, or an ``error`` event of its streams, says.

Source: the error types of the anthropic SDK 2.11; platform.claude.com, api/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.backends import WireError
from complaint_llm.backends.wire.error_bodies import error_fields, error_words
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
)

ERRORS: Mapping[str, type[BackendError]] = {
    "invalid_request_error": InvalidRequestError,
    "request_too_large": InvalidRequestError,
    "authentication_error": AuthenticationError,
    "billing_error": QuotaExceededError,
    "permission_error": PermissionDeniedError,
    "not_found_error": ModelNotFoundError,
    "rate_limit_error": RateLimitError,
    "timeout_error": ServerError,
    "api_error": ServerError,
    "overloaded_error": ServerError,
    "contract_spend_limit_reached": QuotaExceededError,
    "enforced_spend_limit_reached": QuotaExceededError,
    "linked_organization_spend_limit_reached": QuotaExceededError,
    "linked_organization_billing_unavailable": QuotaExceededError,
    "organization_on_hold": PermissionDeniedError,
}
"""Error classes by ``error.details.error_code``, else by ``error.type``."""


def decode_error(payload: Any) -> WireError:
    """What an error body or an ``error`` event says."""
    error = error_fields(payload)
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, Mapping) else None
    # The code of another wire's error comes last: it names the error only where this wire's words do not.
    known = [name for name in (code, error.get("type"), error.get("code")) if isinstance(name, str)]
    kind = next((ERRORS[name] for name in known if name in ERRORS), None)
    return WireError(error_words(error), known[0] if known else None, kind)
