"""What a batch made of its items: from the journal beside OUT, else from OUT's JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.batch import Journal
from complaint_llm.batch.output.export import Result, result_values
from complaint_llm.exceptions import BatchError


class ReportItem(NamedTuple):
    """One item and its result.

    ``values`` are those of a line of OUT (schemas/batch-line.schema.json). ``material`` is the item's own text, None
    where it is not kept: in a batch without a task, and in JSON lines without their journal.
    """

    number: int
    """Its place among the items, from 1."""
    values: Mapping[str, Any]
    material: str | None = None

    @property
    def id(self) -> str:
        """Its id, or a name made of its place."""
        return str(self.values.get("id") or f"item {self.number}")

    @property
    def state(self) -> str:
        """``answered``, ``failed``, ``cut``, ``refused`` or ``not_read``."""
        return str(self.values.get("state") or ("failed" if self.values.get("error") else "answered"))

    @property
    def demo(self) -> bool:
        """Whether the answer comes from the demonstration's rules or another mock."""
        return bool(self.values.get("demo"))


def journal_beside(out: Path) -> Path:
    """The journal of the batch that wrote ``out``."""
    return out.with_name(f"{out.name}.journal")


def read_items(out: Path) -> Iterator[ReportItem]:
    """The items of the batch that wrote ``out``, in the order of its input.

    Raises BatchError where neither the journal nor JSON lines of ours are there, or the journal is in use or damaged.
    """
    journal = journal_beside(out)
    if journal.exists():
        yield from _journal_items(journal)
    elif not out.exists():
        raise BatchError(f"{out}: is not there, and neither is its journal {journal.name}")
    elif out.suffix.lower() == ".csv":
        raise BatchError(f"{out}: its journal {journal.name} is gone, and a table does not hold answers whole")
    else:
        yield from _lines(out)


def _journal_items(path: Path) -> Iterator[ReportItem]:
    with Journal(path) as journal:
        for number, each in enumerate(journal.recorded_items(), 1):
            result = Result(each.id, each.output, each.error, content=each.content, task=each.task, matter=each.matter)
            yield ReportItem(number, result_values(result), getattr(each, "material", None))


def _lines(out: Path) -> Iterator[ReportItem]:
    number = 0
    try:
        with out.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                line = json.loads(text)
                if not isinstance(line, dict) or not line.keys() >= {"id", "text", "error"}:
                    raise ValueError("it is no result of a batch")
                yield ReportItem(number, line)
    except OSError as error:
        raise BatchError(f"{out}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BatchError(f"{out}: line {number} cannot be read: {error}") from error
