"""Calls of the ledger as a table that fits the terminal, and one call in full."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.cli.table import print_table
from complaint_llm.cli.terminal import write_cells

if TYPE_CHECKING:
    from complaint_llm.ledger.search import FoundCall

_GAP = 2
_SHORTEST = 6
"""Letters to which a cell is cut at most."""


class _CallColumn(NamedTuple):
    """``rank``: where there is no room, those of the highest go first."""

    head: str
    rank: int
    cell: Callable[[Mapping[str, Any]], str]


def print_calls(calls: Sequence[FoundCall], *, verbose: bool) -> None:
    """A row for each; with ``verbose`` its attempts below it. On a terminal no line is longer than that is wide."""
    if not calls:
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    table = [(column, [column.cell(each.call) for each in calls]) for column in _COLUMNS]
    table = [each for each in table if any(each[1])]
    if width is not None:
        while _width(table) > width and any(column.rank for column, _ in table):
            table.remove(max(table, key=lambda each: each[0].rank))
        table = _cut(table, width)
    heads = [column.head for column, _ in table]
    rows = list(zip(*(cells for _, cells in table), strict=True))
    if not verbose:
        print_table(heads, rows)
        return
    for each, row in zip(calls, rows, strict=True):
        write_cells("  ".join(cell for cell in row if cell), bold=True)
        for line in _attempts(each):
            write_cells(line if width is None else line[:width])


def call_in_full(found: FoundCall) -> Iterator[str]:
    """A line for each thing that is known of it, and for each attempt."""
    call = {**found.call, "time": _local_time(found.call["time"], "%Y-%m-%d %H:%M:%S")}
    call |= {key: "yes" if call[key] else None for key in ("cached", "demo")}
    del call["id"]
    for key, value in call.items():
        if value is not None:
            yield f"{key.replace('_', ' ')}: {f'{value:g}' if isinstance(value, float) else value}"
    if found.attempts:
        yield "attempts:"
        yield from _attempts(found)


def _attempts(found: FoundCall) -> Iterator[str]:
    for each in found.attempts:
        said = [str(each["number"]), each["backend"], each["error"] or "answered", f"{each['seconds']:.1f} s"]
        said += ["not sent"] if not each["sent"] else ["maybe received"] if each["maybe_received"] else []
        yield "  " + "  ".join(said)


def _outcome(call: Mapping[str, Any]) -> str:
    if call["error"] is not None:
        return str(call["error"]) if call["status"] is None else f"{call['error']} {call['status']}"
    return "cached" if call["cached"] else "demo" if call["demo"] else "answered"


def _tokens(call: Mapping[str, Any]) -> str:
    if call["error"] is not None:
        return ""
    counts = (call["input_tokens"], call["output_tokens"])
    if not any(counts):
        return "unknown"
    return "+".join("unknown" if count is None else f"{count:,}" for count in counts)


_COLUMNS = (
    _CallColumn("time", 0, lambda call: _local_time(call["time"], "%Y-%m-%d %H:%M")),
    _CallColumn("backend", 0, lambda call: call["backend"] or ""),
    _CallColumn("outcome", 0, _outcome),
    _CallColumn("seconds", 1, lambda call: f"{call['seconds']:.1f}"),
    _CallColumn("cost", 2, lambda call: "" if call["cost"] is None else f"${call['cost']:.4f}"),
    _CallColumn("matter", 3, lambda call: call["matter"] or ""),
    _CallColumn("tokens", 4, _tokens),
    _CallColumn("task", 5, lambda call: call["task"] or ""),
    _CallColumn("call", 6, lambda call: call["call"][:12]),
)

_Table = list[tuple[_CallColumn, list[str]]]


def _width(table: _Table) -> int:
    return sum(_longest(each) for each in table) + _GAP * (len(table) - 1)


def _longest(column: tuple[_CallColumn, list[str]]) -> int:
    return max(map(len, (column[0].head, *column[1])))


def _cut(table: _Table, width: int) -> _Table:
    """The table with its widest cells cut until it fits."""
    while _width(table) > width:
        place = max(range(len(table)), key=lambda at: _longest(table[at]))
        column, cells = table[place]
        longest = _longest(table[place])
        if longest <= _SHORTEST or longest <= len(column.head):
            break
        most = max(longest - (_width(table) - width), _SHORTEST, len(column.head))
        table = [*table[:place], (column, [_clip(cell, most) for cell in cells]), *table[place + 1 :]]
    return table


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _local_time(time: float, form: str) -> str:
    return datetime.fromtimestamp(time).astimezone().strftime(form)
