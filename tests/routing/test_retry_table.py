"""The published table: every error of the tree has its row, and the rows mean what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from complaint_llm import exceptions
from complaint_llm.exceptions import (
    AllBackendsFailedError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    CancelledError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.routing.retry_table import TABLE, Action, decide, delay_before
from complaint_llm.routing.target import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL = RetryPolicy()


def tree(kind: type[BackendError]) -> Iterator[type[BackendError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from tree(each)


def test_every_backend_error_has_its_own_row_with_a_reason() -> None:
    ours = {kind for kind in tree(BackendError) if kind.__module__ == exceptions.__name__}
    assert {rule.error for rule in TABLE} == ours - {AllBackendsFailedError}
    assert len(TABLE) == len({rule.error for rule in TABLE})
    assert all(rule.why for rule in TABLE)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529, 599])
def test_statuses_that_may_be_retried_are_whatever_class_they_come_in(status: int) -> None:
    for kind in (BackendError, ResponseFormatError, InvalidRequestError, ServerError):
        assert decide(kind("x", status=status), USUAL) is Action.RETRY, kind


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 410, 413, 418, 422])
def test_other_statuses_move_on(status: int) -> None:
    assert decide(BackendError("x", status=status), USUAL) is Action.NEXT


@pytest.mark.parametrize("kind", [BackendConnectionError, BackendTimeoutError, ServerError, RateLimitError])
def test_failures_that_may_pass_are_retried(kind: type[BackendError]) -> None:
    assert decide(kind("x"), USUAL) is Action.RETRY


def test_a_quota_is_never_retried_not_even_by_an_own_list_of_statuses() -> None:
    for retry in (USUAL, RetryPolicy(on_status=frozenset((402, 429)))):
        assert decide(QuotaExceededError("x", status=429), retry) is Action.NEXT


def test_only_mistakes_found_before_sending_and_cancellations_stop() -> None:
    assert decide(InvalidRequestError("x", sent=False), USUAL) is Action.STOP
    assert decide(InvalidRequestError("x", status=400), USUAL) is Action.NEXT
    assert decide(CancelledError("x"), USUAL) is Action.STOP


def test_an_error_class_of_a_plugin_is_treated_as_its_nearest_known_ancestor() -> None:
    class Overloaded(ServerError):
        pass

    assert decide(Overloaded("x", status=503), USUAL) is Action.RETRY


def test_the_delay_stays_within_its_ceiling_however_often_it_is_asked() -> None:
    error = ServerError("x", status=500)
    assert delay_before(5000, error, RetryPolicy(delay=0.5, max_delay=8.0), lambda: 1.0) == 8.0
    assert delay_before(3, error, RetryPolicy(delay=0.5, max_delay=8.0), lambda: 0.5) == 2.0
    assert delay_before(0, error, RetryPolicy(delay=0.0), lambda: 1.0) == 0.0


@pytest.mark.parametrize("asked", [0.0, -5.0, None])
def test_a_retry_after_that_asks_for_nothing_leaves_the_usual_delay(asked: float | None) -> None:
    error = RateLimitError("x", status=429, retry_after=asked)
    assert delay_before(0, error, RetryPolicy(delay=2.0), lambda: 0.5) == 1.0
