"""What ``embed`` reads: texts with ids, from arguments, lines, and files of text, JSON lines or tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

TABLES = {".csv": ",", ".tsv": "\t"}
JSON_LINES = frozenset((".jsonl", ".ndjson"))
MOST_BYTES = 1 << 30


class Columns(NamedTuple):
    """The keys, or columns, of the id and of the text."""

    id: str
    text: str


class TextToEmbed(NamedTuple):
    """A text and the id that its vector gets."""

    id: str
    text: str


def read_lines(lines: Iterable[str], name: str) -> Iterator[TextToEmbed]:
    """Each line that is not empty, by its number."""
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if text:
            yield TextToEmbed(f"{name}:{number}", text)


def read_files(paths: Sequence[Path], columns: Columns, *, by_line: bool) -> Iterator[TextToEmbed]:
    """The texts of files: the rows of a table (.csv, .tsv), the lines of JSON lines (.jsonl), and of any other file the
    whole text, or with ``by_line`` each line. Raises UsageError for what cannot be read, with the place."""
    for path in paths:
        name = str(path)
        try:
            if path.suffix.lower() in TABLES:
                yield from _of_table(path, columns)
            elif path.suffix.lower() in JSON_LINES:
                with path.open(encoding="utf-8-sig") as file:
                    yield from _of_json_lines(file, name, columns)
            elif by_line:
                with path.open(encoding="utf-8-sig") as file:
                    yield from read_lines(file, name)
            else:
                yield TextToEmbed(name, _read_text(path))
        except UnicodeDecodeError as error:
            raise click.UsageError(f"{name}: no text in UTF-8: for a document write its text into a file") from error
        except csv.Error as error:
            raise click.UsageError(f"{name}: no table that can be read: {error}") from error
        except OSError as error:
            raise click.UsageError(f"{name}: cannot be read: {error.strerror or error}") from error


def _read_text(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES:
        raise click.UsageError(f"{path}: more than {MOST_BYTES:,} bytes: give its parts")
    text = path.read_text(encoding="utf-8-sig")
    if not text.strip():
        raise click.UsageError(f"{path}: the file is empty")
    return text


def _of_table(path: Path, columns: Columns) -> Iterator[TextToEmbed]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=TABLES[path.suffix.lower()], strict=True)
        there = reader.fieldnames or []
        if columns.text not in there:
            listed = ", ".join(there) or "nothing"
            raise click.UsageError(f"{path}: no column {columns.text!r}; there are: {listed}: choose one by --text")
        for row in reader:
            yield _text_of_row(row, f"{path}:{reader.line_num}", columns)


def _of_json_lines(lines: Iterable[str], name: str, columns: Columns) -> Iterator[TextToEmbed]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            said = json.loads(line)
        except ValueError as error:
            raise click.UsageError(f"{place}: no JSON: {error}") from error
        yield _text_of_row({columns.text: said} if isinstance(said, str) else said, place, columns)


def _text_of_row(row: Any, place: str, columns: Columns) -> TextToEmbed:
    text = row.get(columns.text) if isinstance(row, dict) else None
    if not isinstance(text, str) or not text:
        raise click.UsageError(f"{place}: no text under {columns.text!r}: choose the key by --text")
    id = row.get(columns.id)
    return TextToEmbed(place if id is None or id == "" else str(id), text)
