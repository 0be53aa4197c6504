"""What a task found, as a table on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from complaint_llm.batch.output.export import Result
from complaint_llm.batch.output.task_table import TaskForm
from complaint_llm.cli.table import print_table
from complaint_llm.tasks.task import Task

_WIDEST = 44
"""Characters of a cell."""


def print_found(task: Task, results: Iterable[Result]) -> None:
    """Print a line for each thing found: the item, what it is, against whom (where the task says), quotes standing."""
    form = TaskForm(task)
    usual = [name for name in form.properties if name in ("type", "respondents")]
    shown = usual or list(form.properties[:1])
    heads = ["", "item", *("against whom" if name == "respondents" else name for name in shown), "quotes standing"]
    places = [form.header.index(name) for name in ("demo", "id", *shown, "quotes_standing")]
    state = form.header.index("state")
    print_table(heads, _rows(form, results, places, state))


def _rows(form: TaskForm, results: Iterable[Result], places: list[int], state: int) -> Iterator[list[str]]:
    for result in results:
        for row in form.rows(result):
            cells = [_short(row[place]) for place in places]
            if not any(cells[2:]):
                cells[2] = (
                    f"({_why_empty(result)})" if row[state] == "answered" else f"({row[state].replace('_', ' ')})"
                )
            yield cells


def _why_empty(result: Result) -> str:
    """That nothing was found, and where the answer says that there was nothing to read, that."""
    parsed = None if result.output is None else result.output.parsed
    why = [value for name, value in parsed.items() if name.endswith("_because")] if isinstance(parsed, Mapping) else []
    return "unreadable or empty" if "unreadable_or_empty" in why else "nothing found"


def _short(cell: str) -> str:
    plain = "".join(each if each.isprintable() else " " for each in cell)
    return plain if len(plain) <= _WIDEST else f"{plain[: _WIDEST - 1]}…"
