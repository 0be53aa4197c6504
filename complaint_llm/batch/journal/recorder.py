"""What happens to an item between being read, being asked and being handed out: with a journal or without one.

``on_read`` is called by the feeder, ``on_finished`` by workers and ``on_withdrawn`` by whoever stops the batch, each
from any thread; work goes to the executor and results to the ``Flow``.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from complaint_llm.batch.executors import BatchExecutor
from complaint_llm.batch.input.items import BatchResult
from complaint_llm.batch.journal.entries import JournalEntry
from complaint_llm.batch.journal.journal import Journal
from complaint_llm.batch.journal.messages import FinishedItem, FoundSpan, ReadItem, noted_entry
from complaint_llm.batch.journal.spans import LENGTH, ItemSpan
from complaint_llm.batch.recorded import SpanBuilder
from complaint_llm.batch.work import Work
from complaint_llm.exceptions import BatchError, EvidenceError

if TYPE_CHECKING:
    from complaint_llm.batch.flow import Flow
    from complaint_llm.batch.journal.resume import Decision, ResumePolicy
    from complaint_llm.batch.journal.shape import AnswerSettings
    from complaint_llm.messages import InferenceOutput

T = TypeVar("T")
MAX_GROUP = 256
"""Messages in one commit: bounds the memory of a group and how long its first result waits."""


class Recorder(Protocol):
    """See the module."""

    def on_read(self, work: Work, error: Exception | None) -> None: ...
    def on_recorded(self, span: ItemSpan, works: Sequence[Work]) -> None: ...
    def on_finished(self, work: Work, output: InferenceOutput | None, error: Exception | None) -> None: ...
    def on_withdrawn(self, works: list[Work]) -> None: ...
    def end(self) -> None: ...
    def join(self, wait: float | None) -> bool: ...
    def failure(self) -> BatchError | None: ...


class Unrecorded:
    """Without a journal: work goes straight to the executor, results straight to the consumer. Keeps no state."""

    def __init__(self, flow: Flow, executor: BatchExecutor) -> None:
        self._flow = flow
        self._executor = executor

    def on_read(self, work: Work, error: Exception | None) -> None:
        if error is not None:
            self.on_finished(work, None, error)
        elif self._flow.stopped:
            self.on_withdrawn([work])
        else:
            submit(self._flow, self._executor, work, self)

    def on_recorded(self, span: ItemSpan, works: Sequence[Work]) -> None:
        """Nothing is recorded here."""
        for work in works:
            self.on_read(work, None)

    def on_finished(self, work: Work, output: InferenceOutput | None, error: Exception | None) -> None:
        try:
            output, error = _answer_without_provenance(output, error)
            self._flow.deliver((work.result(output, error),), answered=1)
        except BaseException as error:
            self._flow.fault = error
            raise

    def on_withdrawn(self, works: list[Work]) -> None:
        self._flow.count_answered(len(works))
        self._flow.drop(len(works))

    def end(self) -> None:
        """Nothing is kept open."""

    def join(self, wait: float | None) -> bool:
        return True

    def failure(self) -> BatchError | None:
        return None


_Message: TypeAlias = ReadItem | FoundSpan | FinishedItem | list[Work] | None


class JournalRecorder:
    """One thread owns the journal and commits in groups whatever came while the last commit was under way.

    Nothing is sent before its mark is on disk, nothing handed out before its answer is. When the journal cannot be
    written, sending stops; what was under way is waited for and comes with ``failure``, marked as not journaled.
    """

    def __init__(
        self,
        flow: Flow,
        executor: BatchExecutor,
        journal: Journal,
        policy: ResumePolicy,
        settings: AnswerSettings | None = None,
    ) -> None:
        self._flow = flow
        self._executor = executor
        self._journal = journal
        self._policy = policy
        self._settings = settings
        self._inbox: SimpleQueue[_Message] = SimpleQueue()
        self._thread = threading.Thread(target=self._write_groups, name="batch-journal", daemon=True)
        # What follows is the thread's own; others read it after join().
        self._broken: BatchError | None = None
        self._unrecorded: list[BatchResult] = []
        self._changed = 0
        self._first_change = ("", "")
        self._compared = 0
        self._known: int | None = None
        self._builder = SpanBuilder()
        self.resent = 0
        self.recorded = 0
        self._thread.start()

    def on_read(self, work: Work, error: Exception | None) -> None:
        self._inbox.put(ReadItem(work, error))

    def on_recorded(self, span: ItemSpan, works: Sequence[Work]) -> None:
        self._inbox.put(FoundSpan(span, works))

    def on_finished(self, work: Work, output: InferenceOutput | None, error: Exception | None) -> None:
        try:
            output, error = _answer_without_provenance(output, error)
            self._flow.count_answered()
            self._inbox.put(FinishedItem(work, output, error))
        except BaseException as error:
            self._flow.fault = error
            raise

    def on_withdrawn(self, works: list[Work]) -> None:
        if works:
            self._flow.count_answered(len(works))
            self._inbox.put(works)

    def end(self) -> None:
        """Close the journal and end the thread as soon as nothing is under way."""
        self._inbox.put(None)

    def join(self, wait: float | None) -> bool:
        self._thread.join(wait)
        return not self._thread.is_alive()

    def failure(self) -> BatchError | None:
        if self._broken is not None:
            message = str(self._broken)
            if self._unrecorded:
                message += f" ({len(self._unrecorded)} results are not journaled; they are in this error's .results)"
            error = BatchError(message, results=self._unrecorded)
            error.__cause__ = self._broken.__cause__
            return error
        if self._changed:
            key, part = self._first_change
            return BatchError(
                f"{self._journal.path}: {self._changed} of {self._compared} items changed under the same id "
                f"(first: {key!r}, {part} differs): give them other ids, or accept the changes to ask them again"
            )
        return None

    def _write_groups(self) -> None:
        ending = False
        try:
            while not (ending and self._flow.settled):
                group = self._next_group()
                ending = ending or None in group
                group, decisions = self._attempt(partial(self._commit, group)) or (group, [])
                if self._broken is None:
                    self._hand_on(group, decisions)
                else:
                    self._keep(group)
            self._attempt(partial(self._journal.write, ()))
        except BaseException as error:
            self._flow.fault = error
            raise
        finally:
            self._journal.close()

    def _attempt(self, work: Callable[[], T]) -> T | None:
        """What is done with the journal; None where it is broken. Whatever its fault is, the batch stops, and says
        so."""
        if self._broken is not None:
            return None
        try:
            return work()
        except sqlite3.Error as error:
            self._break(self._journal.failure(error, "written"), error)
        except BatchError as error:
            self._break(error, error.__cause__)
        except Exception as error:  # noqa: BLE001 - see above
            self._break(BatchError(f"{self._journal.path}: the journal cannot be written: {error}"), error)
        return None

    def _next_group(self) -> list[_Message]:
        group = [self._inbox.get()]
        try:
            while len(group) < MAX_GROUP:
                group.append(self._inbox.get_nowait())
        except Empty:
            pass
        return group

    def _commit(self, group: list[_Message]) -> tuple[list[_Message], list[Decision]]:
        """Write a group and make it last; what becomes of the items in it that were read. Those of a span that is none
        any more are among them."""
        group = [each for message in group for each in self._as_it_stands(message)]
        read = [message for message in group if isinstance(message, ReadItem)]
        finished = [message for message in group if isinstance(message, FinishedItem)]
        withdrawn = [work for message in group if isinstance(message, list) for work in message]
        self._compared += len(read) + LENGTH * sum(isinstance(message, FoundSpan) for message in group)
        try:
            decisions = self._store(read, finished, withdrawn)
        except sqlite3.IntegrityError:
            if not self._journal.blind:
                raise
            self._journal.blind = False  # an item of this very run came again: from now on keys are looked up
            decisions = self._store(read, finished, withdrawn)
        if None in group:
            self._journal.write(())
        return group, decisions

    def _as_it_stands(self, message: _Message) -> Sequence[_Message]:
        if isinstance(message, FoundSpan) and not self._journal.spans.find(message.span):
            return [ReadItem(work, None) for work in message.works]
        return (message,)

    def _hand_on(self, group: list[_Message], decisions: list[Decision]) -> None:
        """Let a group's results and work go. It is on disk: an error in here is no error of the journal's."""
        read = sum(isinstance(message, ReadItem) for message in group)
        withdrawn = sum(len(message) for message in group if isinstance(message, list))
        asked = [decision.work for decision in decisions if decision.asked]
        if self._flow.stopped:
            self.on_withdrawn(asked)
        else:
            for work in asked:
                submit(self._flow, self._executor, work, self)
        decided = [(each.work.result(each.output, each.error), each) for each in decisions if each.is_result]
        spans = [message.span for message in group if isinstance(message, FoundSpan)]
        self.resent += sum(decision.resent for decision in decisions)
        self.recorded += sum(each.output is not None for each in decisions) + LENGTH * len(spans)
        finished = [(message.result(), message) for message in group if isinstance(message, FinishedItem)]
        for result, decision in decided:
            self._count_in(decision.work, decision.known, result)
        for result, message in finished:
            self._count_in(message.work, message.recorded_entry, result)
        results = [result for result, _ in (*decided, *finished)]
        self._flow.deliver([*spans, *results], answered=read - len(asked) + LENGTH * len(spans))
        self._flow.drop(withdrawn + read - len(asked) - len(decided) + (LENGTH - 1) * len(spans))

    def _count_in(self, work: Work, entry: JournalEntry | None, result: BatchResult) -> None:
        """Let a result that is on disk count for its span, which is kept with the next group once it is whole."""
        span = self._builder.add(work, entry, result, self._journal.run_number)
        if span is not None:
            self._journal.spans.add(span)

    def _store(self, read: list[ReadItem], finished: list[FinishedItem], withdrawn: list[Work]) -> list[Decision]:
        """Decide on what was read, and put all of it on disk, or, where only places in the input change, note it."""
        decisions, entries = self._decide(read) if read else ([], [])
        if finished or withdrawn or any(decision.asked for decision in decisions):
            for message in finished:
                message.recorded_entry = self._with_shape(message, message.entry())
                entries.append(message.recorded_entry)
            entries += [_take_back_send(work) for work in withdrawn]
            self._journal.write(entries)
        else:
            self._journal.note(entries)
        return decisions

    def _with_shape(self, message: FinishedItem, entry: JournalEntry) -> JournalEntry:
        """The entry of an answer with what shaped it; a demonstration's has nothing that need be compared."""
        output = message.output
        if self._settings is None or output is None or output.metadata.get("demo"):
            return entry._replace(shape=None)
        shape = self._settings.shape(output.backend, message.work.prompt, message.work.params)
        return entry._replace(shape=None if shape is None else self._journal.add_shape(shape))

    def _decide(self, read: list[ReadItem]) -> tuple[list[Decision], list[JournalEntry]]:
        """What becomes of items, and their entries; those without a decision are dropped: nothing more is sent."""
        if self._flow.stopped:
            return [], []
        decisions: list[Decision] = []
        entries: list[JournalEntry] = []
        if self._changed:
            changes = self._policy.changes([message.work for message in read if message.error is None])
        else:
            decisions, entries = self._policy.decide([(message.work, message.error) for message in read])
            changes = [(each.work.key, each.change) for each in decisions if each.change is not None]
        if changes and not self._changed:
            self._first_change = changes[0]
        self._changed += len(changes)
        if self._changed:
            if self._known is None:
                self._known = sum(self._journal.counts()[:2])
            if self._compared >= self._known:
                self._flow.stop()  # an endless input must not be read for ever to count the changes
        return decisions, entries

    def _break(self, error: BatchError, cause: BaseException | None) -> None:
        error.__cause__ = cause
        self._broken = error
        self._flow.stop(error)
        self.on_withdrawn(self._executor.withdraw())

    def _keep(self, group: list[_Message]) -> None:
        """Without a journal to write to: what was not sent is dropped, what was answered is kept for ``failure``."""
        for message in group:
            if isinstance(message, ReadItem):
                self._flow.count_answered()
                self._flow.drop(1)
            elif isinstance(message, FoundSpan):
                self._flow.count_answered(LENGTH)
                self._flow.drop(LENGTH)
            elif isinstance(message, FinishedItem):
                self._unrecorded.append(_mark_unjournaled(message.result()))
                self._flow.drop(1)
            elif message is not None:
                self._flow.drop(len(message))


def _take_back_send(work: Work) -> JournalEntry:
    entry = noted_entry(work)
    return entry._replace(sends=entry.sends - 1)


def _answer_without_provenance(
    output: InferenceOutput | None, error: Exception | None
) -> tuple[InferenceOutput | None, Exception | None]:
    """An answer whose record of provenance could not be written is an answer: its metadata says what is missing."""
    if not isinstance(error, EvidenceError) or error.output is None:
        return output, error
    logging.getLogger("complaint_llm.batch").error("an answer has no record of provenance: %s", error)
    metadata = {**error.output.metadata, "provenance_error": str(error)}
    return error.output._replace(metadata=metadata, provenance=None), None


def _mark_unjournaled(result: BatchResult) -> BatchResult:
    if result.output is None:
        return result
    metadata = {**result.output.metadata, "journaled": False}
    return result._replace(output=result.output._replace(metadata=metadata))


def submit(flow: Flow, executor: BatchExecutor, work: Work, recorder: Recorder) -> None:
    """Hand work to the executor. One that takes no more work ends the batch; this item's error says so."""
    try:
        executor.submit(work)
    except Exception as error:  # noqa: BLE001 - the executor's own error, whatever its kind, ends the batch
        problem = BatchError(f"the executor takes no more work: {error}")
        problem.__cause__ = error
        flow.stop(problem)
        recorder.on_finished(work, None, problem)
