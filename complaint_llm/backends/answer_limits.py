"""What a backend says of the answers of its models, for budgets."""

from __future__ import annotations

from complaint_llm.named_tuples import NamedTuple


class AnswerLimits(NamedTuple):
    """How long the answers of one model can be.

    ``longest`` is the most tokens of an answer without ``max_tokens`` (None: what the list of models says),
    ``sends_maximum`` whether the service is told ``max_tokens`` and keeps to it, ``overhead`` the most tokens that the
    backend itself adds to a prompt.
    """

    longest: int | None = None
    sends_maximum: bool = True
    overhead: int = 0
