"""``complaint-llm batch``: many prompts from a file, answers into a file, nothing asked twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from complaint_llm.cli.batch.options import BatchApp, BatchOptions, Form, read_delimiter
from complaint_llm.cli.call_options import call_options
from complaint_llm.cli.option_groups import GroupedCommand
from complaint_llm.cli.options import SECONDS, Finite, OutputFile

EXAMPLES: Sequence[str] = (
    "complaint-llm batch intakes/ --task claims -o claims.csv",
    "complaint-llm batch clients/ --group folder --task claims -o claims.csv",
    "complaint-llm batch narratives.csv --task claims -o claims.jsonl",
    'complaint-llm batch narratives.csv -o answers.csv --prompt-template "Summarise: {narrative}"',
)

GROUPS: Mapping[str, Sequence[str]] = {
    "What is asked": (
        "task",
        "system",
        "model",
        "backend",
        "param",
        "schema",
        "schema_multi",
        "files",
        "pages",
        "evidence",
        "cite",
        "documents",
        "max_workers",
        "timeout",
        "executor",
    ),
    "Input": (
        "form",
        "group",
        "sheet",
        "prompt_template",
        "encoding",
        "delimiter",
        "files_below",
        "trust_lines",
        "limit",
    ),
    "Output": ("output", "raw_csv", "table", "demo", "usage", "as_json"),
    "Again and resume": ("fresh", "only_failed", "keep", "accept_changes", "in_doubt", "force", "salvage"),
    "Money": ("dry_run", "max_cost"),
    "Privacy": ("privacy", "matter", "yes", "preview"),
}


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
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv", "txt", "xlsx"]), help="Of IN; otherwise by its extension."
)
@click.option("--group", type=click.Choice(["folder"]), help="Each folder in IN is one item with all its files.")
@click.option("--sheet", metavar="NAME", help="Of an Excel file: its name or number; otherwise the first.")
@click.option("--yes", is_flag=True, help="Send documents to another machine without asking whether to.")
@click.option("--prompt-template", metavar="TEXT", help='For tables: "Extract claims from: {narrative}".')
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
@click.option(
    "--preview", type=click.IntRange(1), metavar="N", help="Show what of the first N items would leave; send nothing."
)
@click.option("--executor", metavar="URL", help="Where the asking is done: threads, dask://host:port, ...")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON, on stdout if OUT is a file.")
@click.pass_obj
def batch(
    app: BatchApp,
    /,
    source: str,
    form: Form | None,
    max_workers: int | None,
    dry_run: bool,
    preview: int | None,
    **given: Any,
) -> None:
    """Ask every item of IN and write what comes back to OUT, in the order of IN.

    IN has JSON lines ({"prompt": ...} or {"messages": [...]}, optional "id" and "params"), a table (CSV, Excel), or a
    prompt a line; a folder's files are an item each: text, PDF, Word, Excel, mail, HTML, images; "-" is standard
    input. With a file as OUT the journal OUT.journal keeps every answer: run the same command again after a crash, a
    Ctrl-C or failures, and it goes on where it stopped.
    """
    # cold start: a shell that completes options needs none of this
    from complaint_llm.cli.batch.dry_run import dry_run_batch
    from complaint_llm.cli.batch.execution import execute_batch
    from complaint_llm.cli.batch.input import format_of, open_lines
    from complaint_llm.cli.batch.preview import preview_batch
    from complaint_llm.cli.batch.readers import with_demonstration

    options = BatchOptions(
        source, form=form or format_of(source), max_workers=max_workers or app.max_workers(), **given
    )
    options.check()
    options = options.with_files()
    if options.task is not None:
        options = options._replace(known_task=app.find_task(options.task))
    if options.demo:
        options = with_demonstration(app, options)
    with open_lines(options) as opened:
        if preview is not None:
            code = preview_batch(app, opened, options, preview)
        else:
            code = dry_run_batch(app, opened, options) if dry_run else execute_batch(app, opened, options)
    if code:
        raise click.exceptions.Exit(code)
