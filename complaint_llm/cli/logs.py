"""``complaint-llm logs``: the calls of the ledger, the newest first."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.logs_table import call_in_full, print_calls
from complaint_llm.cli.terminal import tell, write
from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.ledger.file import ledger_path
from complaint_llm.ledger.read_only import open_read_only
from complaint_llm.ledger.search import ANY_ERROR, CallFilter, FoundCall, find_calls, gaps

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_TURN_ON = (
    'no ledger is kept here: put "ledger": true into MEDIATOR of the config '
    "(complaint-llm config set MEDIATOR ledger true); calls from then on are in it"
)


class Day(click.ParamType):  # type: ignore[type-arg]
    """A day of the local calendar, or a moment; seconds since 1970 of its beginning and its end."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        today = datetime.now().replace(  # noqa: DTZ005 - days of the local calendar
            hour=0, minute=0, second=0, microsecond=0
        )
        named = {"today": today, "yesterday": today - timedelta(days=1)}
        try:
            begin = named.get(value) or datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day such as 2026-04-17, today or yesterday", param, ctx)
        is_day = value in named or len(value) <= len("2026-04-17")
        try:
            return begin.timestamp(), (begin + timedelta(days=1) if is_day else begin).timestamp()
        except (OverflowError, ValueError, OSError):
            self.fail(f"{value!r} is out of range", param, ctx)


@click.command()
@click.argument("call", required=False)
@click.option("--day", type=Day(), help="Calls of this day (2026-04-17, today, yesterday).")
@click.option("--since", type=Day(), help="Calls from this day on.")
@click.option("--until", type=Day(), help="Calls until this day, with it.")
@click.option("--backend", metavar="ID", help="Calls that this backend answered, or failed last.")
@click.option("--matter", metavar="NUMBER", help="Calls of this matter.")
@click.option("--task", metavar="ID", help="Calls of this task.")
@click.option("--batch", metavar="NAME", help="Calls of this batch.")
@click.option(
    "--error", is_flag=False, flag_value=ANY_ERROR, metavar="[CLASS]", help="Calls that failed, with this class."
)
@click.option("-n", "limit", type=click.IntRange(0), help="How many at most; 0 is all.  [default: 20]")
@click.option("--after", type=click.IntRange(0), metavar="ID", help="Go on after the call of this id (in --json).")
@click.option("-v", "--verbose", is_flag=True, help="Show the attempts of each call.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on a line for each call.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table as CSV.")
@click.pass_obj
def logs(
    app: App,
    /,
    call: str | None,
    day: tuple[float, float] | None,
    since: tuple[float, float] | None,
    until: tuple[float, float] | None,
    limit: int | None,
    after: int | None,
    verbose: bool,
    as_json: bool,
    as_csv: bool,
    **names: str | None,
) -> None:
    """Show the calls of the ledger, the newest first; with CALL the one whose name begins so, in full.

    The ledger holds times, names, tokens, prices and classes of errors, never a text. It is kept where MEDIATOR says
    "ledger": true. It can be read while calls are made: the newest are there within a second.

    A long list comes in pages: -n 100, then --after the id of the last one.

    Example: complaint-llm logs --day today --error -n 50
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv: give one of them")
    if day is not None and (since is not None or until is not None):
        raise click.UsageError("--day is one day: give it without --since and --until")
    begin, end = (day[0], day[1]) if day else (since and since[0], until and until[1])
    wanted = CallFilter(begin, end, call=call, after=after, **names)
    most = limit if limit is not None else 20
    with _open_ledger(app) as db:
        if db is None:
            return
        found = find_calls(db, wanted, most or None)
        if call is not None and not (as_json or as_csv):
            _print_one(call, list(find_calls(db, wanted, 2)))
            return
        if as_json:
            for each in found:
                write(json.dumps(_as_json(each), ensure_ascii=False))
        elif as_csv:
            _print_csv(found)
        else:
            shown = list(found)
            print_calls(shown, verbose=verbose)
            if not shown:
                tell("no call of the ledger is like that" if any(wanted) else "no call is in the ledger yet")
        _tell_gaps(db)


@contextmanager
def _open_ledger(app: App) -> Iterator[sqlite3.Connection | None]:
    """The ledger, or None where none was written yet. Raises ComplaintLLMError where none is kept."""
    config = None if app.find_config() is None else app.load_config()
    path = ledger_path(config)
    kept = config is not None and config.mediator.get("ledger", False) is not False
    if not path.exists():
        if not kept:
            raise ComplaintLLMError(_TURN_ON)
        tell(f"no call is in the ledger yet: {path}")
        yield None
        return
    if config is not None and not kept:
        tell(f"what is shown was kept before: {_TURN_ON}")
    with open_read_only(path) as db:
        yield db


def _print_one(name: str, found: list[FoundCall]) -> None:
    if not found:
        raise ComplaintLLMError(f"no call of the ledger begins with {name!r}")
    if len(found) > 1:
        raise ComplaintLLMError(f"several calls begin with {name!r}: give more letters of it")
    for line in call_in_full(found[0]):
        write(line)


def _as_json(found: FoundCall) -> dict[str, Any]:
    call = found.call
    return {
        **call,
        "time": _utc(call["time"]),
        "cached": bool(call["cached"]),
        "demo": bool(call["demo"]),
        "guards": call["guards"].split(",") if call["guards"] else [],
        "attempts": [
            {**each, "sent": bool(each["sent"]), "maybe_received": bool(each["maybe_received"])}
            for each in found.attempts
        ],
    }


def _print_csv(found: Iterable[FoundCall]) -> None:
    from complaint_llm.batch.output.export import harmless, table_cell  # cold start: batches

    heads = (
        *("time", "call", "kind", "backend", "model", "asked", "task", "matter", "batch", "input_tokens"),
        *("output_tokens", "cost", "seconds", "first_piece", "error", "status", "finish_reason", "cached", "demo"),
        *("guards", "digest"),
    )
    _write_row(heads)
    for each in found:
        values = {**each.call, "time": _utc(each.call["time"])}
        _write_row([harmless(table_cell(values[head])) for head in heads])


def _write_row(values: Iterable[Any]) -> None:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    write(line.getvalue(), end="")


def _tell_gaps(db: sqlite3.Connection) -> None:
    missing = gaps(db)
    if missing.events and missing.last is not None:
        at = datetime.fromtimestamp(missing.last).astimezone().strftime("%Y-%m-%d %H:%M")
        tell(f"{missing.events:,} events could not be written, the last before {at}: calls are missing here")


def _utc(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
