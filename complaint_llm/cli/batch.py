"""``complaint-llm batch``: many prompts from a file, answers into a file, nothing asked twice."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

import click

from complaint_llm.batch import BatchItem, BatchResult, BatchRun, BatchSummary, Journal, open_executor, run_batch
from complaint_llm.batch.export import output_line, recorded_line, write_whole
from complaint_llm.batch.lines import FORMATS, Format, LineError, read_lines
from complaint_llm.call import CancelToken
from complaint_llm.cli.batch_summary import account, price, print_summary
from complaint_llm.cli.options import SECONDS, Finite, OutputFile
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from complaint_llm.batch import Ask, BatchExecutor, ExecutorFactory
    from complaint_llm.batch.items import ItemLike
    from complaint_llm.batch.lines import Line
    from complaint_llm.messages import InferenceOutput, Prompt


class Explanation(Protocol):
    """What asking one prompt would take. ``cost`` in US dollars at most, None where unknown."""

    @property
    def prompt_tokens(self) -> int: ...
    @property
    def cost(self) -> float | None: ...


class Asker(Protocol):
    """What this command needs of a Mediator."""

    def asker(self) -> Ask: ...
    def explain(self, prompt: Prompt, /, **params: Any) -> Explanation: ...
    def close(self) -> None: ...


class BatchApp(Protocol):
    """What this command needs of the application object."""

    def max_workers(self) -> int: ...
    def open_mediator(self) -> Asker: ...
    def batch_executors(self, url: str, /) -> Mapping[str, ExecutorFactory]: ...
    def ask_factory(self) -> Callable[[], Ask]: ...


class Options(NamedTuple):
    """The command's options, as given."""

    output: str
    form: Format
    prompt_template: str | None
    max_workers: int
    timeout: float | None
    in_doubt: Any
    fresh: bool
    accept_changes: bool
    only_failed: bool
    limit: int | None
    max_cost: float | None
    executor: str | None
    as_json: bool

    @property
    def journal(self) -> Path | None:
        """The journal stands beside the output; a pipe has none."""
        return None if self.output == "-" else Path(f"{self.output}.journal")


@click.command()
@click.argument("source", metavar="IN", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    *("-o", "--output"),
    type=OutputFile(allow_dash=True),
    default="-",
    show_default=True,
    metavar="OUT",
    help='JSON lines; "-" is standard output.',
)
@click.option("--format", "form", type=click.Choice(["jsonl", "csv", "txt"]), help="Of IN; otherwise by its extension.")
@click.option("--prompt-template", metavar="TEXT", help='For CSV: "Extract claims from: {narrative}".')
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
@click.option("--accept-changes", is_flag=True, help="Ask items again that changed under their id.")
@click.option("--only-failed", is_flag=True, help="Ask only what failed before.")
@click.option("--limit", type=click.IntRange(1), help="Read only the first LIMIT items.")
@click.option("--max-cost", type=Finite(0, min_open=True), help="Stop sending at so many US dollars in all.")
@click.option("--dry-run", is_flag=True, help="Count items, tokens and price; send nothing.")
@click.option("--executor", metavar="URL", help="Where the asking is done: threads, dask://host:port, ...")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON, on stdout if OUT is a file.")
@click.pass_obj
def batch(
    app: BatchApp, /, source: str, form: Format | None, max_workers: int | None, dry_run: bool, **given: Any
) -> None:
    """Ask every prompt of IN and write a JSON line each to OUT, in the order of IN.

    IN has JSON lines ({"prompt": ...} or {"messages": [...]}, optional "id" and "params"), CSV, or a prompt a line;
    "-" is standard input. With a file as OUT the journal OUT.journal keeps every answer: run the same command again
    after a crash, a Ctrl-C or failures, and it goes on where it stopped.

    Example: complaint-llm batch narratives.csv -o claims.jsonl --prompt-template "Extract claims from: {narrative}"
    """
    options = Options(form=form or _format_of(source), max_workers=max_workers or app.max_workers(), **given)
    _check(source, options)
    csv.field_size_limit(2**31 - 1)  # the usual 128 KiB are less than a narrative may have
    with _opened(source) as file:
        try:
            lines = read_lines(file, options.form, options.prompt_template)
        except BatchError as error:
            raise click.UsageError(str(error)) from error
        items = islice(lines, options.limit)
        if dry_run:
            code = _dry_run(app, items, options)
        else:
            code = _run(app, items, options, _count(source, options))
    if code:
        raise click.exceptions.Exit(code)


def _format_of(source: str) -> Format:
    form = FORMATS.get(Path(source).suffix.lower(), "jsonl" if source == "-" else None)
    if form is None:
        raise click.UsageError(f"{source}: the format does not show in the name; give --format")
    return form


def _check(source: str, options: Options) -> None:
    if options.output == "-":
        needs = [
            name
            for name, given in (
                ("--fresh", options.fresh),
                ("--accept-changes", options.accept_changes),
                ("--only-failed", options.only_failed),
                ("--in-doubt", options.in_doubt != "resend"),
            )
            if given
        ]
        if needs:
            raise click.UsageError(f"{needs[0]} needs a journal, and that needs a file: give -o OUT.jsonl")
    elif source != "-" and Path(options.output).exists() and Path(source).samefile(options.output):
        raise click.UsageError(f"IN and OUT are the same file: {source}")
    if options.fresh and options.only_failed:
        raise click.UsageError("--fresh forgets what failed; --only-failed needs it")


@contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    if source != "-":
        with Path(source).open("rb") as file:
            yield file
        return
    # Not sys.stdin: after Ctrl-C a thread may still wait in it, and the interpreter must be able to end.
    try:
        number = sys.stdin.fileno()
    except (OSError, ValueError):  # standard input was replaced by an object
        yield sys.stdin.buffer
    else:
        file = os.fdopen(os.dup(number), "rb")
        yield file
        file.close()  # not after an error: the thread that still waits in it would have to come out first


def _count(source: str, options: Options) -> int | None:
    """How many lines are to come, for the progress bar: an upper bound, None for a pipe."""
    if source == "-" or not sys.stderr.isatty():
        return options.limit
    with Path(source).open("rb") as file:
        lines, last = 0, b"\n"
        for chunk in iter(lambda: file.read(1 << 20), b""):
            lines, last = lines + chunk.count(b"\n"), chunk[-1:]
    lines += last != b"\n"
    return lines if options.limit is None else min(lines, options.limit)


def _dry_run(app: BatchApp, items: Iterator[Line], options: Options) -> int:
    counts = {"items": 0, "bad_lines": 0, "prompt_tokens": 0, "unpriced": 0}
    cost = 0.0
    mediator = app.open_mediator()
    try:
        for item in items:
            if not isinstance(item, BatchItem):
                counts["bad_lines"] += 1
                click.echo(str(item), err=True)
                continue
            explained = mediator.explain(item.prompt, **_params(item.params, options))
            counts["items"] += 1
            counts["prompt_tokens"] += explained.prompt_tokens
            counts["unpriced"] += explained.cost is None
            cost += explained.cost or 0.0
    finally:
        mediator.close()
    recorded = 0
    if options.journal is not None and options.journal.exists():
        with Journal(options.journal) as journal:
            recorded = journal.counts().answered
    if options.as_json:
        click.echo(json.dumps({**counts, "cost": cost, "recorded": recorded}))
    else:
        click.echo(
            f"{counts['items']:,} items, {counts['bad_lines']:,} bad lines, "
            f"about {counts['prompt_tokens']:,} prompt tokens, "
            + price(cost, counts["unpriced"], counts["items"], "at most ")
            + (f"; {recorded:,} answers are recorded already" if recorded else "")
        )
    return 1 if counts["bad_lines"] else 0


def _run(app: BatchApp, items: Iterator[Line], options: Options, total: int | None) -> int:
    mediator: Asker | None = None
    cancel = CancelToken()
    executor: BatchExecutor | None = None
    if options.executor in (None, "threads"):
        mediator = app.open_mediator()
        ask = mediator.asker()
        cancel.attach(mediator.close)
    else:
        factories = app.batch_executors(options.executor)
        executor = open_executor(options.executor, app.ask_factory(), options.max_workers, factories)
        ask = _asked_elsewhere

    stop = threading.Event()
    ids: dict[int, str] = {}
    try:
        run = run_batch(
            ask,
            _prepared(items, ids, options),
            max_workers=options.max_workers,
            journal=options.journal,
            ordered=options.journal is None,
            in_doubt=options.in_doubt,
            executor=executor,
            accept_changes=options.accept_changes,
            only_failed=options.only_failed,
            fresh=options.fresh,
            stop=stop,
            cancel=cancel,
        )
        with run, _interrupts(stop, options) as interrupted:
            stopped = _consume(run, ids, stop, options, total)
        if options.journal is not None:
            cut_short = bool(stopped or interrupted)
            with Journal(options.journal) as journal:
                write_whole(Path(options.output), map(recorded_line, journal.recorded(earlier=cut_short)))
    except BatchError as error:
        # Answers that were paid for and could not be journaled: standard output is free, the journal is not.
        for result in error.results:
            _print(result, ids.pop(result.index, None))
        if error.results:
            click.echo(f"the {len(error.results):,} that the journal does not hold are on standard output", err=True)
        raise
    finally:
        if mediator is not None:
            mediator.close()
    print_summary(
        run.summary,
        stopped or ("Ctrl-C" if interrupted else ""),
        as_json=options.as_json,
        on_stdout=options.journal is not None,
        max_cost=options.max_cost,
    )
    return 130 if interrupted else 1 if run.summary.failed or stopped else 0


def _asked_elsewhere(prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
    raise BatchError("an executor asks by itself")


def _consume(run: BatchRun, ids: dict[int, str], stop: threading.Event, options: Options, total: int | None) -> str:
    """Take every result; says why it stopped early, or nothing."""
    stopped = ""
    failed = False
    among_results = options.journal is None and sys.stdout.isatty()
    with _progress(total, shown=sys.stderr.isatty() and not among_results) as show:
        for result in run:
            id_ = ids.pop(result.index, None)
            if options.journal is None:
                _print(result, id_)
            if isinstance(result.error, LineError):
                click.echo(str(result.error), err=True)
            elif result.error is not None and not failed:
                failed = True  # one is enough to see what goes wrong; all of them are in OUT
                reason = "; ".join(map(str.strip, str(result.error).splitlines()))
                click.echo(f"the first that failed: {id_ or f'item {result.index + 1}'}: {reason}", err=True)
            show(run.summary)
            if options.max_cost is not None and run.summary.cost >= options.max_cost and not stopped:
                stopped = f"the cost reached ${options.max_cost:g}"
                stop.set()
    return stopped


def _prepared(items: Iterable[Line], ids: dict[int, str], options: Options) -> Iterator[ItemLike]:
    """Items with the command's parameters; their ids are noted by place until their result is there."""
    for place, item in enumerate(items):
        if isinstance(item, BatchItem):
            if item.id is not None:
                ids[place] = item.id
            yield item._replace(params=_params(item.params, options))
        else:
            yield item


def _params(params: Mapping[str, Any], options: Options) -> Mapping[str, Any]:
    return params if options.timeout is None else {"timeout": options.timeout, **params}


def _print(result: BatchResult, id_: str | None) -> None:
    click.echo((output_line(id_, result.output, result.error) + "\n").encode(), nl=False)


@contextmanager
def _interrupts(stop: threading.Event, options: Options) -> Iterator[list[int]]:
    """The first Ctrl-C sets ``stop``, the second raises. Yields the list of Ctrl-Cs."""
    pressed: list[int] = []

    def press(number: int, frame: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)
        stop.set()
        again = "run the same command again to go on" if options.journal else "a file as OUT would let you go on later"
        os.write(2, f"\nstopping: waiting for what is under way (Ctrl-C again: cancel); {again}\n".encode())

    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _progress(total: int | None, *, shown: bool) -> AbstractContextManager[Callable[[BatchSummary], None]]:
    """A bar where rich is installed; else nothing while it runs."""
    if shown:
        try:
            return _bar(total)
        except ImportError:
            pass
    return nullcontext(lambda summary: None)


def _bar(total: int | None) -> AbstractContextManager[Callable[[BatchSummary], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    progress = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )

    @contextmanager
    def shown() -> Iterator[Callable[[BatchSummary], None]]:
        task = progress.add_task("", total=total)
        with progress:
            yield lambda summary: progress.update(task, completed=summary.total, description=account(summary))

    return shown()
