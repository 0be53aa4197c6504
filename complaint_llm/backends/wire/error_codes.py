"""Error codes of the providers whose protocols others speak too, and the error class that each means.

A gateway answers in words that are not the service's own: where a wire's own table does not know a code, all are looked
through (``CODES``).
"""

from __future__ import annotations

from collections.abc import Mapping

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

OPENAI_CODES: Mapping[str, type[BackendError]] = {
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
"""OpenAI's and of services like it: classes by the body's ``code``, else its ``type``, whatever the status is."""

OPENAI_TYPES: Mapping[str, type[BackendError]] = {
    "invalid_request_error": InvalidRequestError,
    "invalid_api_key": AuthenticationError,
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

ANTHROPIC_ERRORS: Mapping[str, type[BackendError]] = {
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
"""Anthropic's: classes by ``error.details.error_code``, else by ``error.type``.

Source: the error types of the anthropic SDK 2.11; platform.claude.com, api/errors.
"""

GOOGLE_ERRORS: Mapping[str, type[BackendError]] = {
    "API_KEY_INVALID": AuthenticationError,
    "API_KEY_EXPIRED": AuthenticationError,
    "API_KEY_SERVICE_BLOCKED": PermissionDeniedError,
    "SERVICE_DISABLED": PermissionDeniedError,
    "CONSUMER_INVALID": PermissionDeniedError,
    "CONSUMER_SUSPENDED": PermissionDeniedError,
    "BILLING_DISABLED": QuotaExceededError,
    "UNAUTHENTICATED": AuthenticationError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "NOT_FOUND": ModelNotFoundError,
    "INVALID_ARGUMENT": InvalidRequestError,
    "FAILED_PRECONDITION": InvalidRequestError,
    "OUT_OF_RANGE": InvalidRequestError,
    "RESOURCE_EXHAUSTED": RateLimitError,
    "INTERNAL": ServerError,
    "UNKNOWN": ServerError,
    "UNAVAILABLE": ServerError,
    "DEADLINE_EXCEEDED": ServerError,
}
"""Google's: classes by ErrorInfo's ``reason``, else by the canonical ``status``. A wrong key comes as a 400.

Source: google.rpc.Code; ai.google.dev, troubleshooting.
"""

CODES: Mapping[str, type[BackendError]] = {**GOOGLE_ERRORS, **ANTHROPIC_ERRORS, **OPENAI_TYPES, **OPENAI_CODES}
"""All of them: for an error inside an HTTP 200. Any other is the server's fault."""
