"""What follows from an error: one table, and how long to wait before the same backend is asked again."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from complaint_llm.exceptions import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BudgetExceededError,
    CancelledError,
    CheckFailedError,
    CircuitOpenError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.named_tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.routing.target import RetryPolicy

TOTAL_BUDGET = "whole_budget"
"""The ``code`` of a BudgetExceededError that stops the request: not one backend's budget is spent but everybody's."""

RETRIED_STATUSES: frozenset[int] = frozenset((408, 409, 425, 429, *range(500, 600)))
"""Statuses after which the same backend is asked again, unless its ``retry_on_errors`` names others."""


class Action(Enum):
    """What the attempt loop does after an error."""

    RETRY = "retry here"
    NEXT = "next backend"
    STOP = "stop"


RETRY, NEXT, STOP = Action


class Rule(NamedTuple):
    """A row of the table: errors of this class (the most special class counts) lead to this action."""

    error: type[BackendError]
    action: Action
    why: str
    unsent: Action | None = None
    """What to do instead where the error was found before anything was sent."""
    final: bool = False
    """Nothing about the error but ``retryable`` can change the action."""


TABLE: tuple[Rule, ...] = (
    Rule(CancelledError, STOP, "the caller does not want the answer any more"),
    Rule(QuotaExceededError, NEXT, "402, or 429 with a quota code: waiting does not help"),
    Rule(RateLimitError, RETRY, "429: after Retry-After or a growing delay", unsent=NEXT),
    Rule(AuthenticationError, NEXT, "401: the key stays wrong; logged as an error"),
    Rule(PermissionDeniedError, NEXT, "403: the key may not do this; logged as an error"),
    Rule(ModelNotFoundError, NEXT, "404: the model is not there; logged as an error"),
    Rule(ContextLengthError, NEXT, "another model may have more room", unsent=NEXT),
    Rule(ContentFilterError, NEXT, "another provider may judge otherwise"),
    Rule(InvalidRequestError, NEXT, "400, 413, 422: another backend may accept it", unsent=STOP),
    Rule(BackendTimeoutError, RETRY, "wholly sent: the next backend first, it may still be working"),
    Rule(BackendConnectionError, RETRY, "no connection, or it broke"),
    Rule(ServerError, RETRY, "5xx, also 529"),
    Rule(StreamInterruptedError, RETRY, "broken off before a piece was handed out"),
    Rule(ResponseFormatError, NEXT, "what it answers is no answer"),
    Rule(CheckFailedError, NEXT, "the task wants the next backend where a check fails"),
    Rule(BudgetExceededError, NEXT, "this backend's budget is spent; the whole budget stops the request"),
    Rule(CircuitOpenError, NEXT, "it failed too often just now", final=True),
    Rule(BackendError, NEXT, "whatever else a backend reports"),
)
"""From error to action. Statuses of RETRIED_STATUSES are retried whatever class they have, but for quota errors."""

_ROWS = {rule.error: rule for rule in TABLE}


def decide(error: BackendError, retry: RetryPolicy) -> Action:
    """What to do after ``error``. Whether a retry still fits (number, time) is the loop's matter."""
    rule = _rule(error)
    if not error.sent and rule.unsent is not None:
        return rule.unsent
    if rule.final and not error.retryable:
        return NEXT
    if isinstance(error, BudgetExceededError) and error.code == TOTAL_BUDGET:
        return STOP
    if rule.action is STOP or isinstance(error, QuotaExceededError):
        return rule.action
    if isinstance(error, RateLimitError) and not retry.on_rate_limit:
        return NEXT
    return RETRY if _is_retried(error, rule, retry) else NEXT


def delay_before(number: int, error: BackendError, retry: RetryPolicy, random: Callable[[], float]) -> float:
    """Seconds before retry ``number`` (from 0): what the provider asks for, else full jitter on a growing delay."""
    asked = error.retry_after
    if asked is not None and asked > 0:
        return asked
    ceiling = retry.delay * 2.0 ** min(number, 60) if retry.exponential else retry.delay
    return random() * min(ceiling, retry.max_delay)


def _is_retried(error: BackendError, rule: Rule, retry: RetryPolicy) -> bool:
    if error.status is not None and retry.on_status is not None:
        return error.status in retry.on_status
    if rule.action is RETRY:
        return error.retryable or isinstance(error, StreamInterruptedError)
    # A provider that says so itself (x-should-retry), or a conflict or early-data status of another class.
    return error.retryable or error.status in RETRIED_STATUSES


def _rule(error: BackendError) -> Rule:
    for kind in type(error).__mro__:
        rule = _ROWS.get(kind)
        if rule is not None:
            return rule
    raise AssertionError("BackendError itself is in the table")
