"""OUT of ``complaint-llm batch``: seen to before anything is sent, written from the journal at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from complaint_llm.batch import BatchItem, BatchResult, Journal, item_digest, salvage_journal
from complaint_llm.batch.input.lines import Line, Lines
from complaint_llm.batch.output import out_file as out
from complaint_llm.batch.output.export import CsvForm, Form, Result, csv_lines, json_line
from complaint_llm.batch.output.task_table import TaskForm
from complaint_llm.cli.batch.input import BatchSource, lines_to_ask, with_columns
from complaint_llm.cli.batch.options import Asker, BatchOptions, NotDoneError
from complaint_llm.cli.task_output import print_found
from complaint_llm.cli.terminal import tell_if_open, write


def make_ready(output: Path, journal: Path, options: BatchOptions) -> None:
    """Salvage the journal if that is wished, and see that OUT may be replaced."""
    if options.salvage:
        salvaged = salvage_journal(journal)
        tell_if_open(
            f"{journal}: {salvaged.kept:,} items were readable and are kept; the damaged file is {salvaged.damaged}"
        )
    if options.force:
        return
    try:
        adopted = out.claim(output, journal, fresh=options.fresh, raw_csv=options.raw_csv)
    except out.OutFileError as error:
        raise NotDoneError(str(error)) from error
    if adopted:
        tell_if_open(
            f"{output}: its journal is gone; its {adopted:,} answers count as answered (--fresh asks all again)"
        )


def carried_cells(line: Line, lines: Lines, options: BatchOptions) -> Mapping[str, str]:
    """The cells that go on to OUT: all of them into a table, else those that no prompt has."""
    names = lines.columns if options.to_table else lines.unused
    return {name: line.columns[name] for name in names if name in line.columns}


def result_of(result: BatchResult, under_way: dict[int, Line], lines: Lines, options: BatchOptions) -> Result:
    """What OUT says of a result; its line is under way no longer."""
    line = under_way.pop(result.index, None)
    if line is None:
        return Result(None, result.output, result.error)
    content = item_digest(line.item) if isinstance(line.item, BatchItem) and options.journal is None else ""
    return Result(
        line.item.id,
        result.output,
        result.error,
        carried_cells(line, lines, options),
        content=content,
        matter=(line.item.params.get("matter") if isinstance(line.item, BatchItem) else None) or options.matter,
    )


def write_out(source: BatchSource, options: BatchOptions, *, cut_short: bool) -> None:
    """Write OUT from the journal, beside the cells of the input."""
    assert options.journal is not None
    lines = source.lines
    reread = lines_to_ask(source.reread().items, options) if lines.columns else None
    with Journal(options.journal) as journal:
        results = with_columns(
            journal.recorded_items(earlier=cut_short), reread, lambda line: carried_cells(line, lines, options)
        )
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


def _form(lines: Lines, options: BatchOptions) -> Form:
    if options.known_task is not None and options.known_task.rows is not None:
        return TaskForm(options.known_task, lines.columns, lines.delimiter, options.raw_csv)
    return CsvForm(lines.columns or ("id",), lines.delimiter, raw=options.raw_csv)


def print_result(result: Result) -> None:
    """A result on standard output, as a JSON line."""
    write(json_line(result))


@contextmanager
def closing(mediator: Asker) -> Iterator[None]:
    """Close it at the end; what goes wrong there hides no other error."""
    try:
        yield
    except BaseException:
        try:
            mediator.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, the error under way says more
            tell_if_open(f"besides: {error}")
        raise
    mediator.close()
