"""The account of a batch: what was answered, what failed, what it took."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from complaint_llm.batch.journal.codec import in_doubt
from complaint_llm.batch.output.states import STATES, state_of_error, state_of_output
from complaint_llm.exceptions import BackendError

if TYPE_CHECKING:
    from complaint_llm.batch.input.items import BatchResult
    from complaint_llm.observers.batch_watch import BatchWatch


class BackendTally:
    """What one backend did in a batch: its answers, whole or cut, and its errors.

    ``cost`` is in US dollars; ``unpriced`` counts answers of unknown price, ``uncounted`` those whose tokens the
    provider did not all tell. A demonstration's answers cost nothing.
    """

    __slots__ = ("answered", "completion_tokens", "cost", "failed", "prompt_tokens", "uncounted", "unpriced")

    def __init__(self) -> None:
        self.answered = self.failed = self.prompt_tokens = self.completion_tokens = self.unpriced = 0
        self.uncounted = 0
        self.cost = 0.0


class BatchSummary:
    """Counts of results handed out so far, by their state. It belongs to the thread that iterates.

    ``in_doubt`` counts failed results whose request a provider may have received; ``recorded`` is how many of the
    answers a journal already held, ``resent`` how many items were sent a second time because it was in doubt whether
    the first had been received; both are final when the iteration ends. ``guards`` has for each guard how often it
    replaced what it looks for, over all answers, by what found it.
    """

    def __init__(self, recorded: int = 0) -> None:
        self.answered = 0
        self.cut = 0
        self.refused = 0
        self.failed = 0
        self.not_read = 0
        self.in_doubt = 0
        self.demo = 0
        self.recorded = recorded
        self.resent = 0
        self.backends: dict[str, BackendTally] = {}
        self.guards: dict[str, dict[str, int]] = {}

    def counts(self) -> dict[str, int]:
        """Results so far by state, and how many answers a journal already held."""
        return {**{str(state): int(getattr(self, state)) for state in STATES}, "recorded": self.recorded}

    @property
    def total(self) -> int:
        """Results so far."""
        return sum(getattr(self, state) for state in STATES)

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers, as far as they were told."""
        return sum(tally.prompt_tokens + tally.completion_tokens for tally in self.backends.values())

    @property
    def uncounted(self) -> int:
        """Answers whose tokens were not all told."""
        return sum(tally.uncounted for tally in self.backends.values())

    @property
    def cost(self) -> float:
        """US dollars of all answers of known price."""
        return sum(tally.cost for tally in self.backends.values())

    @property
    def unpriced(self) -> int:
        """Answers of unknown price."""
        return sum(tally.unpriced for tally in self.backends.values())

    def add(self, result: BatchResult) -> None:
        """Count a result."""
        output = result.output
        state = state_of_output(output) if output is not None else state_of_error(result.error or {})
        setattr(self, state, getattr(self, state) + 1)
        if output is None:
            self.in_doubt += result.error is not None and in_doubt(result.error)
            if isinstance(result.error, BackendError) and result.error.backend:
                self._tally(result.error.backend).failed += 1
            return
        for guard in output.metadata.get("guards", ()):
            counts = self.guards.setdefault(guard["name"], {})
            for source, count in guard["counts"].items():
                counts[source] = counts.get(source, 0) + count
        demo = bool(output.metadata.get("demo"))
        self.demo += demo
        tally = self._tally(output.backend)
        tally.answered += 1
        tally.prompt_tokens += output.token_usage.prompt_tokens
        tally.completion_tokens += output.token_usage.completion_tokens
        tally.uncounted += not output.token_usage.is_complete
        if output.cost is None:
            tally.unpriced += not demo
        else:
            tally.cost += output.cost

    def to_json(self) -> str:
        """What ``add_recorded`` reads: the counts of results that have answers."""
        backends = {name: {key: getattr(each, key) for key in each.__slots__} for name, each in self.backends.items()}
        states = {str(state): getattr(self, state) for state in STATES}
        return json.dumps({"states": states, "demo": self.demo, "backends": backends, "guards": self.guards})

    def add_recorded(self, text: str) -> None:
        """Count results that another summary counted. Raises ValueError and KeyError for what is no text of one."""
        counted = json.loads(text)
        for state, number in counted["states"].items():
            setattr(self, state, getattr(self, state) + number)
        self.demo += counted["demo"]
        for name, tally in counted["backends"].items():
            mine = self._tally(name)
            for key in mine.__slots__:
                setattr(mine, key, getattr(mine, key) + tally.get(key, 0))
        for name, counts in counted["guards"].items():
            own = self.guards.setdefault(name, {})
            for source, number in counts.items():
                own[source] = own.get(source, 0) + number

    def _tally(self, backend: str) -> BackendTally:
        tally = self.backends.get(backend)
        if tally is None:
            tally = self.backends[backend] = BackendTally()
        return tally


def end_watch(watch: BatchWatch | None, summary: BatchSummary) -> None:
    """Tell observers, where there are any, that a batch has ended."""
    if watch is not None:
        watch.end(summary.counts(), summary.cost)
