"""Items whose answers the journal holds, by spans: how one comes about, how it is found in an input, what it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.batch.journal.spans import LENGTH, ItemSpan, span_digest
from complaint_llm.batch.output.summary import BatchSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_llm.batch.input.items import BatchResult
    from complaint_llm.batch.journal.entries import JournalEntry
    from complaint_llm.batch.work import Work


def identity_of(work: Work) -> bytes:
    """What tells an item from others, as it stands in the input: a line."""
    about = (work.key if work.named else None, work.digest, work.matter)
    return repr(about).encode("utf-8", "surrogatepass")


def matching_span(spans: Sequence[ItemSpan], works: Sequence[Work]) -> ItemSpan | None:
    """That of these which has exactly these items."""
    digest = span_digest(map(identity_of, works))
    return next((span for span in spans if span.digest == digest), None)


class _OpenSpan:
    """What is known so far of the items between two multiples of LENGTH."""

    def __init__(self) -> None:
        self.summary = BatchSummary()
        self.shape_ids: set[str] = set()
        self.items: dict[int, tuple[bytes, int]] = {}


class SpanBuilder:
    """Makes spans of what a run answers, in whichever order that comes. For one thread."""

    def __init__(self) -> None:
        self._parts: dict[int, _OpenSpan | None] = {}

    def add(self, work: Work, entry: JournalEntry | None, result: BatchResult, run_number: int) -> ItemSpan | None:
        """Count an item's result, whose entry is on disk; the span that it completed."""
        first = work.position - work.position % LENGTH
        is_copy = not work.named and work.key != work.digest
        if result.output is None or entry is None or is_copy:
            self._parts[first] = None  # there is no span
            return None
        part = self._parts.setdefault(first, _OpenSpan())
        if part is None:
            return None
        part.summary.add(result)
        part.items[work.position] = identity_of(work), entry.row
        if entry.shape is not None:
            part.shape_ids.add(entry.shape)
        if len(part.items) < LENGTH:
            return None
        del self._parts[first]
        ordered = [part.items[place] for place in range(first, first + LENGTH)]
        return ItemSpan(
            read=run_number,
            first=first,
            digest=span_digest(identity for identity, _ in ordered),
            shape_ids=frozenset(part.shape_ids),
            demos=part.summary.demo,
            summary=part.summary.to_json(),
            items=[row for _, row in ordered],
        )
