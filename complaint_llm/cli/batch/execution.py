"""One run of ``complaint-llm batch``: asks until the input ends or somebody stops it, then writes OUT."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.batch import BatchRun, LineError, SettingsChangedError, open_executor, run_batch
from complaint_llm.batch.input.lines import Line, Lines
from complaint_llm.call import CancelToken
from complaint_llm.cli.batch.input import BatchSource, count_lines, lines_to_ask
from complaint_llm.cli.batch.interrupts import Interruption, interrupts
from complaint_llm.cli.batch.names import with_name_columns
from complaint_llm.cli.batch.options import Asker, BatchApp, BatchOptions, NotDoneError
from complaint_llm.cli.batch.output import closing, make_ready, print_result, result_of, write_out
from complaint_llm.cli.batch.progress import progress
from complaint_llm.cli.batch.readers import see_that_somebody_reads
from complaint_llm.cli.batch.sending import agree_to_send
from complaint_llm.cli.batch.summary import print_summary
from complaint_llm.cli.call_options import usage_line
from complaint_llm.cli.report_documents import note_folders
from complaint_llm.cli.terminal import tell_if_open
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from complaint_llm.batch import Ask, BatchExecutor
    from complaint_llm.batch.input.items import ItemLike
    from complaint_llm.messages import InferenceOutput, Prompt


def execute_batch(app: BatchApp, source: BatchSource, options: BatchOptions) -> int:
    """Ask until the input ends or somebody stops it, write OUT, and say what came of it; the exit code."""
    go_on = "run the same command again to go on" if options.journal else "a file as OUT would let you go on later"
    with interrupts(go_on) as interruption:
        return _execute_until(interruption, app, source, options)


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
        options = with_name_columns(mediator, source, options)
        agree_to_send(mediator, source, options)
        if options.journal is not None and (folders := options.document_folders()):
            note_folders(options.journal, folders)
        try:
            batch_run = _start(
                app,
                mediator,
                _items_under_way(lines, under_way, options),
                options,
                stop=interruption.stop,
                cancel=cancel,
            )
            with batch_run:
                _consume(batch_run, under_way, lines, options)
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
    )


def _refuse_to_ask(prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
    raise BatchError("an executor asks by itself")


def _consume(batch_run: BatchRun, under_way: dict[int, Line], lines: Lines, options: BatchOptions) -> None:
    """Take every result."""
    failed = False
    among_results = options.journal is None and sys.stdout.isatty()
    total = None if options.form in ("folder", "xlsx") else count_lines(options.source, options.limit)
    with progress(total, shown=sys.stderr.isatty() and not among_results) as show:
        for result in batch_run:
            line = result_of(result, under_way, lines, options)
            if options.journal is None:
                print_result(line)
            if options.usage and result.output is not None:
                tell_if_open(f"{line.id or f'item {result.index + 1}'}: {usage_line(result.output)}")
            if isinstance(result.error, LineError):
                tell_if_open(str(result.error))
            elif result.error is not None and not failed:
                failed = True  # one is enough to see what goes wrong; all of them are in OUT
                reason = "; ".join(map(str.strip, str(result.error).splitlines()))
                tell_if_open(f"the first that failed: {line.id or f'item {result.index + 1}'}: {reason}")
            with suppress(OSError):  # the terminal may be gone
                show(batch_run.summary)


def _items_under_way(lines: Lines, under_way: dict[int, Line], options: BatchOptions) -> Iterator[ItemLike]:
    """Items with the command's parameters; they are noted by place until their result is there."""
    for place, line in enumerate(lines_to_ask(islice(lines.items, options.limit), options)):
        under_way[place] = line
        yield line.item
