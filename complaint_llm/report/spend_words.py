"""Numbers, times and errors of a ledger, as they stand on a page."""

from __future__ import annotations

from datetime import datetime, tzinfo

from complaint_llm.ledger.groupings import NamedFigures, Series

ERRORS = {
    "AuthenticationError": "the provider refused the key",
    "PermissionDeniedError": "the key may not do this",
    "ModelNotFoundError": "the provider has no such model",
    "InvalidRequestError": "the request could not be served as it was",
    "ContextLengthError": "the text was too long for the model",
    "ContentFilterError": "the provider's filter would not answer",
    "RateLimitError": "the provider asked to slow down",
    "QuotaExceededError": "the credit or quota at the provider was used up",
    "BackendTimeoutError": "no answer came in time",
    "BackendConnectionError": "no connection, or it broke",
    "ServerError": "the provider itself had a fault",
    "ResponseFormatError": "the answer did not have the form that was asked for",
    "CheckFailedError": "a check found something wrong in the answer",
    "StreamInterruptedError": "the answer broke off",
    "BudgetExceededError": "the office's own budget was used up; nothing was sent",
    "CircuitOpenError": "the backend had just failed too often and was left alone; nothing was sent",
    "CancelledError": "it was stopped",
    "AllBackendsFailedError": "several backends were tried and none answered",
    "GuardError": "a guard stopped it; nothing was sent",
    "unfinished": "it was begun, and its end was never recorded",
}
"""Plain words for classes of errors."""


def error_words(error: str) -> str:
    """What an error of this class means; empty for one that is not ours."""
    return ERRORS.get(error, "")


def money(amount: float | None) -> str:
    """US dollars; cents, and finer where there is less than ten of them."""
    if amount is None:
        return "unknown"
    if amount >= 0.1 or amount == 0:
        return f"${amount:,.2f}"
    if amount < 0.0001:
        return "under $0.0001"
    digits = f"{amount:.4f}"
    return f"${digits.removesuffix('00')}"


def duration(seconds: float | None) -> str:
    """Seconds, as short as they can be told."""
    if seconds is None:
        return "–"
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def count_of(number: int, singular: str, plural: str = "") -> str:
    """A number and the word for what it counts: ``1 call``, ``2,000 calls``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def share(part: int, total: int) -> str:
    """A part of a whole in percent; never "0 %" of something, never "100 %" of less than all."""
    if not total:
        return "0 %"
    percent = part * 100 / total
    if 0 < percent < 0.1:
        return "under 0.1 %"
    return f"{min(percent, 99.9) if part < total else 100:.1f} %".replace(".0 %", " %")


def minute(time: float, zone: tzinfo | None) -> str:
    """A time as clocks there show it."""
    return f"{datetime.fromtimestamp(time, zone):%Y-%m-%d %H:%M}"


def day(time: float, zone: tzinfo | None) -> str:
    """A day as it is written in a sentence."""
    local = datetime.fromtimestamp(time, zone)
    return f"{local.day} {local:%B %Y}"


def group_name(group: NamedFigures | Series, kind: str) -> str:
    """What a backend's or matter's row is called."""
    if group.others:
        return f"{group.others:,} others"
    if group.name is None:
        return "no matter" if kind == "matter" else "no backend"
    return group.name or "(empty)"
