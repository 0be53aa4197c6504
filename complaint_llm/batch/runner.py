"""One batch under way: reads the input, sends it out, hands the results to whoever iterates."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any

from complaint_llm.batch.cost_limit import CostLimit
from complaint_llm.batch.executors import BatchExecutor, FutureExecutor, ThreadExecutor
from complaint_llm.batch.feeding import feed, work_of
from complaint_llm.batch.finished_work import note_finished
from complaint_llm.batch.flow import BrokenThread, Flow
from complaint_llm.batch.input.items import (
    Ask,
    BatchItem,
    BatchResult,
    ItemLike,
    item_digest,
)
from complaint_llm.batch.journal.journal import Journal
from complaint_llm.batch.journal.recorder import JournalRecorder, Recorder, Unrecorded
from complaint_llm.batch.journal.resume import InDoubt, ResumeOptions, ResumePolicy
from complaint_llm.batch.journal.settings_change import changed_shapes
from complaint_llm.batch.journal.spans import ItemSpan
from complaint_llm.batch.output.summary import BatchSummary, end_watch
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_llm.batch.journal.shape import AnswerSettings
    from complaint_llm.call import CancelToken
    from complaint_llm.observers.batch_watch import BatchWatch

_POLL = 0.25
"""Seconds between looks at a ``stop`` event; without one nothing is polled."""

_CLOSE = 1.0
"""Seconds that ``close`` waits for threads."""


class BatchRun(Iterator[BatchResult]):
    """The results of a batch, as they come or in order. One thread iterates; ``stop`` may come from any.

    Ctrl-C while it waits stops the sending; the results of what is under way still come, then KeyboardInterrupt is
    raised; a second Ctrl-C closes it at once. Dropped without ``close``, it lets what is under way finish and be
    recorded. ``stopped_because`` says in words why the sending ended before the input did; empty where it did not.
    """

    def __init__(
        self,
        flow: Flow,
        executor: BatchExecutor,
        recorder: Recorder,
        *,
        ordered: bool,
        summary: BatchSummary,
        resume_hint: str,
        stop: threading.Event | None,
        cancel: CancelToken | None,
        cost_limit: CostLimit,
        watch: BatchWatch | None = None,
        on_recorded: Callable[[range], None] | None = None,
    ) -> None:
        self.summary = summary
        self.stopped_because = ""
        self._cost_limit = cost_limit
        self._flow = flow
        self._executor = executor
        self._recorder = recorder
        self._waiting: dict[int, BatchResult] | None = {} if ordered else None
        self._next_index = 0
        self._resume_hint = resume_hint
        self._stop_event = stop
        self._cancel = cancel
        self._on_recorded = on_recorded
        self._interrupted = False
        self._over = False
        # The threads know the parts, not the run: one that is dropped can be collected, and stops then.
        self._finalizer = weakref.finalize(self, partial(_let_finish, flow, executor, recorder))
        self._finalizer.atexit = False
        self._tell_end = weakref.finalize(self, partial(end_watch, watch, summary))
        self._tell_end.atexit = False

    def __iter__(self) -> BatchRun:
        return self

    def __enter__(self) -> BatchRun:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __next__(self) -> BatchResult:
        while not self._over:
            try:
                result = self._next()
            except KeyboardInterrupt:
                # A stop that was asked for is the first interrupt, even if nobody has looked at the event yet.
                asked = self._stop_event is not None and self._stop_event.is_set()
                if self._interrupted or asked or self._flow.stopped:
                    self.close()
                    raise
                self._interrupted = True
                self.stop()
                continue
            if result is None:
                self._finish()
            else:
                self._flow.count_handed_out()
                self._count(result)
                if not isinstance(result, ItemSpan):
                    return result
        raise StopIteration

    def _count(self, result: BatchResult | ItemSpan) -> None:
        if isinstance(result, ItemSpan):
            self.summary.add_recorded(result.summary)
            if self._on_recorded is not None:
                self._on_recorded(result.places)
        else:
            self.summary.add(result)
        if not self.stopped_because:
            self.stopped_because = self._cost_limit.reason_to_stop(self.summary)
            if self.stopped_because:
                self.stop()

    @property
    def recorded(self) -> int:
        """How many of the items read so far the journal already held the answers of."""
        return self._recorder.recorded if isinstance(self._recorder, JournalRecorder) else 0

    def stop(self) -> None:
        """Send nothing more; the iteration ends with the results of what is under way."""
        self._flow.stop()
        self._recorder.on_withdrawn(self._executor.withdraw())

    def close(self) -> None:
        """Stop, cancel what is under way, and end the threads. What was answered until now is recorded."""
        if self._over:
            return
        self._over = True
        if self._cancel is not None:
            self._cancel.cancel("the batch was closed")
        self._finalizer()
        self._executor.close(_CLOSE)
        self._recorder.join(_CLOSE)
        self._take_over_counts()

    def _next(self) -> BatchResult | ItemSpan | None:
        waiting = self._waiting
        while True:
            if waiting and self._next_index in waiting:
                break
            result = self._take()
            if waiting is None or isinstance(result, ItemSpan):
                return result
            if result is None:  # stopped: what is missing was never sent
                if not waiting:
                    return None
                self._next_index = min(waiting)
                break
            waiting[result.index] = result
        self._next_index += 1
        return waiting.pop(self._next_index - 1)

    def _take(self) -> BatchResult | ItemSpan | None:
        event = self._stop_event
        if event is None:
            return self._flow.take()
        while True:
            if event.is_set() and not self._flow.stopped:
                self.stop()
            try:
                return self._flow.take(_POLL)
            except TimeoutError:
                continue

    def _finish(self) -> None:
        self._over = True
        self._finalizer()
        self._executor.close(_CLOSE)
        self._recorder.join(None)
        self._take_over_counts()
        error = self._recorder.failure() or self._flow.error
        if error is not None:
            raise error
        fault = self._flow.fault
        if fault is not None:
            raise BatchError(f"a thread of the batch ended in the middle of its work: {fault!r}") from fault
        if self._interrupted:
            raise KeyboardInterrupt(f"stopped after {self.summary.total} results; {self._resume_hint}")

    def _take_over_counts(self) -> None:
        """The counts of whoever recorded, now that it ended."""
        if isinstance(self._recorder, JournalRecorder):
            self.summary.resent = self._recorder.resent
            self.summary.recorded = self._recorder.recorded
        self.summary.resent += self._executor.reruns
        self._tell_end()


def run_batch(
    ask: Ask,
    items: Iterable[ItemLike],
    *,
    max_workers: int = 8,
    journal: str | Path | None = None,
    ordered: bool = False,
    in_doubt: InDoubt = "resend",
    executor: Executor | BatchExecutor | None = None,
    accept_changes: bool = False,
    keep: bool = False,
    only_failed: bool = False,
    fresh: bool = False,
    max_cost: float | None = None,
    settings: AnswerSettings | None = None,
    response_format: Any = None,
    digest: Callable[[BatchItem], str] = item_digest,
    matter: str | None = None,
    stop: threading.Event | None = None,
    cancel: CancelToken | None = None,
    watch: BatchWatch | None = None,
    on_recorded: Callable[[range], None] | None = None,
) -> BatchRun:
    """Ask every item, at most ``max_workers`` at a time, at most twice as many read and not yet handed out.

    ``items`` is read lazily, by a thread of its own, and may be endless. With ``journal`` the same call goes on after a
    crash: nothing whose answer is recorded is asked again. ``in_doubt`` says what happens to items that an earlier run
    sent without recording how that ended: sent again, handed out as errors, or refused before anything is sent.
    ``fresh`` forgets what is recorded, ``only_failed`` asks only what failed, ``accept_changes`` asks again what
    changed under its id or was answered under other ``settings``, ``keep`` takes the answers of other settings.
    ``max_cost`` stops the sending once the known prices of all answers reach so many US dollars. ``response_format`` is
    that of the whole batch, for the type of recorded answers; ``matter`` is that of items that name none.
    An ``executor`` that is a BatchExecutor is closed with the batch; one of ``concurrent.futures`` stays its owner's.
    ``stop`` stops the sending when set; ``cancel`` is cancelled by ``close``, for an ``ask`` that listens to it.
    ``watch`` tells observers of its beginning and end. With ``on_recorded`` recorded answers that stand where they
    stood are not read and not handed out, a few beside what is left excepted: they count in the summary, and it is told
    their places, by whoever iterates.

    Raises BatchError if the journal cannot be used, SettingsChangedError if recorded answers were made under other
    settings; from the iteration, what ``items`` raises, and BatchError if the
    journal fails (``.results``: answers that it does not hold) or an item changed under its id.

    >>> with run_batch(ask, letters, max_workers=4, journal="night.journal") as results:  # doctest: +SKIP
    ...     for result in results:
    ...         print(result.key, result.output.content if result.output else result.error)
    """
    _check_given(max_workers, in_doubt, executor_is_given=executor is not None)
    if journal is None and (only_failed or fresh or accept_changes or keep or in_doubt != "resend"):
        raise ValueError("only_failed, fresh, accept_changes, keep and in_doubt need a journal")
    if keep and accept_changes:
        raise ValueError("keep takes the answers of other settings, accept_changes asks them again: give one of them")
    if ordered and on_recorded is not None:
        raise ValueError("in order everything is handed out: without ordered on_recorded is told what is not")
    cost_limit = CostLimit(max_cost)
    broken = BrokenThread()
    engine = _executor(ask, max_workers, executor, broken)
    capacity = engine.capacity
    ahead = capacity if in_doubt == "resend" else 0
    flow = Flow(2 * capacity, capacity + ahead, refill=max(1, ahead // 4), broken=broken)
    spans: Mapping[int, Sequence[ItemSpan]] = {}
    book, resume = None, ResumeOptions(in_doubt, accept_changes, only_failed, response_format=response_format)
    try:
        if journal is not None:
            book, stale = _open(journal, settings, resume, fresh=fresh, keep=keep)
            resume = resume._replace(stale=stale, has_model=settings is not None and settings.has_model())
            if on_recorded is not None:
                spans = book.known_spans(stale, without_demos=resume.has_model)
    except BaseException:
        engine.close()
        if book is not None:
            book.close()
        raise
    summary = BatchSummary()
    recorded_before = 0 if book is None or watch is None else book.counts().answered
    recorder: Recorder
    if book is None:
        recorder = Unrecorded(flow, engine)
        hint = "give a journal to be able to go on where it stopped"
    else:
        recorder = JournalRecorder(flow, engine, book, ResumePolicy(book, resume), settings=settings)
        hint = f"the same call with journal {journal} goes on"
    try:
        engine.start(partial(note_finished, flow, engine, recorder))
    except BaseException:
        _let_finish(flow, engine, recorder)
        raise
    make_work = partial(work_of, digest=digest, matter=matter)
    feeder = threading.Thread(
        target=feed, args=(flow, recorder, items, make_work, spans), name="batch-feeder", daemon=True
    )
    results = BatchRun(
        flow,
        engine,
        recorder,
        ordered=ordered,
        summary=summary,
        resume_hint=hint,
        stop=stop,
        cancel=cancel,
        cost_limit=cost_limit,
        watch=watch,
        on_recorded=on_recorded,
    )
    if watch is not None:
        watch.begin({"recorded": recorded_before})
    feeder.start()
    return results


def _check_given(max_workers: int, in_doubt: str, *, executor_is_given: bool) -> None:
    if max_workers < 1:
        raise ValueError(f"max_workers is {max_workers}; it must be at least 1")
    if in_doubt not in ("resend", "skip", "error"):
        raise ValueError(f"in_doubt is {in_doubt!r}; it is 'resend', 'skip' or 'error'")
    if executor_is_given and in_doubt != "resend":
        raise ValueError("with an executor of your own in_doubt is 'resend': an engine may rerun work on its own")


def _executor(
    ask: Ask, max_workers: int, given: Executor | BatchExecutor | None, broken: BrokenThread
) -> BatchExecutor:
    if given is None:
        return ThreadExecutor(ask, max_workers, broken)
    if isinstance(given, Executor):
        return FutureExecutor(ask, max_workers, given)
    return given


def _open(
    path: str | Path, settings: AnswerSettings | None, resume: ResumeOptions, *, fresh: bool, keep: bool
) -> tuple[Journal, frozenset[str]]:
    """The journal with a run begun, and the shapes whose answers are to be asked again."""
    book = Journal(path)
    try:
        stale: frozenset[str] = frozenset()
        if settings is not None and not fresh and not keep:
            stale = changed_shapes(book, settings, accept=resume.accept_changes)
        book.begin_run(fresh=fresh)
        if resume.in_doubt == "error" and book.in_doubt(1):
            raise BatchError(
                f"{path}: {book.counts().in_doubt} items are in doubt (first: {book.in_doubt(1)[0]!r}): sent, no "
                "answer recorded; resend or skip them, or start over"
            )
    except BaseException:
        book.close()
        raise
    return book, stale


def _let_finish(flow: Flow, executor: BatchExecutor, recorder: Recorder) -> None:
    """Send nothing more, and let threads and journal end on their own once what is under way has finished."""
    flow.stop()
    recorder.on_withdrawn(executor.withdraw())
    executor.close()
    recorder.end()
