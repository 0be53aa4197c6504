"""What a batch may cost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from complaint_llm.batch.output.summary import BatchSummary

_log = logging.getLogger("complaint_llm.batch")


class CostLimit:
    """``most`` US dollars, of all answers of known price; None for no limit. One thread uses it.

    Raises ValueError if that is no number above 0.
    """

    def __init__(self, most: float | None) -> None:
        if most is not None and (isinstance(most, bool) or not 0 < most < float("inf")):
            raise ValueError(f"max_cost is {most!r}; it is a number of US dollars above 0")
        self._most = most
        self._named: set[str] = set()

    def reason_to_stop(self, summary: BatchSummary) -> str:
        """Why nothing more is sent, "" where more may be. Warns once of each backend that it cannot count."""
        if self._most is None:
            return ""
        for name, tally in summary.backends.items():
            if tally.unpriced and name not in self._named:
                self._named.add(name)
                _log.warning(
                    'max_cost does not count the answers of %s, whose price is unknown: give it "pricing", or the '
                    "config a budget",
                    name,
                )
        return f"the cost reached ${self._most:g}" if summary.cost >= self._most else ""
