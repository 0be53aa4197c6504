"""What the thread that owns a journal is told of items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from complaint_llm.batch.input.items import BatchResult
from complaint_llm.batch.input.task_items import material_of, task_id
from complaint_llm.batch.journal.codec import encode_error, encode_output, in_doubt
from complaint_llm.batch.journal.entries import ANSWERED, FAILED, JournalEntry
from complaint_llm.batch.journal.spans import ItemSpan
from complaint_llm.batch.work import Work
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import InferenceOutput


class ReadItem:
    """An item of the input, or why there is none."""

    __slots__ = ("error", "work")

    def __init__(self, work: Work, error: Exception | None) -> None:
        self.work = work
        self.error = error


class FoundSpan(NamedTuple):
    """Items that the input has where the journal has a span of them."""

    span: ItemSpan
    works: Sequence[Work]


class FinishedItem:
    """What came of an item that was asked."""

    __slots__ = ("error", "output", "recorded_entry", "work")

    recorded_entry: JournalEntry | None
    """As it is on disk."""

    def __init__(self, work: Work, output: InferenceOutput | None, error: Exception | None) -> None:
        self.work = work
        self.output = output
        self.error = error
        self.recorded_entry = None

    def entry(self) -> JournalEntry:
        """The entry that records it. An answer that cannot be recorded becomes an error."""
        sent = noted_entry(self.work)
        kind, doubt = FAILED, False
        task, material = task_id(self.work.params), material_of(self.work.prompt, self.work.params)
        try:
            if self.output is not None:
                kind, record = ANSWERED, encode_output(self.output, material)
            else:
                self.error = self.error or BatchError("no answer")
                doubt, record = in_doubt(self.error), encode_error(self.error, material)
        except (TypeError, ValueError, RecursionError) as problem:
            error = BatchError(f"the answer cannot be recorded: {problem}")
            error.__cause__ = problem
            self.output, self.error = None, error
            kind, record = FAILED, encode_error(error)
        return sent._replace(settled=sent.sends, kind=kind, doubt=int(doubt), task=task, record=record)

    def result(self) -> BatchResult:
        return self.work.result(self.output, self.error)


def noted_entry(work: Work) -> JournalEntry:
    if work.entry is None:
        raise BatchError(f"item {work.position} was never noted; this is a fault of the batch's own")
    return work.entry
