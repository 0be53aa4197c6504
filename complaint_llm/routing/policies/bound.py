"""The most that an attempt can cost, which a budget reserves so that nothing can pass it, and what it did cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from complaint_llm.exceptions import BackendConnectionError, BackendError
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EmbeddingRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_llm.routing.target import AnyRequest, Outcome, Permit

NANO = 1_000_000_000
"""Money is kept in whole nano-dollars."""

_MOST_DOLLARS = 4e9
"""What a book's integers of 64 bits can hold, twice."""

_NOISE = 0.0005
"""Nano-dollars that binary fractions may add to an amount."""

LEAST_ANSWER = 1024
"""Tokens below which a maximum that a budget chooses is not worth sending: answers would only be cut."""


class Bound(NamedTuple):
    """An upper bound of one attempt's price in US dollars: ``prompt``, and ``token`` for each token of the answer.

    ``answer`` is the most tokens that the answer can have. ``chosen``: the request says so, or no maximum can be sent;
    else any between ``least`` and ``answer`` may be. ``unknown`` is why there is no bound, and what to do.
    """

    prompt: float
    token: float = 0.0
    answer: int = 0
    chosen: bool = True
    least: int = LEAST_ANSWER
    unknown: str | None = None

    def nano(self, answer: int) -> int:
        """Nano-dollars, rounded up, of an answer of so many tokens."""
        return nano_of(self.prompt + self.token * answer)

    @property
    def smallest(self) -> int:
        """Nano-dollars without which the attempt cannot be made."""
        answer = self.answer if self.chosen else min(self.least, self.answer)
        return nano_of(self.prompt + self.token * answer)

    def longest(self, nano: int) -> int:
        """The longest answer (tokens) that fits into so many nano-dollars, between the least and the most there is."""
        least = min(self.least, self.answer)
        if not self.token:
            return self.answer
        fits = (nano / NANO - self.prompt) / self.token if nano > self.smallest else 0.0
        found = max(least, math.floor(min(self.answer, fits)))
        return found - 1 if found > least and self.nano(found) > nano else found


FREE = Bound(0.0)


def nano_of(dollars: float) -> int:
    """Whole nano-dollars, rounded up but for what binary fractions add; of more than a book can hold, that."""
    if dollars > _MOST_DOLLARS:
        dollars = _MOST_DOLLARS
    return math.ceil(dollars * NANO - _NOISE)


def with_chosen_maximum(request: AnyRequest, permits: Sequence[Permit]) -> AnyRequest:
    """The request with the longest answer that its permits paid for as its ``max_tokens``, where one of them chose."""
    chosen: int | None = None
    for permit in permits:
        most: int | None = getattr(permit, "max_tokens", None)
        if most is not None and (chosen is None or most < chosen):
            chosen = most
    if chosen is None or isinstance(request, EmbeddingRequest):
        return request
    return request._replace(params={**request.params, "max_tokens": chosen})


def charge(outcome: Outcome, reserved: int) -> int:
    """Nano-dollars that an attempt cost; the reservation where nobody knows."""
    if outcome.output is not None:
        return reserved if outcome.output.cost is None else nano_of(outcome.output.cost)
    error = outcome.error
    return reserved if error is not None and _may_cost(error) else 0


def _may_cost(error: BackendError) -> bool:
    """Whether the provider may charge for an attempt that failed so."""
    if not error.sent:
        return False
    if error.maybe_received:
        return True
    refused = error.status is not None and error.status >= 400
    return not refused and not isinstance(error, BackendConnectionError)
