"""Results as lines of JSON or rows of a table: the same values, from a running batch or from its journal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from complaint_llm.batch.journal.codec import encode_error, pack
from complaint_llm.batch.output.states import state_of_error, state_of_output
from complaint_llm.request import EMPTY

if TYPE_CHECKING:
    from complaint_llm.messages import InferenceOutput, Shown


class Result(NamedTuple):
    """What a line of OUT is made of.

    ``columns`` are cells of the input's row; ``content`` is the digest of what was asked, empty where it is not known.
    Exactly one of ``output`` and ``error`` is None.
    """

    id: str | None
    output: InferenceOutput | None
    error: Exception | Mapping[str, Any] | None
    columns: Mapping[str, str] = EMPTY
    content: str = ""
    task: str | None = None
    matter: str | None = None
    material: str | None = None
    """The item's own text, of a task."""


def result_values(result: Result) -> dict[str, Any]:
    """The values of a line, by the names of schemas/batch-line.schema.json."""
    output, error = result.output, result.error
    if output is None:
        described = _describe(error) if isinstance(error, Exception) else dict(error or {})
        attempts = described.pop("attempts", [])
        given: dict[str, Any] = {"error": described, "state": state_of_error(described)}
        given |= {"backend": described.get("backend"), "model": described.get("model")}
    else:
        attempts = output.attempts
        given = {
            "text": output.content,
            "parsed": pack(output.parsed),
            "quotes": [quote._asdict() for quote in output.quotes],
            "findings": [finding._asdict() for finding in output.findings],
            "citations": [citation._asdict() for citation in output.citations],
            "shown": [_shown_values(each) for each in output.shown],
            "reasked": output.metadata.get("reasked"),
            "finish_reason": output.finish_reason,
            "backend": output.backend,
            "model": output.model,
            "usage": output.token_usage._asdict(),
            "cost": output.cost,
            "provenance": output.provenance,
            "demo": bool(output.metadata.get("demo")),
            "state": state_of_output(output),
        }
        if output.tool_calls:
            given["tool_calls"] = [
                {"id": call.id, "name": call.name, "arguments": call.arguments_raw} for call in output.tool_calls
            ]
    values = {**dict.fromkeys(_NAMES), "demo": False, **given, "id": result.id, "digest": result.content or None}
    values["attempts"] = [_attempt(*attempt) for attempt in attempts]
    values["seconds"] = round(sum(attempt["seconds"] for attempt in values["attempts"]), 6)
    made_by = output.metadata.get("task") if output is not None else None
    values["task"] = made_by["id"] if isinstance(made_by, Mapping) else result.task
    values["task_digest"] = made_by["digest"] if isinstance(made_by, Mapping) else None
    values["matter"] = result.matter
    if result.columns:
        values["columns"] = dict(result.columns)
    return values


_NAMES = (
    "id", "text", "parsed", "quotes", "findings", "citations", "shown", "reasked", "task", "task_digest", "matter",
    "finish_reason", "backend", "model", "usage", "cost", "seconds",
    "attempts", "provenance", "demo", "state", "error", "digest",
)  # fmt: skip
"""The names that every line has, in their order."""


def json_line(result: Result) -> str:
    """One line of JSON, without its line break."""
    values = result_values(result)
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except ValueError:  # NaN from a backend, or half a surrogate pair in an answer: both are said in plain ASCII JSON
        text = json.dumps(_finite(values), allow_nan=False)
    # JSON may hold these three raw; readers that split lines as Python does would break there.
    return text.replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


RESULT_COLUMNS = ("text", "state", "error", "finish_reason", "backend", "model", "cost", "demo", "digest")
"""Columns that follow those of the input; one whose name the input has already gets ``_answer`` behind it."""


class CsvForm(NamedTuple):
    """How a table is written: the input's ``columns``, then the results'. ``raw`` leaves cells as they are."""

    columns: tuple[str, ...]
    delimiter: str = ","
    raw: bool = False

    @property
    def header(self) -> list[str]:
        """The names of all columns."""
        own = [f"{name}_answer" if name in self.columns else name for name in RESULT_COLUMNS]
        return [*self.columns, *own]

    def rows(self, result: Result) -> list[list[str]]:
        """The rows of one result. Never JSON: what has no place in a cell is in the journal and in JSON lines."""
        values = result_values(result)
        error = values["error"]
        known = {**result.columns, **({"id": result.id or ""} if "id" in self.columns else {})}
        own: list[Any] = [values["text"], values["state"], None if error is None else error.get("message")]
        own += [values[name] for name in RESULT_COLUMNS[3:]]
        return [[*(known.get(name, "") for name in self.columns), *map(table_cell, own)]]


class Form(Protocol):
    """How results are written as a table."""

    @property
    def header(self) -> list[str]: ...
    @property
    def delimiter(self) -> str: ...
    @property
    def raw(self) -> bool: ...
    def rows(self, result: Result, /) -> Iterable[list[str]]: ...


def csv_lines(form: Form, results: Iterable[Result]) -> Iterator[str]:
    """A table's lines with their ends, the first one behind a byte order mark: without it Excel reads no UTF-8."""
    yield "\ufeff" + _csv_line(form, form.header)
    for result in results:
        for row in form.rows(result):
            yield _csv_line(form, row)


def harmless(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would run as a formula (and before such an apostrophe)."""
    return f"'{cell}" if cell.lstrip("'")[:1] in _FORMULA else cell


def as_written(cell: str) -> str:
    """The cell that ``harmless`` was given."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'")[:1] in _FORMULA else cell


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that spreadsheets take for a formula (OWASP, CSV injection), the full-width forms too."""


def _csv_line(form: Form, cells: Sequence[str]) -> str:
    line = io.StringIO(newline="")
    # Every cell is quoted: a program that takes another delimiter must not find a cell of its own inside of one.
    table = csv.writer(line, delimiter=form.delimiter, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    table.writerow(cells if form.raw else map(harmless, cells))
    return line.getvalue()


def table_cell(value: Any) -> str:
    """A plain value as a cell: nothing for null and false."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".") if math.isfinite(value) else ""
    return str(value)


def _attempt(backend: str, error: str | None, seconds: float, maybe_received: bool, sent: bool) -> dict[str, Any]:
    return {
        "backend": backend,
        "error": error,
        "seconds": round(seconds, 6),
        "maybe_received": maybe_received,
        "sent": sent,
    }


def _shown_values(shown: Shown) -> dict[str, Any]:
    """A document as lines name it: ``source`` is what quotes name, ``digest`` is that of its bytes; no text."""
    return {
        "source": shown.cid,
        "name": shown.name or None,
        "media_type": shown.media_type or None,
        "digest": shown.sha256 or None,
        "shown": shown.shown,
        "evidence": shown.evidence,
        "pages": list(shown.pages),
        "image_pages": list(shown.image_pages),
        "text_digest": shown.text_sha256,
        "reader": shown.reader,
    }


def _describe(error: Exception) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(encode_error(error))
    return described


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
