"""``complaint-llm batch``: many prompts from a file, answers into a file, nothing asked twice."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from complaint_llm.batch import (
    BatchItem,
    BatchResult,
    BatchRun,
    Journal,
    LineError,
    SettingsChangedError,
    item_digest,
    open_executor,
    run_batch,
    salvage_journal,
)
from complaint_llm.batch.input.folder import SUFFIXES, read_folder, text_files
from complaint_llm.batch.input.lines import FORMATS, Format, Line, Lines, read_lines
from complaint_llm.batch.input.task_items import for_task
from complaint_llm.batch.output import out_file as out
from complaint_llm.batch.output.export import CsvForm, Form, Result, csv_lines, json_line
from complaint_llm.batch.output.task_table import TaskForm
from complaint_llm.call import CancelToken
from complaint_llm.cli.batch_help import EXAMPLES, GROUPS
from complaint_llm.cli.batch_input import count_lines, opened, with_columns
from complaint_llm.cli.batch_options import (
    Asker,
    BatchApp,
    NotDoneError,
    Options,
    read_delimiter,
)
from complaint_llm.cli.batch_progress import progress
from complaint_llm.cli.batch_readers import see_that_somebody_reads, with_demonstration
from complaint_llm.cli.batch_signals import stopping
from complaint_llm.cli.batch_summary import price, print_summary
from complaint_llm.cli.call_options import call_options, usage_line
from complaint_llm.cli.option_groups import GroupedCommand
from complaint_llm.cli.options import SECONDS, Finite, OutputFile
from complaint_llm.cli.task_output import print_found
from complaint_llm.cli.terminal import tell, write
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from complaint_llm.batch import Ask, BatchExecutor
    from complaint_llm.batch.input.items import ItemLike
    from complaint_llm.messages import InferenceOutput, Prompt


@click.command(cls=GroupedCommand, groups=GROUPS, examples=EXAMPLES)
@click.argument("source", metavar="IN", type=click.Path(exists=True, allow_dash=True))
@click.option(
    *("-o", "--output"),
    type=OutputFile(allow_dash=True),
    default="-",
    show_default=True,
    metavar="OUT",
    help='JSON lines, or a table if it ends in .csv; "-" is standard output.',
)
@click.option("--format", "form", type=click.Choice(["jsonl", "csv", "txt"]), help="Of IN; otherwise by its extension.")
@click.option("--prompt-template", metavar="TEXT", help='For CSV: "Extract claims from: {narrative}".')
@click.option("--encoding", metavar="NAME", help="Of IN, such as utf-8, utf-16, windows-1252; otherwise found out.")
@click.option("--delimiter", callback=read_delimiter, help='Between the cells of a CSV: one character, or "tab".')
@click.option(
    "--files-below",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where files that lines name must be; otherwise IN's folder.",
)
@click.option("--trust-lines", is_flag=True, help="Let lines set the model, the backend, system turns and all else.")
@click.option("--raw-csv", is_flag=True, help="Write cells as they are, formulas too.")
@click.option("--table", is_flag=True, help="Print a line for each thing that the task found.")
@click.option(
    "--demo",
    is_flag=True,
    help="Where no model is reachable, let plain rules show what a task's output looks like, in OUT.demo.*.",
)
@call_options
@click.option(
    *("-w", "--max-workers"),
    type=click.IntRange(1, 4096),
    show_default="MEDIATOR's max_workers, or 8",
    help="Prompts at a time.",
)
@click.option("--timeout", type=SECONDS, help="Seconds for each prompt.")
@click.option(
    "--in-doubt",
    type=click.Choice(["resend", "skip", "error"]),
    default="resend",
    show_default=True,
    help="What to do with prompts that were sent before a crash and whose answers are unknown.",
)
@click.option("--fresh", is_flag=True, help="Forget what the journal holds and start over.")
@click.option("--keep", is_flag=True, help="Keep answers that were made under other settings.")
@click.option("--accept-changes", is_flag=True, help="Ask again what changed: an item under its id, or the settings.")
@click.option("--only-failed", is_flag=True, help="Ask only what failed before.")
@click.option("--force", is_flag=True, help="Replace OUT though it was edited, or is not of this command.")
@click.option("--salvage", is_flag=True, help="First keep what is readable of a damaged journal.")
@click.option("--limit", type=click.IntRange(1), help="Read only the first LIMIT items.")
@click.option("--max-cost", type=Finite(0, min_open=True), help="Stop sending at so many US dollars in all.")
@click.option("--dry-run", is_flag=True, help="Count items, tokens and price; send nothing.")
@click.option("--executor", metavar="URL", help="Where the asking is done: threads, dask://host:port, ...")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON, on stdout if OUT is a file.")
@click.pass_obj
def batch(
    app: BatchApp, /, source: str, form: Format | None, max_workers: int | None, dry_run: bool, **given: Any
) -> None:
    """Ask every item of IN and write what comes back to OUT, in the order of IN.

    IN has JSON lines ({"prompt": ...} or {"messages": [...]}, optional "id" and "params"), a table (CSV), or a prompt a
    line; a folder's text files are an item each; "-" is standard input. With a file as OUT the journal OUT.journal
    keeps every answer: run the same command again after a crash, a Ctrl-C or failures, and it goes on where it stopped.
    """
    options = Options(source, form=form or _format_of(source), max_workers=max_workers or app.max_workers(), **given)
    options.check()
    if options.task is not None:
        options = options._replace(known_task=app.find_task(options.task))
    if options.demo:
        options = with_demonstration(app, options)
    with _input(options) as (lines, again):
        code = _dry_run(app, lines, options) if dry_run else _run(app, lines, again, options)
    if code:
        raise click.exceptions.Exit(code)


@contextmanager
def _input(options: Options) -> Iterator[tuple[Lines, Callable[[], Lines]]]:
    """The items of IN, and a function that reads them again."""
    source = options.source
    if options.form == "folder":
        folder = Path(source)
        if not text_files(folder):
            raise click.UsageError(f"{source}: holds no files of {', '.join(SUFFIXES)}")
        yield read_folder(folder, options.encoding), lambda: read_folder(folder, options.encoding)
        return
    with opened(source, twice=options.form == "csv" and options.journal is not None) as file:
        try:
            lines = read_lines(file, options.reading)
        except BatchError as error:
            raise click.UsageError(str(error)) from error
        if lines.encoding == "windows-1252" and not options.encoding:
            _say(f"{source}: read as Windows-1252, because it is not UTF-8; --encoding says another")

        def again() -> Lines:
            file.seek(0)
            return read_lines(file, options.reading)

        yield lines, again


def _format_of(source: str) -> Format | Literal["folder"]:
    if Path(source).is_dir():
        return "folder"
    form = FORMATS.get(Path(source).suffix.lower(), "jsonl" if source == "-" else None)
    if form is None:
        raise click.UsageError(f"{source}: the format does not show in the name; give --format")
    return form


def _dry_run(app: BatchApp, lines: Lines, options: Options) -> int:
    counts = {"items": 0, "bad_lines": 0, "prompt_tokens": 0, "unpriced": 0}
    cost = 0.0
    mediator = app.open_mediator()
    with _closing(mediator):
        for item, _ in _prepared(islice(lines.items, options.limit), options):
            if not isinstance(item, BatchItem):
                counts["bad_lines"] += 1
                _say(str(item))
                continue
            explained = mediator.explain(item.prompt, **item.params)
            counts["items"] += 1
            counts["prompt_tokens"] += explained.prompt_tokens
            counts["unpriced"] += explained.cost is None
            cost += explained.cost or 0.0
    recorded = 0
    if options.journal is not None and options.journal.exists():
        with Journal(options.journal) as journal:
            recorded = journal.counts().answered
    if options.as_json:
        write(json.dumps({**counts, "cost": cost, "recorded": recorded}))
    else:
        write(
            f"{counts['items']:,} items, {counts['bad_lines']:,} bad lines, "
            f"about {counts['prompt_tokens']:,} prompt tokens, "
            + price(cost, counts["unpriced"], counts["items"], "at most ")
            + (f"; {recorded:,} answers are recorded already" if recorded else "")
        )
    return 1 if counts["bad_lines"] else 0


def _run(app: BatchApp, lines: Lines, again: Callable[[], Lines], options: Options) -> int:
    stop = threading.Event()
    go_on = "run the same command again to go on" if options.journal else "a file as OUT would let you go on later"
    with stopping(stop, go_on) as signals:
        return _run_until(stop, signals, app, lines, again, options)


def _run_until(
    stop: threading.Event,
    signals: list[str],
    app: BatchApp,
    lines: Lines,
    again: Callable[[], Lines],
    options: Options,
) -> int:
    """Ask until the input ends or ``stop`` is set, write OUT, and say what came of it; the exit code."""
    if options.journal is not None:
        _make_ready(Path(options.output), options.journal, options)
    mediator = app.open_mediator()
    if options.task is not None:
        see_that_somebody_reads(mediator, options)
    cancel = CancelToken()
    cancel.attach(mediator.close)
    under_way: dict[int, Line] = {}
    with _closing(mediator):
        try:
            run = _start(app, mediator, _noted(lines, under_way, options), stop, cancel, options)
            with run:
                _consume(run, under_way, lines, options)
            if options.journal is not None:
                _write(lines, again, options, cut_short=bool(run.stopped_because or signals))
        except SettingsChangedError as error:
            raise NotDoneError(str(error)) from error
        except BatchError as error:
            # Answers that were paid for and could not be journaled: standard output is free, the journal is not.
            for result in error.results:
                _print(_result(result, under_way, lines, options))
            if error.results:
                _say(f"the {len(error.results):,} that the journal does not hold are on standard output")
            raise
    print_summary(
        run.summary,
        run.stopped_because or (signals[0] if signals else ""),
        as_json=options.as_json,
        on_stdout=options.journal is not None,
        max_cost=options.max_cost,
    )
    unanswered = run.summary.total - run.summary.answered
    return 130 if signals else 1 if unanswered or run.stopped_because else 0


def _make_ready(output: Path, journal: Path, options: Options) -> None:
    """Salvage the journal if that is wished, and see that OUT may be replaced."""
    if options.salvage:
        salvaged = salvage_journal(journal)
        _say(f"{journal}: {salvaged.kept:,} items were readable and are kept; the damaged file is {salvaged.damaged}")
    if options.force:
        return
    try:
        adopted = out.claim(output, journal, fresh=options.fresh, raw_csv=options.raw_csv)
    except out.OutFileError as error:
        raise NotDoneError(str(error)) from error
    if adopted:
        _say(f"{output}: its journal is gone; its {adopted:,} answers count as answered (--fresh asks all again)")


def _start(
    app: BatchApp,
    mediator: Asker,
    items: Iterable[ItemLike],
    stop: threading.Event,
    cancel: CancelToken,
    options: Options,
) -> BatchRun:
    executor: BatchExecutor | None = None
    ask: Ask = _asked_elsewhere
    if options.executor in (None, "threads"):
        ask = mediator.asker()
    else:
        factories = app.batch_executors(options.executor)
        executor = open_executor(options.executor, app.ask_factory(), options.max_workers, factories)
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
        stop=stop,
        cancel=cancel,
    )


def _asked_elsewhere(prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
    raise BatchError("an executor asks by itself")


def _consume(run: BatchRun, under_way: dict[int, Line], lines: Lines, options: Options) -> None:
    """Take every result."""
    failed = False
    among_results = options.journal is None and sys.stdout.isatty()
    total = None if options.form == "folder" else count_lines(options.source, options.limit)
    with progress(total, shown=sys.stderr.isatty() and not among_results) as show:
        for result in run:
            line = _result(result, under_way, lines, options)
            if options.journal is None:
                _print(line)
            if options.usage and result.output is not None:
                _say(f"{line.id or f'item {result.index + 1}'}: {usage_line(result.output)}")
            if isinstance(result.error, LineError):
                _say(str(result.error))
            elif result.error is not None and not failed:
                failed = True  # one is enough to see what goes wrong; all of them are in OUT
                reason = "; ".join(map(str.strip, str(result.error).splitlines()))
                _say(f"the first that failed: {line.id or f'item {result.index + 1}'}: {reason}")
            with suppress(OSError):  # the terminal may be gone
                show(run.summary)


def _noted(lines: Lines, under_way: dict[int, Line], options: Options) -> Iterator[ItemLike]:
    """Items with the command's parameters; they are noted by place until their result is there."""
    for place, line in enumerate(_prepared(islice(lines.items, options.limit), options)):
        under_way[place] = line
        yield line.item


def _prepared(lines: Iterable[Line], options: Options) -> Iterator[Line]:
    common = dict(options.common)
    task = common.pop("task", None)
    fields = frozenset() if options.known_task is None else options.known_task.fields
    for line in lines:
        item = line.item
        if isinstance(item, BatchItem):
            item = item._replace(params={**common, **item.params})
            if task is not None:
                named = {name: line.columns[name] for name in fields if name in line.columns}
                item = for_task(item, task, named)
        yield line._replace(item=item)


def _carried(line: Line, lines: Lines, options: Options) -> Mapping[str, str]:
    """The cells that go on to OUT: all of them into a table, else those that no prompt has."""
    names = lines.columns if options.to_table else lines.unused
    return {name: line.columns[name] for name in names if name in line.columns}


def _result(result: BatchResult, under_way: dict[int, Line], lines: Lines, options: Options) -> Result:
    line = under_way.pop(result.index, None)
    if line is None:
        return Result(None, result.output, result.error)
    content = item_digest(line.item) if isinstance(line.item, BatchItem) and options.journal is None else ""
    return Result(line.item.id, result.output, result.error, _carried(line, lines, options), content=content)


def _write(lines: Lines, again: Callable[[], Lines], options: Options, *, cut_short: bool) -> None:
    """Write OUT from the journal, beside the cells of the input."""
    assert options.journal is not None
    reread = _prepared(again().items, options) if lines.columns else None
    with Journal(options.journal) as journal:
        items = journal.recorded_items(earlier=cut_short)
        results = with_columns(items, reread, lambda line: _carried(line, lines, options))
        if options.to_table:
            pieces = csv_lines(_form(lines, options), results)
        else:
            pieces = (json_line(result) + "\n" for result in results)
        if options.known_task is not None:
            journal.set_metadata(f"task {options.task}", json.dumps(options.known_task.for_readers()))
        out.write(Path(options.output), pieces, journal)
    if options.table and options.known_task is not None:
        with Journal(options.journal) as journal:
            print_found(options.known_task, with_columns(journal.recorded_items(earlier=cut_short), None, lambda _: {}))


def _form(lines: Lines, options: Options) -> Form:
    if options.known_task is not None and options.known_task.rows is not None:
        return TaskForm(options.known_task, lines.columns, lines.delimiter, options.raw_csv)
    return CsvForm(lines.columns or ("id",), lines.delimiter, raw=options.raw_csv)


def _print(result: Result) -> None:
    write(json_line(result))


def _say(text: str) -> None:
    """A line on standard error. The terminal may be gone: that must cost no answer."""
    with suppress(OSError):
        tell(text)


@contextmanager
def _closing(mediator: Asker) -> Iterator[None]:
    """Close it at the end; what goes wrong there hides no other error."""
    try:
        yield
    except BaseException:
        try:
            mediator.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, the error under way says more
            _say(f"besides: {error}")
        raise
    mediator.close()
