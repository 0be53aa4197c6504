"""Reading items from JSONL, CSV and text files, one line at a time.

A line that cannot be read becomes a ``LineError`` in its place: the rest goes on. Files are UTF-8, with or without a
byte order mark.
"""

from __future__ import annotations

import csv
import json
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Literal, NoReturn, TypeAlias

from complaint_llm.batch.items import BatchItem, check_id
from complaint_llm.exceptions import BatchError, ComplaintLLMError
from complaint_llm.request import CALL_KEYS, GENERATION_KEYS, as_messages

Format = Literal["jsonl", "csv", "txt"]
Line: TypeAlias = BatchItem | BatchError

FORMATS: Mapping[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".txt": "txt"}
"""The format that a file's extension stands for."""

_LINE_KEYS = frozenset(("id", "prompt", "messages", "params"))
_PARAMS = GENERATION_KEYS | CALL_KEYS


class LineError(BatchError):
    """A line of the input that is no item. ``line`` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line


def read_lines(source: BinaryIO, form: Format, template: str | None = None) -> Iterator[Line]:
    """Items of an open file, lazily. Raises BatchError at once if ``template`` and CSV columns do not fit."""
    if form == "csv":
        return _read_csv(source, template)
    if template is not None:
        raise BatchError("a prompt template needs CSV input: its fields are the columns")
    return _each(source, _json_item if form == "jsonl" else _text_item)


def _each(source: Iterable[bytes], parse: Callable[[str], BatchItem]) -> Iterator[Line]:
    for number, raw in enumerate(source, 1):
        try:
            text = raw.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").decode("utf-8").rstrip("\r\n")
            if text.strip():
                yield parse(text)
        except UnicodeDecodeError as error:
            yield LineError(number, f"not UTF-8 at byte {error.start + 1}")
        except RecursionError:
            yield LineError(number, "nested too deeply")
        except (ValueError, ComplaintLLMError) as error:
            yield LineError(number, str(error))


def _text_item(text: str) -> BatchItem:
    return BatchItem(text)


def _json_item(text: str) -> BatchItem:
    try:
        line = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(line, dict):
        raise ValueError(f"a line is a JSON object, not {_kind(line)}")
    _refuse_unknown(line, _LINE_KEYS, "key")
    if ("prompt" in line) == ("messages" in line):
        raise ValueError('a line has exactly one of "prompt" and "messages"')
    params = line.get("params", {})
    if not isinstance(params, dict):
        raise ValueError(f'"params" is a JSON object, not {_kind(params)}')
    _refuse_unknown(params, _PARAMS, "parameter")
    prompt = line["prompt"] if "prompt" in line else line["messages"]
    if "prompt" in line and not isinstance(prompt, str):
        raise ValueError(f'"prompt" is a text, not {_kind(prompt)}; a list of messages is called "messages"')
    if "messages" in line and not isinstance(prompt, list):
        raise ValueError(f'"messages" is a list, not {_kind(prompt)}')
    return BatchItem(prompt if isinstance(prompt, str) else list(as_messages(prompt)), _id(line.get("id")), params)


def _id(given: Any) -> str | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (str, int)) or given == "":
        raise ValueError('"id" is a text that is not empty, or a whole number')
    check_id(str(given))
    return str(given)


def _read_csv(source: Iterable[bytes], template: str | None) -> Iterator[Line]:
    if template is None:
        raise BatchError('CSV needs a prompt template, such as "Extract claims from: {narrative}"')
    fill, fields = _template(template)
    # Bytes that are no UTF-8 become lone surrogates here and are found again in their row.
    rows = csv.reader(raw.decode("utf-8", "surrogateescape") for raw in source)
    try:
        columns = [name.removeprefix("\ufeff").strip() for name in next(rows, [])]
    except csv.Error as error:
        raise BatchError(f"line 1: not CSV: {error}") from error
    missing = [name for name in fields if name not in columns]
    if missing and any(map(_undecoded, columns)):
        raise BatchError("line 1: not UTF-8: save the file as UTF-8")
    if missing:
        raise BatchError(
            f"the prompt template asks for {{{missing[0]}}}; the columns are: {', '.join(columns) or 'none'}"
        )
    if len(set(columns)) != len(columns):
        raise BatchError(f"two columns are called {next(n for n in columns if columns.count(n) > 1)!r}")
    return _csv_items(rows, columns, fill)


def _csv_items(rows: Any, columns: list[str], fill: Callable[[Mapping[str, str]], str]) -> Iterator[Line]:
    while True:
        first = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield LineError(first, f"not CSV: {error}")
            continue
        if not row:
            continue
        if len(row) != len(columns):
            more = f"; it goes on to line {rows.line_num}: is a quote not closed?" if rows.line_num > first else ""
            yield LineError(first, f"{len(row)} fields, the header has {len(columns)}{more}")
            continue
        values = dict(zip(columns, row, strict=True))
        prompt, given = fill(values), values.get("id")
        if any(_undecoded(text) for text in (prompt, given or "")):
            yield LineError(first, "not UTF-8")
        elif given == "":
            yield LineError(first, "the id is empty")
        else:
            yield BatchItem(prompt, given)


def _template(template: str) -> tuple[Callable[[Mapping[str, str]], str], list[str]]:
    """A function that fills in columns, and the columns' names. Only plain ``{name}``: no attributes, no formats."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise BatchError(f"the prompt template is not well formed: {error}; a brace itself is written twice") from error
    fields = [name for _, name, _, _ in parts if name is not None]
    if any(spec or conversion for _, _, spec, conversion in parts) or "" in fields:
        raise BatchError("the prompt template has fields such as {narrative}, with a column's name and nothing else")
    if not fields:
        raise BatchError("the prompt template names no column: every prompt would be the same")

    def fill(values: Mapping[str, str]) -> str:
        return "".join(text + (values[name] if name is not None else "") for text, name, _, _ in parts)

    return fill, fields


def _undecoded(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text) if not text.isascii() else False


def _refuse_unknown(given: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    unknown = given.keys() - known
    if unknown:
        import difflib

        name = min(unknown)
        near = difflib.get_close_matches(name, known, 1)
        raise ValueError(f"unknown {what} {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return made


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
