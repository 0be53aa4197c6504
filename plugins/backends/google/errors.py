"""What an error body of the Gemini API says.

Source: google.rpc.Status, ErrorInfo, RetryInfo and QuotaFailure (googleapis); ai.google.dev, troubleshooting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from complaint_llm.backends import WireError
from complaint_llm.backends.wire import GOOGLE_ERRORS, error_fields, error_words
from complaint_llm.exceptions import (
    QuotaExceededError,
)


def decode_error(payload: Any) -> WireError:
    """The error of a body or of an event. A spent daily quota is no rate limit: its delay is not believed."""
    error = error_fields(payload)
    details = list(_details(error))
    reason = next((info["reason"] for info in details if isinstance(info.get("reason"), str)), None)
    status = error.get("status")
    known = [name for name in (reason, status) if isinstance(name, str)]
    message = error_words(error)
    if any("PerDay" in quota for quota in _quotas(details)):
        return WireError(message, known[0] if known else None, QuotaExceededError)
    kind = next((GOOGLE_ERRORS[name] for name in known if name in GOOGLE_ERRORS), None)
    # 402 is about money, whatever the canonical status says.
    return WireError(
        message,
        known[0] if known else None,
        None if error.get("code") == 402 else kind,
        _delay(details),
        param=_field(details),
    )


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    if isinstance(details, list):
        yield from (item for item in details if isinstance(item, Mapping))


def _quotas(details: list[Mapping[str, Any]]) -> Iterator[str]:
    for item in details:
        violations = item.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            quota = violation.get("quotaId") if isinstance(violation, Mapping) else None
            if isinstance(quota, str):
                yield quota


def _field(details: list[Mapping[str, Any]]) -> str | None:
    """The first place that a google.rpc.BadRequest names."""
    for item in details:
        violations = item.get("fieldViolations")
        for violation in violations if isinstance(violations, list) else ():
            field = violation.get("field") if isinstance(violation, Mapping) else None
            if isinstance(field, str) and field:
                return field
    return None


def _delay(details: list[Mapping[str, Any]]) -> float | None:
    """Seconds of RetryInfo's ``retryDelay``, a JSON Duration such as "34.07s"."""
    for item in details:
        given = item.get("retryDelay")
        if isinstance(given, str) and given.endswith("s"):
            try:
                seconds = float(given[:-1])
            except ValueError:
                continue
            if 0 <= seconds < float("inf"):
                return seconds
    return None
