"""The table of a task's answers: a row for each thing that an answer lists (a claim), never JSON in a cell.

Which list that is, the task's ``rows`` says; the columns are the properties of its entries in the schema's order. A
reference (``x-ref``) is written as what it names. An item without any entry has one row, with its state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.batch.output.export import Result, result_values, table_cell
from complaint_llm.checks.answer_checks import plain
from complaint_llm.checks.quote import Quote, standing_count
from complaint_llm.json_schema.annotations import AnnotatedValue, annotated_values
from complaint_llm.json_schema.places import json_pointer

if TYPE_CHECKING:
    from complaint_llm.tasks.task import Task

BEFORE = ("demo", "id", "state", "row")
"""Columns before those of the entries: DEMO for a demonstration's, the item's id and state, the entry's number."""
AFTER = ("quotes_standing", "findings", "reasked", "error", "backend", "model", "cost", "digest", "notice")
"""Columns behind them."""


class TaskForm(NamedTuple):
    """How the answers of ``task`` are written as a table; ``columns`` are the input's."""

    task: Task
    columns: tuple[str, ...] = ()
    delimiter: str = ","
    raw: bool = False

    @property
    def header(self) -> list[str]:
        """The names of all columns; one of the input that has a name of ours gets ``_in`` behind it."""
        own = [*BEFORE, *self.properties, *AFTER]
        carried = [f"{name}_in" if name in own else name for name in self._carried]
        return [*BEFORE, *carried, *self.properties, *AFTER]

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties of an entry, but for the number that it goes by."""
        schema = self.task.schema or {}
        listed = _resolve(schema.get("properties", {}).get(self.task.rows or "", {}), schema)
        entry = _resolve(listed.get("items", {}), schema)
        named = entry.get("properties", {})
        return tuple(name for name in named if _resolve(named[name], schema).get("x-ref") != "declares")

    def rows(self, result: Result) -> Iterator[list[str]]:
        """The rows of one result."""
        values = result_values(result)
        error = values["error"]
        before = ["DEMO" if values["demo"] else "", result.id or "", values["state"]]
        carried = [result.columns.get(name, "") for name in self._carried]
        after = [
            _count_by_check(values["findings"] or ()),
            values["reasked"],
            None if error is None else error.get("message"),
            *(values[name] for name in ("backend", "model", "cost", "digest")),
            self.task.notice,
        ]
        answer = _TaskAnswer.of(result, self.task)
        if answer is None or not answer.entries:
            empty = [""] * len(self.properties)
            yield [*before, "", *carried, *empty, "", *map(table_cell, after)]
            return
        for number, entry in enumerate(answer.entries):
            place = (self.task.rows or "", number)
            cells = [answer.cell(entry.get(name), (*place, name)) for name in self.properties]
            standing = answer.standing(entry, place)
            yield [*before, str(number + 1), *carried, *cells, standing, *map(table_cell, after)]

    @property
    def _carried(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name != "id")


class _TaskAnswer(NamedTuple):
    """A parsed answer, with what its schema says of each place."""

    entries: Sequence[Mapping[str, Any]]
    places: Mapping[str, AnnotatedValue]
    declared: Mapping[str, AnnotatedValue]
    """The numbered entries by their number."""
    quotes: Sequence[Quote]

    @classmethod
    def of(cls, result: Result, task: Task) -> _TaskAnswer | None:
        """None where there is no answer with such a list."""
        if result.output is None or result.output.parsed is None or task.schema is None:
            return None
        parsed = plain(result.output.parsed)
        listed = parsed.get(task.rows) if isinstance(parsed, Mapping) else None
        if not isinstance(listed, list) or not all(isinstance(entry, Mapping) for entry in listed):
            return None
        places = {place.pointer: place for place in annotated_values(parsed, task.schema)}
        declared: dict[str, AnnotatedValue] = {}
        for place in places.values():
            if place.annotations.get("x-ref") == "declares" and isinstance(place.value, str):
                declared.setdefault(place.value, places[json_pointer(place.path[:-1])])
        return cls(listed, places, declared, result.output.quotes)

    def cell(self, value: Any, path: tuple[str | int, ...]) -> str:
        """A value in plain words: lists joined, references as what they name."""
        if isinstance(value, list):
            return "; ".join(self.cell(each, (*path, index)) for index, each in enumerate(value))
        if isinstance(value, Mapping):
            return "; ".join(self.cell(each, (*path, key)) for key, each in value.items() if each is not None)
        place = self.places.get(json_pointer(path))
        if place is not None and place.annotations.get("x-ref") == "names" and value in self.declared:
            return self._words_for(self.declared[value])
        return table_cell(value)

    def standing(self, entry: Mapping[str, Any], path: tuple[str | int, ...]) -> str:
        """Of the quotes that an entry rests on (where the schema says ``x-rests-on``), else of those in it."""
        base = json_pointer(path)
        inside = [place for pointer, place in self.places.items() if pointer.startswith(f"{base}/")]
        resting = [place for place in inside if place.annotations.get("x-rests-on") is True]
        roots = {base}
        if resting:
            named = {ref for place in resting if isinstance(place.value, list) for ref in place.value}
            roots = {self.declared[ref].pointer for ref in named if isinstance(ref, str) and ref in self.declared}
        found = [quote for quote in self.quotes if any(quote.pointer.startswith(f"{root}/") for root in roots)]
        return standing_count(found)

    def _words_for(self, entry: AnnotatedValue) -> str:
        """What an entry is called: its first words that are no choice, no number and, if there are others, no quote."""
        quote = ""
        for key, value in entry.value.items():
            annotations = self.places[f"{entry.pointer}/{key}"].annotations
            if not isinstance(value, str) or not value or "enum" in annotations or "x-ref" in annotations:
                continue
            if annotations.get("x-quote") is not True:
                return value
            quote = quote or f'"{value}"'
        return quote


def _count_by_check(findings: Sequence[Mapping[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding["check"]] = counts.get(finding["check"], 0) + 1
    return ", ".join(f"{name}: {count}" for name, count in counts.items())


def _resolve(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema's keywords, through references into the same schema."""
    for _ in range(32):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: Any = root
        for step in reference[2:].split("/"):
            found = found.get(step, {}) if isinstance(found, Mapping) else {}
        schema = found
    return schema if isinstance(schema, Mapping) else {}
