"""Reading items from JSONL, tables and text files, one line at a time.

A line that cannot be read becomes a ``LineError`` in its place, with its id where that can be read: the rest goes on.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Literal, NamedTuple, NoReturn

from complaint_llm.batch.input.items import BatchItem, LineError, check_id, check_prompt, is_blank
from complaint_llm.batch.input.line_rules import LineRules
from complaint_llm.batch.input.tables import BadRow, Row, Table, read_table
from complaint_llm.batch.input.templates import PromptTemplate
from complaint_llm.exceptions import BatchError, ComplaintLLMError
from complaint_llm.request import CALL_KEYS, EMPTY, GENERATION_KEYS, as_messages
from complaint_llm.text_encodings import check_encoding, find_encoding, is_undecoded, text_lines

Format = Literal["jsonl", "csv", "txt"]

FORMATS: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "txt",
}
"""The format that a file's extension stands for."""

_LINE_KEYS = frozenset(("id", "prompt", "messages", "params"))
_PARAMS = GENERATION_KEYS | CALL_KEYS


class Line(NamedTuple):
    """An item of the input, or why there is none. ``columns`` are the cells of a table's row, by the columns' names."""

    item: BatchItem | LineError
    columns: Mapping[str, str] = EMPTY


class Reading(NamedTuple):
    """How a file is read. Without ``encoding`` and ``delimiter`` they are found out; see ``find_encoding`` and
    ``read_table``. A ``template`` is for tables, and needed there."""

    form: Format
    template: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    rules: LineRules = LineRules()
    fields: frozenset[str] | None = None
    """What a task's templates name of each item, None without a task: keys that a JSON line may have then."""


class Lines(NamedTuple):
    """What a file holds, read lazily. ``columns`` are those of a table; ``unused`` those that no prompt has in it."""

    encoding: str
    items: Iterator[Line]
    columns: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    delimiter: str = ","


def read_lines(source: BinaryIO, reading: Reading) -> Lines:
    """The items of an open file. Raises BatchError at once if encoding, template and columns do not fit."""
    if reading.template is not None and reading.form != "csv":
        raise BatchError("a prompt template needs CSV input: its fields are the columns")
    if reading.delimiter is not None and reading.form != "csv":
        raise BatchError("a delimiter needs CSV input")
    encoding = check_encoding(reading.encoding) if reading.encoding else find_encoding(source)
    if reading.form == "csv":
        return _table(source, encoding, reading)
    if reading.form == "jsonl" and reading.encoding is None and encoding == "windows-1252":
        encoding = "utf-8"  # JSON is UTF-8: what is not, is damaged
    decoded = encoding in ("utf-8", "utf-8-sig", "ascii")
    texts = _decode_lines(source) if decoded else _by_line_feed(source, encoding)
    if reading.form == "txt":
        return Lines(encoding, _each(texts, _text_item, reading.rules))
    fields = reading.fields or frozenset()
    return Lines(encoding, _each(texts, lambda text: _json_item(text, fields), reading.rules))


def _decode_lines(source: Iterable[bytes]) -> Iterator[str | LineError]:
    for number, raw in enumerate(source, 1):
        try:
            yield raw.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").decode("utf-8")
        except UnicodeDecodeError as error:
            id_ = _id_in(raw.decode("utf-8", "replace"))
            yield LineError(number, f"not UTF-8 at byte {error.start + 1}", id_)


def _by_line_feed(source: BinaryIO, encoding: str) -> Iterator[str | LineError]:
    number = 0
    try:
        for number, line in enumerate(text_lines(source, encoding), 1):
            yield LineError(number, f"not {encoding}", _id_in(line)) if is_undecoded(line) else line
    except UnicodeDecodeError as error:
        yield LineError(number + 1, f"not {encoding} from here on: {error.reason}")


def _each(source: Iterable[str | LineError], parse: Callable[[str], Line], rules: LineRules) -> Iterator[Line]:
    for number, text in enumerate(source, 1):
        if isinstance(text, LineError):
            yield Line(text)
        elif text.strip():
            yield _item(number, text.rstrip("\r\n"), parse, rules)


def _item(number: int, text: str, parse: Callable[[str], Line], rules: LineRules) -> Line:
    try:
        line = parse(text)
        assert isinstance(line.item, BatchItem)
        item = rules.apply(line.item)
        check_prompt(item.prompt, item.params)
        return line._replace(item=item)
    except RecursionError:
        return Line(LineError(number, "nested too deeply"))
    except (ValueError, ComplaintLLMError) as error:
        return Line(LineError(number, str(error), _id_in(text)))


def _id_in(text: str) -> str | None:
    """The id of a JSON line that is no item."""
    try:
        return _id(json.loads(text)["id"])
    except (ValueError, KeyError, TypeError, RecursionError, ComplaintLLMError):
        return None


def _text_item(text: str) -> Line:
    return Line(BatchItem(text))


def _json_item(text: str, fields: frozenset[str]) -> Line:
    try:
        line = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(line, dict):
        raise ValueError(f"a line is a JSON object, not {_kind(line)}")
    _refuse_unknown(line, _LINE_KEYS | fields, "key")
    cells = {name: _field(name, line.get(name)) for name in sorted(fields - _LINE_KEYS)}
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
    asked = prompt if isinstance(prompt, str) else list(as_messages(prompt))
    return Line(BatchItem(asked, _id(line.get("id")), params), cells)


def _field(name: str, value: Any) -> str:
    """What the line says of a field that the task's templates name."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f'the task needs the key "{name}" of each line: a text or a number')
    return str(value)


def _id(given: Any) -> str | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (str, int)) or given == "":
        raise ValueError('"id" is a text that is not empty, or a whole number')
    check_id(str(given))
    return str(given)


def _table(source: BinaryIO, encoding: str, reading: Reading) -> Lines:
    template = _template(reading, "CSV")
    needed = () if template is None else template.fields
    try:
        table = read_table(text_lines(source, encoding), reading.delimiter, needed)
    except UnicodeDecodeError as error:
        raise BatchError(f"line 1: not {encoding}: {error.reason}; --encoding says another") from error
    return _lines_of(table, template, encoding, reading)


def table_lines(table: Table, reading: Reading) -> Lines:
    """The items of a table that was read elsewhere, such as a sheet. Raises BatchError if template and columns do not
    fit."""
    template = _template(reading, "a table")
    missing = next((name for name in (template.fields if template else ()) if name not in table.columns), None)
    if missing is not None:
        raise BatchError(f"the prompt template asks for {{{missing}}}; the columns are: {', '.join(table.columns)}")
    return _lines_of(table, template, "utf-8", reading)


def _template(reading: Reading, what: str) -> PromptTemplate | None:
    if reading.template is None and reading.fields is None:
        raise BatchError(f'{what} needs a prompt template, such as "Extract claims from: {{narrative}}"')
    return None if reading.template is None else PromptTemplate.read(reading.template)


def _lines_of(table: Table, template: PromptTemplate | None, encoding: str, reading: Reading) -> Lines:
    if template is None:
        template = PromptTemplate.read(f"{{{_material_column(table.columns, reading.fields or frozenset())}}}")
    absent = sorted((reading.fields or frozenset()) - {*table.columns, *_LINE_KEYS})
    if absent:
        raise BatchError(f"the task needs a column {absent[0]!r}; there are: {', '.join(table.columns)}")
    unused = tuple(name for name in table.columns if name not in template.fields and name != "id")
    return Lines(
        encoding=encoding,
        items=_table_items(table, template, encoding),
        columns=table.columns,
        unused=unused,
        delimiter=table.delimiter,
    )


def _material_column(columns: tuple[str, ...], fields: frozenset[str]) -> str:
    """The column that a task is to read: the only one beside the id and the task's fields, or one that is called so."""
    others = [name for name in columns if name not in fields and name != "id"]
    usual = [name for name in others if name.lower() in ("narrative", "text", "prompt", "input", "intake")]
    for found in (others, usual):
        if len(found) == 1:
            return found[0]
    raise BatchError(f'which column is the task to read? Say it by --prompt-template "{{NAME}}": {", ".join(others)}')


def _table_items(table: Table, template: PromptTemplate, encoding: str) -> Iterator[Line]:
    place = table.columns.index("id") if "id" in table.columns else None
    number = 0
    try:
        for row in table.rows:
            number = row.line
            id_ = _readable_id(row.cells, place)
            if isinstance(row, BadRow):
                known = dict(zip(table.columns, row.cells, strict=False)) if id_ is not None else {}
                yield Line(LineError(row.line, row.problem, id_), {"id": known["id"]} if "id" in known else EMPTY)
            else:
                values = dict(zip(table.columns, row.cells, strict=True))
                item: BatchItem | LineError
                if any(map(is_undecoded, row.cells)):
                    problem = f"not {encoding}: save the file as UTF-8, or give --encoding"
                    item = LineError(row.line, problem, id_)
                else:
                    item = _table_item(row, values, template, id_)
                yield Line(item, values)
    except UnicodeDecodeError as error:
        yield Line(LineError(number + 1, f"not {encoding} from here on: {error.reason}"))


def _table_item(
    row: Row, values: Mapping[str, str], template: PromptTemplate, id_: str | None
) -> BatchItem | LineError:
    if "id" in values and id_ is None:
        return LineError(row.line, "the id is empty")
    empty = next((name for name in template.fields if is_blank(values[name])), None)
    if empty is not None:
        return LineError(row.line, f"nothing to read: the cell of column {empty!r} is empty", id_)
    return BatchItem(template.fill(values), id_)


def _readable_id(cells: list[str], place: int | None) -> str | None:
    if place is None or place >= len(cells) or is_blank(cells[place]) or is_undecoded(cells[place]):
        return None
    return cells[place]


def _refuse_unknown(given: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    unknown = given.keys() - known
    if unknown:
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
