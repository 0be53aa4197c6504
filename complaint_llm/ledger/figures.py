"""What is counted of calls, and the counting."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple


class Figures(NamedTuple):
    """Figures of a number of calls.

    Demonstrations are in ``demo`` and nowhere else. ``calls`` = ``answered`` + ``failed`` + ``unfinished``; ``cached``
    of the answered came from the cache. ``spend`` is in US dollars, the sum of the known costs of calls that were not
    cached; ``unpriced`` answers, of unknown cost, are not in it. ``input_tokens`` and ``output_tokens`` are those of
    calls that were not cached. ``median`` and ``p95`` are seconds of the answered calls that were not cached, by
    nearest rank: the shortest time that half, or 95 of 100, did not exceed; None without such calls.

    ``failed_attempts`` ended with an error, whether or not another one then answered; ``maybe_charged`` of them ended
    after the whole request was with the provider, who may charge it. ``fallbacks`` are the calls in which an attempt
    failed and the next went to another backend; of a backend, the attempts that failed at it and were so followed.
    """

    calls: int = 0
    answered: int = 0
    failed: int = 0
    unfinished: int = 0
    cached: int = 0
    demo: int = 0
    spend: float = 0.0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    failed_attempts: int = 0
    maybe_charged: int = 0
    fallbacks: int = 0
    median: float | None = None
    p95: float | None = None


COUNTED = Figures._fields[:-2]


class Tally:
    """Adds up. ``seconds`` must be appended in ascending order."""

    __slots__ = ("seconds", "sums")

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.seconds = array("d")

    def add(self, amounts: dict[str, float]) -> None:
        """Add amounts by the names of ``Figures``."""
        sums = self.sums
        for name, amount in amounts.items():
            sums[name] = sums.get(name, 0) + amount

    def figures(self) -> Figures:
        """What was added up."""
        counted = {name: amount if name == "spend" else int(amount) for name, amount in self.sums.items()}
        return Figures(**counted, median=nearest_rank(self.seconds, 50), p95=nearest_rank(self.seconds, 95))  # type: ignore[arg-type]


def nearest_rank(ascending: Sequence[float], percent: int) -> float | None:
    """The smallest of the values that at least ``percent`` of 100 of them do not exceed; None of no values."""
    return ascending[-(-len(ascending) * percent // 100) - 1] if ascending else None
