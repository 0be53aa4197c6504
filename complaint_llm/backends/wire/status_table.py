"""The published table: from an HTTP status and the provider's own error code to an error class, and what that means.

No message text is ever searched: a wording changes, a code does not. Sources: RFC 9110 for the statuses, 529 as
Anthropic documents it (overloaded), the codes as each wire's own rows give them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Protocol

from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
)
from complaint_llm.named_tuples import NamedTuple

STATUSES: Mapping[int, type[BackendError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: QuotaExceededError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    408: BackendTimeoutError,
    413: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitError,
}
"""Error classes by status; other 4xx are InvalidRequestError, 5xx ServerError."""

RETRYABLE: frozenset[int] = frozenset((408, 409, 425, 429))
"""Statuses below 500 that may succeed at the same backend later; all of 5xx may too."""

MESSAGE_LIMIT = 500
"""Characters of a provider's message that are kept."""


class Headers(Protocol):
    """Response headers; names in any case."""

    def get(self, name: str, /) -> str | None: ...


class WireError(NamedTuple):
    """A provider's error as its wire reads it. ``kind`` overrides the table; ``retry_after`` is in seconds,
    ``param`` the parameter that is at fault."""

    message: str
    code: str | None = None
    kind: type[BackendError] | None = None
    retry_after: float | None = None
    retryable: bool | None = None
    param: str | None = None


def error_class(status: int | None) -> type[BackendError]:
    """The class for a status; an error inside a 200 without a status of its own counts as the server's."""
    if status is None or status >= 500 or status < 400:
        return ServerError
    return STATUSES.get(status, InvalidRequestError)


def make_error(
    status: int | None,
    found: WireError,
    headers: Headers,
    *,
    redact: Callable[[str], str],
    now: Callable[[], float] = time.time,
) -> BackendError:
    """The error to raise for a failed response."""
    kind = found.kind or error_class(status)
    retryable = found.retryable
    if retryable is None and found.kind is None and status is not None:
        retryable = (status >= 500 or status in RETRYABLE) and kind is not QuotaExceededError
    advice = headers.get("x-should-retry")
    if advice in ("true", "false") and not issubclass(kind, QuotaExceededError):
        retryable = advice == "true"
    wait = found.retry_after if found.retry_after is not None else retry_after(headers, now)
    text = redact(" ".join(found.message.split()))[:MESSAGE_LIMIT] or "no message"
    where = f"HTTP {status}" if status is not None else "error inside the answer"
    code = f" {found.code}" if found.code else ""
    return kind(
        f"{where}{code}: {text}",
        status=status,
        code=found.code,
        param=found.param,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
        retryable=retryable,
        retry_after=wait,
    )


def retry_after(headers: Headers, now: Callable[[], float] = time.time) -> float | None:
    """Seconds to wait as ``retry-after-ms`` or ``Retry-After`` (seconds, fraction or HTTP date) say; None if neither.

    Never negative; a value that is no time is ignored.
    """
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return max(0.0, millis / 1000)
    given = headers.get("retry-after")
    if given is None:
        return None
    seconds = _number(given)
    if seconds is None:
        seconds = _date(given, now)
    return None if seconds is None else max(0.0, seconds)


def _number(given: str | None) -> float | None:
    try:
        number = float(given) if given is not None else None
    except ValueError:
        return None
    return number if number is not None and isfinite(number) else None


def _date(given: str, now: Callable[[], float]) -> float | None:
    from email.utils import parsedate_to_datetime  # cold start

    try:
        return parsedate_to_datetime(given).timestamp() - now()
    except (ValueError, TypeError, OverflowError):
        return None
