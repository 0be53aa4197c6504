"""From status, code and headers to an error class; no message text decides."""

import pytest

from complaint_llm import exceptions as e
from complaint_llm.backends.wire.status_table import MESSAGE_LIMIT, WireError, make_error, retry_after

SAID_NO = WireError("no")


def make(status: int | None, found: WireError = SAID_NO, headers: dict[str, str] | None = None) -> e.BackendError:
    return make_error(status, found, headers or {}, redact=lambda text: text, now=lambda: 1_700_000_000.0)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, e.InvalidRequestError, False),
        (401, e.AuthenticationError, False),
        (402, e.QuotaExceededError, False),
        (403, e.PermissionDeniedError, False),
        (404, e.ModelNotFoundError, False),
        (408, e.BackendTimeoutError, True),
        (409, e.InvalidRequestError, True),
        (413, e.InvalidRequestError, False),
        (418, e.InvalidRequestError, False),
        (422, e.InvalidRequestError, False),
        (425, e.InvalidRequestError, True),
        (429, e.RateLimitError, True),
        (500, e.ServerError, True),
        (503, e.ServerError, True),
        (529, e.ServerError, True),
    ],
)
def test_status_decides_the_class(status: int, kind: type[e.BackendError], retryable: bool) -> None:
    """The table, row by row."""
    error = make(status)
    assert type(error) is kind
    assert error.retryable is retryable
    assert error.status == status


def test_a_wire_may_know_better() -> None:
    """A quota code makes a 429 final; a wire's own word on retrying holds."""
    quota = make(429, WireError("spent", "insufficient_quota", e.QuotaExceededError))
    assert not quota.retryable
    assert quota.code == "insufficient_quota"
    assert make(400, WireError("again", retryable=True)).retryable


@pytest.mark.parametrize(("advice", "retryable"), [("true", True), ("false", False), ("maybe", True)])
def test_the_providers_advice_counts(advice: str, retryable: bool) -> None:
    """``x-should-retry`` is obeyed if it is one of the two words."""
    assert make(500, headers={"x-should-retry": advice}).retryable is retryable


def test_advice_does_not_make_a_spent_quota_retryable() -> None:
    """Money does not come back by waiting."""
    found = WireError("spent", kind=e.QuotaExceededError)
    assert not make(429, found, {"x-should-retry": "true"}).retryable


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:00 GMT"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "99999999999"}, 99999999999.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Tue, 99 Nov 2023 22:13:30 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, fractions, milliseconds, dates; nonsense is no time, and never negative."""
    assert retry_after(headers, lambda: 1_700_000_000.0) == seconds


def test_messages_are_one_bounded_line_without_secrets() -> None:
    """What a provider says is cut, joined into a line, and its secrets are hidden."""
    found = WireError("bad key sk-canary\nline two " + "x" * 2000)
    error = make_error(401, found, {"x-request-id": "r-1"}, redact=lambda text: text.replace("sk-canary", "***"))
    assert "\n" not in str(error)
    assert "sk-canary" not in str(error)
    assert len(str(error)) < MESSAGE_LIMIT + 50
    assert error.request_id == "r-1"
