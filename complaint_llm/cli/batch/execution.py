"""One run of ``complaint-llm batch``: asks until the input ends or somebody stops it, then writes OUT."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.batch import BatchRun, Journal, LineError, SettingsChangedError, open_executor, run_batch
from complaint_llm.batch.input.lines import Line, Lines
from complaint_llm.call import CancelToken
from complaint_llm.cli.batch.input import BatchSource, count_items, lines_to_ask
from complaint_llm.cli.batch.interrupts import Interruption, interrupts
from complaint_llm.cli.batch.names import with_name_columns
from complaint_llm.cli.batch.options import Asker, BatchApp, BatchOptions, NotDoneError
from complaint_llm.cli.batch.output import closing, make_ready, print_result, result_of, write_out
from complaint_llm.cli.batch.progress import Progress, progress
from complaint_llm.cli.batch.readers import see_that_it_is_there, see_that_somebody_reads
from complaint_llm.cli.batch.sending import agree_to_send
from complaint_llm.cli.batch.summary import left_line, print_summary
from complaint_llm.cli.call_options import usage_line
from complaint_llm.cli.report_documents import note_folders
from complaint_llm.cli.terminal import tell_if_open
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from complaint_llm.batch import Ask, BatchExecutor
    from complaint_llm.batch.input.items import ItemLike
    from complaint_llm.messages import InferenceOutput, Prompt


GO_ON = "run the same command again to go on"


def execute_batch(app: BatchApp, source: BatchSource, options: BatchOptions) -> int:
    """Ask until the input ends or somebody stops it, write OUT, and say what came of it; the exit code."""
    go_on = GO_ON if options.journal else "a file as OUT would let you go on later"
    with interrupts(go_on) as interruption:
        try:
            return _execute_until(interruption, app, source, options)
        except KeyboardInterrupt:
            _say_what_is_left(source, options)
            raise


def _execute_until(interruption: Interruption, app: BatchApp, source: BatchSource, options: BatchOptions) -> int:
    lines, interrupted_by = source.lines, interruption.names
    if options.journal is not None:
        make_ready(Path(options.output), options.journal, options)
    mediator = app.open_mediator()
    if options.task is not None:
        see_that_somebody_reads(mediator, options)
    cancel = CancelToken()
    cancel.attach(mediator.close)
    under_way: dict[int, Line] = {}
    with closing(mediator):
        see_that_it_is_there(mediator, options)
        options = with_name_columns(mediator, source, options)
        agree_to_send(mediator, source, options)
        if options.journal is not None and (folders := options.document_folders()):
            note_folders(options.journal, folders)
        drawn = sys.stderr.isatty() and not (options.journal is None and sys.stdout.isatty())
        shown = progress(count_items(source, options)) if drawn else Progress(None)
        ahead = _answers_in(options.journal) if drawn and not options.fresh else 0
        try:
            batch_run = _start(
                app,
                mediator,
                _items_under_way(lines, under_way, options),
                options,
                stop=interruption.stop,
                cancel=cancel,
                under_way=under_way,
                shown=shown,
            )
            with batch_run, shown.drawing():
                _consume(batch_run, under_way, lines, options, shown, ahead)
            if options.journal is not None:
                write_out(source, options, cut_short=bool(batch_run.stopped_because or interrupted_by))
        except SettingsChangedError as error:
            raise NotDoneError(str(error)) from error
        except BatchError as error:
            # Answers that were paid for and could not be journaled: standard output is free, the journal is not.
            for result in error.results:
                print_result(result_of(result, under_way, lines, options))
            if error.results:
                tell_if_open(f"the {len(error.results):,} that the journal does not hold are on standard output")
            raise
    print_summary(
        batch_run.summary,
        batch_run.stopped_because or (interrupted_by[0] if interrupted_by else ""),
        as_json=options.as_json,
        on_stdout=options.journal is not None,
        max_cost=options.max_cost,
    )
    if interrupted_by or batch_run.stopped_because:
        _say_what_is_left(source, options, batch_run)
    unanswered = batch_run.summary.total - batch_run.summary.answered
    return 130 if interrupted_by else 1 if unanswered or batch_run.stopped_because else 0


def _start(
    app: BatchApp,
    mediator: Asker,
    items: Iterable[ItemLike],
    options: BatchOptions,
    *,
    stop: threading.Event,
    cancel: CancelToken,
    under_way: dict[int, Line],
    shown: Progress,
) -> BatchRun:
    executor: BatchExecutor | None = None
    ask: Ask = _refuse_to_ask
    mediator.calls.reader.check_matter({"matter": options.matter})
    watch = mediator.calls.batch_watch()
    batch = None if watch is None else watch.batch
    if options.executor in (None, "threads"):
        ask = mediator.asker(batch=batch)
    else:
        factories = app.batch_executors(options.executor)
        executor = open_executor(options.executor, app.ask_factory(batch), options.max_workers, factories)
    return run_batch(
        ask,
        items,
        max_workers=options.max_workers,
        journal=options.journal,
        ordered=options.journal is None,
        in_doubt=options.in_doubt,
        executor=executor,
        accept_changes=options.accept_changes,
        keep=options.keep,
        only_failed=options.only_failed,
        fresh=options.fresh,
        max_cost=options.max_cost,
        settings=mediator.batch_settings(options.common),
        matter=options.matter,
        stop=stop,
        cancel=cancel,
        watch=watch,
        # What is recorded is in OUT, which is written from the journal; --usage has a line for each.
        on_recorded=None if options.journal is None or options.usage else partial(_pass_over, under_way, shown),
    )


def _pass_over(under_way: dict[int, Line], shown: Progress, places: range) -> None:
    """These lines are under way no longer."""
    for place in places:
        under_way.pop(place, None)
    shown.pass_over(len(places))


def _refuse_to_ask(prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
    raise BatchError("an executor asks by itself")


def _consume(
    batch_run: BatchRun, under_way: dict[int, Line], lines: Lines, options: BatchOptions, shown: Progress, answered: int
) -> None:
    """Take every result; ``answered`` is how many answers the journal held before."""
    failed = False
    for result in batch_run:
        line = result_of(result, under_way, lines, options)
        if options.journal is None:
            print_result(line)
        name = line.id or f"item {result.index + 1}"
        if options.usage and result.output is not None:
            shown.say(f"{name}: {usage_line(result.output)}")
        if isinstance(result.error, LineError):
            shown.say(str(result.error))
        elif result.error is not None and (sys.stderr.isatty() or not failed):
            # In a log one is enough to see what goes wrong; all of them are in OUT.
            reason = "; ".join(map(str.strip, str(result.error).splitlines()))
            shown.say(f"{'failed' if sys.stderr.isatty() else 'the first that failed'}: {name}: {reason}")
            failed = True
        done = batch_run.summary
        shown.update(
            done=done.total,
            recorded=batch_run.recorded,
            ahead=max(0, answered - batch_run.recorded),
            failed=done.failed + done.not_read,
            cost=None if done.unpriced else done.cost,
        )


def _answers_in(journal: Path | None) -> int:
    if journal is None or not journal.exists():
        return 0
    with Journal(journal) as opened:
        return opened.counts().answered


def _say_what_is_left(source: BatchSource, options: BatchOptions, batch_run: BatchRun | None = None) -> None:
    """After a stop: how many items have no answer, and how to go on."""
    total = count_items(source, options)
    if options.journal is not None:
        answered = _answers_in(options.journal)
    else:
        answered = 0 if batch_run is None else batch_run.summary.answered
    tell_if_open(left_line(total, answered, resumable=options.journal is not None))


def _items_under_way(lines: Lines, under_way: dict[int, Line], options: BatchOptions) -> Iterator[ItemLike]:
    """Items with the command's parameters; they are noted by place until their result is there."""
    for place, line in enumerate(lines_to_ask(islice(lines.items, options.limit), options)):
        under_way[place] = line
        yield line.item
