"""A re-ask: the same backend is asked once more, because what came of the first attempt is of no use as it stands.

An attempt (``attempt``, or ``attempt_stream`` before its first piece) raises ``ReAsk`` with the request to ask again
with. The attempt loop then makes that a further attempt at the same backend: with its own admission (limits, budget
reservation), its own share of the deadline and its own entry in ``attempts``. What the first one used is settled as
used. Each ``kind`` is granted once a backend in a call, and only while an attempt is left for it: an explicit
``max_attempts`` counts it, the default cap grows by it. Where it is not granted, ``error`` is what the first attempt
failed with, and the loop goes on as after any failure.

The request of a re-ask is the one that the attempt was given, with its messages changed: deadline and token are the
loop's, and the backend's own defaults are bound again. An attempt keeps no state for it: it may raise the same ReAsk
each time.

The answer of the call has the usage and the cost of all its answers, those that were asked again included.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from complaint_llm.exceptions import BackendError
from complaint_llm.model_info import INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_llm.messages import InferenceOutput, TokenUsage
    from complaint_llm.request import Request

Kind = Literal["structure", "schema_refused", "checks"]
"""Why: the answer does not fit its shape; the provider refuses the schema itself; a check of the answer failed."""


class ReAsk(BackendError):  # noqa: N818 - no failure: a wish, and it never leaves the loop
    """Raised by an attempt that asks for one more; see the module. It never leaves the attempt loop.

    ``error`` is why the first attempt does not count; ``output`` is what it answered and used, finished (its cost set),
    or None where nothing was answered.
    """

    def __init__(
        self, kind: Kind, request: Request, error: BackendError, output: InferenceOutput | None = None
    ) -> None:
        super().__init__(error.message, sent=error.sent, maybe_received=error.maybe_received)
        self.kind = kind
        self.request = request
        self.error = error
        self.output = output


def cause_of(error: BackendError) -> BackendError:
    """The failure itself: of a re-ask, why it was raised."""
    return error.error if isinstance(error, ReAsk) else error


def with_earlier(output: InferenceOutput, earlier: Sequence[InferenceOutput]) -> InferenceOutput:
    """``output`` with the usage and cost of the answers before it added; an unknown cost makes the sum unknown."""
    if not earlier:
        return output
    answers = (*earlier, output)
    costs = [each.cost for each in answers if each.cost is not None]
    usage = reduce(_sum, (each.token_usage for each in answers))
    if usage.is_complete and not all(each.token_usage.is_complete for each in answers):
        usage = usage._replace(unpriced=_sum_of(usage.unpriced, INCOMPLETE))
    return output._replace(
        token_usage=usage,
        cost=sum(costs) if len(costs) == len(answers) else None,
    )


def _sum(a: TokenUsage, b: TokenUsage) -> TokenUsage:
    """The sum of each count; one that only one of them tells is that one. Of different texts both."""
    return a._replace(**{name: _sum_of(x, y) for name, x, y in zip(a._fields, a, b, strict=True)})


def _sum_of(x: Any, y: Any) -> Any:
    if x is None or y is None or (isinstance(x, str) and x == y):
        return y if x is None else x
    return f"{x}, {y}" if isinstance(x, str) else x + y
