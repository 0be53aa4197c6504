"""``complaint-llm report``: what a batch made of its items, as a page that people read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from complaint_llm.cli.options import OutputFile
from complaint_llm.cli.terminal import tell, write
from complaint_llm.cli.time_spans import TimeSpan, TimeSpanOption
from complaint_llm.exceptions import ConfigError
from complaint_llm.tasks.names import BUILT_IN

if TYPE_CHECKING:
    from complaint_llm.config import Config
    from complaint_llm.evidence import EvidenceStore
    from complaint_llm.tasks.task import Task


class ReadsTasks(Protocol):
    """What this command needs of the program."""

    def find_config(self) -> Path | None: ...
    def load_config(self) -> Config: ...
    def open_store(self) -> EvidenceStore: ...


@click.command()
@click.argument("out", metavar="[OUT]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--ledger",
    is_flag=False,
    flag_value="",
    metavar="[PATH]",
    help="Instead of a batch: what the calls in a ledger cost, the config's or that at PATH.",
)
@click.option("--since", type=TimeSpanOption(), metavar="TIME", help="Of a ledger: from 2026-11, or 2026-11-28, on.")
@click.option("--until", type=TimeSpanOption(), metavar="TIME", help="Of a ledger: to the end of that month or day.")
@click.option("--matter", metavar="NUMBER", help="Of a ledger: the calls of this matter alone.")
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    metavar="PAGE",
    help="The page; otherwise OUT's name with .html, or spend.html.",
)
@click.option("--title", metavar="TEXT", help="The page's heading.")
@click.option(
    "--expect",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Compare with expected answers, missed claims first; a page is written with -o only.",
)
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OTHER",
    help="Compare with another run's OUT, item by item; a page is written with -o only.",
)
@click.option(
    "--documents",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    metavar="DIR",
    help="Where the batch's documents lie, if they are no longer where they were.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print comparisons, or a ledger's figures, as JSON; then a page is written with -o only.",
)
@click.pass_obj
def report(
    app: ReadsTasks,
    out: Path | None,
    ledger: str | None,
    since: TimeSpan | None,
    until: TimeSpan | None,
    matter: str | None,
    output: str | None,
    title: str | None,
    expect: Path | None,
    against: Path | None,
    documents: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write a page of what a batch made of its items, or of what the calls in a ledger cost.

    OUT is what "batch" wrote, JSON lines or a table; its journal beside it is read. The page is one file that needs
    nothing else: each item's text with its quotes marked where they stand, and beside it what was read out of it. It
    holds client texts: only you may read it. Of a demonstration, the page's name gets ".demo" before its suffix.

    With --ledger the page shows spend, times, failures and fallbacks by backend and matter, without any text.

    Example: complaint-llm report claims.csv -o page.html
    """
    if ledger is not None:
        if out is not None or expect is not None or against is not None or documents:
            raise click.UsageError(
                "--ledger is a page of its own: OUT, --expect, --against and --documents are of batches"
            )
        from complaint_llm.cli.spend import report_spend  # cold start: the ledger

        report_spend(app, ledger, output, title, since, until, matter, as_json)
        return
    if since is not None or until is not None or matter is not None:
        raise click.UsageError("--since, --until and --matter choose calls of a ledger: give --ledger too")
    if out is None:
        raise click.UsageError("give OUT, what batch wrote, or --ledger")
    if expect is not None:
        _compare_expected(out, expect, as_json)
    if against is not None:
        _compare_runs(out, against, as_json)
    if output is None and (expect or against):
        return
    # cold start: a shell that completes options needs none of this
    from complaint_llm.cli.report_documents import DocumentFinder, noted_folders
    from complaint_llm.report import read_items, render_page, write_page

    with DocumentFinder((*documents, *noted_folders(out)), _evidence(app)) as finder:
        page = render_page(read_items(out), _tasks(app), title or out.name, finder.read)
    path = Path(output) if output else out.with_suffix(".html")
    if page.demo and ".demo" not in path.suffixes:
        path = path.with_suffix(f".demo{path.suffix}")
    write_page(path, page)
    tell(f"{path}" + (" (a demonstration)" if page.demo else ""))


def _compare_expected(out: Path, expect: Path, as_json: bool) -> None:
    # cold start: a shell that completes options needs none of this
    from complaint_llm.report import read_items
    from complaint_llm.report.expected import compare_expected, expected_lines, read_expected

    expected = read_expected(expect)
    comparison = compare_expected(read_items(out), expected)
    if as_json:
        items = [each._asdict() for each in comparison.items]
        _print([json.dumps({**comparison._asdict(), "items": items, "source": expected.source}, ensure_ascii=False)])
    else:
        _print(expected_lines(comparison, expected))


def _compare_runs(out: Path, against: Path, as_json: bool) -> None:
    # cold start: a shell that completes options needs none of this
    from complaint_llm.report import read_items
    from complaint_llm.report.agreement import agreement_lines, compare_runs

    agreement = compare_runs(read_items(out), read_items(against))
    if as_json:
        items = [
            {**each._asdict(), "differences": [found._asdict() for found in each.differences]}
            for each in agreement.items
        ]
        _print([json.dumps({**agreement._asdict(), "items": items}, ensure_ascii=False)])
    else:
        _print(agreement_lines(agreement, out.name, against.name))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        write(line)


def _evidence(app: ReadsTasks) -> Callable[[str], bytes] | None:
    """Gives the evidence of the config's store by its CID; None without a config."""
    if app.find_config() is None:
        return None

    def retrieve(cid: str) -> bytes:
        with app.open_store() as store:
            return store.retrieve_evidence(cid)

    return retrieve


def _tasks(app: ReadsTasks) -> Mapping[str, Task]:
    """The tasks whose notices a page shows: the package's, and those of the config where there is one."""
    from complaint_llm.tasks.load import built_in  # cold start: tasks

    tasks: dict[str, Task] = {id: built_in(id) for id in BUILT_IN}
    if app.find_config() is not None:
        try:
            tasks.update(app.load_config().tasks)
        except ConfigError as error:
            tell(f"notices of the config's own tasks are left out: {error.problems[0]}")
    return tasks
