"""What is counted of calls, and the counting."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Figures(NamedTuple):
    """Figures of a number of calls.

    Demonstrations are in ``demo`` and nowhere else. ``calls`` = ``answered`` + ``failed`` + ``unfinished``; ``cached``
    of the answered came from the cache. ``spend`` is in US dollars, the sum of the known costs of calls that were not
    cached; ``unpriced`` answers, of unknown cost, are not in it. ``median`` and ``p95`` are seconds of the answered
    calls that were not cached, by nearest rank: the shortest time that half, or 95 of 100, did not exceed; None without
    such calls.

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
    failed_attempts: int = 0
    maybe_charged: int = 0
    fallbacks: int = 0
    median: float | None = None
    p95: float | None = None


class Tally:
    """Adds up what calls have in common; each amount is that of a field of ``Figures``."""

    __slots__ = ("_costs", "_seconds", "_sums")

    def __init__(self) -> None:
        self._sums: dict[str, int] = {}
        self._costs: list[float] = []
        self._seconds = array("d")

    def add(self, counts: Mapping[str, int], spend: float = 0.0, seconds: Iterable[float] = ()) -> None:
        """Add calls: their counts, what they cost together, and the seconds of each that counts for the median."""
        sums = self._sums
        for name, count in counts.items():
            sums[name] = sums.get(name, 0) + count
        if spend:
            self._costs.append(spend)
        self._seconds.extend(seconds)

    def figures(self) -> Figures:
        """What was added up."""
        ascending = sorted(self._seconds)
        return Figures(
            **self._sums,
            spend=math.fsum(self._costs),
            median=nearest_rank(ascending, 50),
            p95=nearest_rank(ascending, 95),
        )


def nearest_rank(ascending: Sequence[float], percent: int) -> float | None:
    """The smallest of the values that at least ``percent`` of 100 of them do not exceed; None of no values."""
    return ascending[-(-len(ascending) * percent // 100) - 1] if ascending else None
