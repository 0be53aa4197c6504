"""IN of ``complaint-llm batch``: a file or a pipe, opened, counted, and read a second time for its columns."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import click

from complaint_llm.batch import BatchItem, LineError, item_digest
from complaint_llm.batch.input.folder import folder_files, read_folder
from complaint_llm.batch.input.lines import FORMATS, Line, Lines, read_lines, table_lines
from complaint_llm.batch.input.tables import BadRow, Row, Table
from complaint_llm.batch.input.task_items import for_task
from complaint_llm.batch.output.export import Result
from complaint_llm.cli.attached_files import with_parts
from complaint_llm.cli.terminal import tell_if_open
from complaint_llm.exceptions import BatchError, InvalidRequestError
from complaint_llm.request import EMPTY

if TYPE_CHECKING:
    from complaint_llm.batch import RecordedItem
    from complaint_llm.cli.batch.options import BatchOptions, Form


class BatchSource(NamedTuple):
    """The items of IN, and a function that reads them again from the beginning."""

    lines: Lines
    reread: Callable[[], Lines]


@contextmanager
def _open_source(source: str, *, twice: bool = False) -> Iterator[BinaryIO]:
    """The file, or standard input; ``twice``: it can be read again from its beginning, a pipe is copied for that into a
    file without a name."""
    if source != "-":
        with Path(source).open("rb") as file:
            yield file
        return
    # Not sys.stdin: after Ctrl-C a thread may still wait in it, and the interpreter must be able to end.
    try:
        number = sys.stdin.fileno()
    except (OSError, ValueError):  # standard input was replaced by an object
        pipe: BinaryIO = sys.stdin.buffer
    else:
        pipe = os.fdopen(os.dup(number), "rb")
    if twice:
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(pipe, copy)
            copy.seek(0)
            yield copy
        return
    try:
        yield pipe
    except OSError:
        pipe.close()  # it could not be read, so nobody waits in it
        raise
    if pipe is not sys.stdin.buffer:
        pipe.close()  # not after another error: the thread that still waits in it would have to come out first


def count_items(source: BatchSource, options: BatchOptions) -> int | None:
    """How many items IN has, None for a pipe."""
    path = Path(options.source)
    if options.source == "-":
        return options.limit
    try:
        if options.form == "folder":
            count = len(folder_files(path, grouped=options.group is not None).items)
        elif options.form == "xlsx":
            count = sum(1 for _ in source.reread().items)
        elif options.form == "csv":
            with path.open("rb") as file:
                count = sum(1 for _ in read_lines(file, options.reading).items)
        else:
            with path.open("rb") as file:
                count = sum(1 for line in file if line.strip())
    except (OSError, BatchError):  # who reads it says what is wrong
        return options.limit
    return count if options.limit is None else min(count, options.limit)


def with_columns(
    recorded: Iterable[RecordedItem], lines: Iterable[Line] | None, cells_of: Callable[[Line], Mapping[str, str]]
) -> Iterator[Result]:
    """What a journal holds, each with the cells of its row in the input, which is read again for that.

    Both come in the order of the input. Cells are put beside an answer only if the line at that place is still the one
    that was answered: by its id, else by its content.
    """
    coming = enumerate(lines or ())
    place, line = next(coming, (-1, None))
    for each in recorded:
        while line is not None and place < each.position:
            place, line = next(coming, (-1, None))
        same = line is not None and place == each.position and _is_of(line, each)
        yield Result(
            each.id,
            each.output,
            each.error,
            cells_of(line) if line is not None and same else EMPTY,
            content=each.content,
            task=each.task,
            matter=each.matter,
            material=each.material,
        )


def _is_of(line: Line, recorded: RecordedItem) -> bool:
    item = line.item
    if item.id != recorded.id:
        return False
    if isinstance(item, LineError) or not recorded.content:
        return isinstance(item, LineError) == (not recorded.content)
    return recorded.id is not None or item_digest(item) == recorded.content


@contextmanager
def open_lines(options: BatchOptions) -> Iterator[BatchSource]:
    """IN, as the options say that it is read. Raises UsageError for one that cannot be."""
    source = options.source
    if options.form == "folder":
        yield _folder_source(Path(source), options)
        return
    if options.form == "xlsx":
        yield _sheet_source(Path(source), options)
        return
    with _open_source(source, twice=options.form == "csv" and options.journal is not None) as file:
        try:
            lines = read_lines(file, options.reading)
        except BatchError as error:
            raise click.UsageError(str(error)) from error
        if lines.encoding == "windows-1252" and not options.encoding:
            tell_if_open(f"{source}: read as Windows-1252, because it is not UTF-8; --encoding says another")

        def reread() -> Lines:
            file.seek(0)
            return read_lines(file, options.reading)

        yield BatchSource(lines, reread)


def _folder_source(folder: Path, options: BatchOptions) -> BatchSource:
    from complaint_llm.documents.kinds import document_kind  # cold start: documents

    found = folder_files(folder, grouped=options.group is not None)
    for note in found.notes():
        tell_if_open(f"{folder}: {note}")
    if not found.items:
        what = "folders: without --group each file is an item" if options.group else "files of a kind that is read"
        raise click.UsageError(f"{folder}: holds no {what}")

    def read() -> Lines:
        grouped = options.group is not None
        return read_folder(folder, options.encoding, grouped=grouped, check_kind=document_kind)

    return BatchSource(read(), read)


def _sheet_source(path: Path, options: BatchOptions) -> BatchSource:
    from complaint_llm.documents.sheet_rows import read_sheet  # cold start: documents

    try:
        sheet = read_sheet(path, options.sheet)
        for note in sheet.notes:
            tell_if_open(f"{path}: {note}")

        def read() -> Lines:
            rows = (
                BadRow(each.number, each.error, list(each.values.values()))
                if each.error
                else Row(each.number, list(each.values.values()))
                for each in sheet.rows
            )
            return table_lines(Table(sheet.columns, ",", rows), options.reading)

        return BatchSource(read(), read)
    except (BatchError, InvalidRequestError) as error:
        raise click.UsageError(error.message if isinstance(error, InvalidRequestError) else str(error)) from error


def format_of(source: str) -> Form:
    """The format of IN by its name. Raises UsageError where it does not show."""
    if Path(source).is_dir():
        return "folder"
    if Path(source).suffix.lower() in (".xlsx", ".xlsm"):
        return "xlsx"
    form = FORMATS.get(Path(source).suffix.lower(), "jsonl" if source == "-" else None)
    if form is None:
        raise click.UsageError(f"{source}: the format does not show in the name; give --format")
    return form


def lines_to_ask(lines: Iterable[Line], options: BatchOptions) -> Iterator[Line]:
    """The lines, each item with the command's parameters under its own."""
    common = dict(options.common)
    task = common.pop("task", None)
    fields = frozenset() if options.known_task is None else options.known_task.fields
    for line in lines:
        item = line.item
        if isinstance(item, BatchItem):
            params = {**common, **item.params}
            if options.name_columns:
                cells = (line.columns.get(column, "").strip() for column in options.name_columns)
                params["names"] = [*params.get("names", ()), *filter(None, cells)]
            item = item._replace(prompt=with_parts(item.prompt, options.parts), params=params)
            if task is not None:
                named = {name: line.columns[name] for name in fields if name in line.columns}
                item = for_task(item, task, named)
        yield line._replace(item=item)
