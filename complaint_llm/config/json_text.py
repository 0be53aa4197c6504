"""JSON text to a document, and the places of its values when something is wrong."""

from __future__ import annotations

import json
import re
from typing import Any

from complaint_llm.config.problems import Place, TextFault

_PIECE = r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+'
_TOO_DEEP = "nested too deeply: a config has no more than a few levels"


def parse(text: str) -> Any | TextFault:
    """The document, or the fault of the text. A value, not an exception: a decoder's error holds the whole text, and
    with it the keys that someone wrote into it."""
    repeated: list[bool] = []
    constants: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            repeated.append(True)
        return made

    try:
        document = json.loads(text, object_pairs_hook=unique, parse_constant=constants.append)
    except json.JSONDecodeError as error:
        # Python 3.13 points to a trailing comma, older ones to what follows it.
        at = error.pos + 1 if error.msg.startswith("Illegal trailing comma") else error.pos
        return _fault(text, at, error.msg)
    except RecursionError:
        return TextFault(1, 1, _TOO_DEEP)
    except ValueError:  # the interpreter's limit on the digits of a number
        found = re.search(r"\d{4000,}", text)
        return TextFault(
            *_line_column(text, found.start() if found else 0), "a number with thousands of digits: shorten it"
        )
    if constants:
        at = next(m.start() for m in re.finditer(_PIECE, text) if m.group() in {"NaN", "Infinity", "-Infinity"})
        return TextFault(*_line_column(text, at), f"{constants[0]} is no JSON: write a number or leave the key out")
    if repeated:
        return _repetition(text)
    return document


def places(text: str) -> dict[Place, tuple[tuple[int, int], tuple[int, int]]]:
    """For each value its place and the place of its key, (line, column) from 1. The text must be valid JSON."""
    return _scan(text)[0]


def _repetition(text: str) -> TextFault:
    _, (name, first, again) = _scan(text)
    line, column = again
    return TextFault(line, column, f"the key {name!r} is here twice (first in line {first[0]}): keep one of them")


def _scan(text: str) -> tuple[dict[Place, Any], tuple[str, tuple[int, int], tuple[int, int]]]:
    found: dict[Place, Any] = {}
    repeated: tuple[str, tuple[int, int], tuple[int, int]] = ("", (1, 1), (1, 1))
    path: list[str | int] = []
    kinds: list[str] = []
    key_at: list[tuple[int, int]] = [(1, 1)]
    expect_key = False
    line, line_start, done = 1, 0, 0
    for match in re.finditer(_PIECE, text):
        piece, start = match.group(), match.start()
        newlines = text.count("\n", done, start)
        if newlines:
            line += newlines
            line_start = text.rfind("\n", done, start) + 1
        done = start
        at = (line, start - line_start + 1)
        if piece in "}]":
            kinds.pop()
            path.pop()
            key_at.pop()
            expect_key = False
        elif piece == ",":
            if kinds[-1] == "[":
                path[-1] = int(path[-1]) + 1
            expect_key = kinds[-1] == "{"
        elif piece == ":":
            expect_key = False
        elif expect_key:
            name = json.loads(piece)
            path[-1] = name
            if tuple(path) in found and not repeated[0]:
                repeated = (name, found[tuple(path)][1], at)
            key_at[-1] = at
        else:
            in_list = bool(kinds) and kinds[-1] == "["
            found.setdefault(tuple(path), (at, at if in_list else key_at[-1]))
            if piece in "{[":
                kinds.append(piece)
                path.append(0 if piece == "[" else "")
                key_at.append(at)
                expect_key = piece == "{"
    return found, repeated


def _fault(text: str, at: int, message: str) -> TextFault:
    if not message.startswith(("Invalid control", "Unterminated")):
        at += len(text[at:]) - len(text[at:].lstrip())
    rest = text[at:]
    before = text[:at].rstrip()
    if not text.strip():
        return TextFault(1, 1, "the file is empty: a config needs at least BACKENDS")
    if message.startswith(("Invalid control", "Unterminated")):
        end = text.find("\n", at)
        if message.startswith("Unterminated") and end < 0:
            what = "the text that begins here never ends: the file is cut or a quote is missing"
        else:
            what = "a text goes over the end of the line: close its quote, or write \\n for a line break"
    elif message.startswith("Invalid \\"):
        what = "this escape is no JSON: write \\\\ for a backslash"
    elif message.startswith("Extra data"):
        what = "there is more after the end of the document: remove it"
    elif not rest:
        what, at = "the file ends in the middle of a value: is it cut?", len(before)
    elif rest[0] in "/#":
        what = "a comment is no JSON: remove it, or use a key that begins with x-"
    elif rest[0] == "'":
        what = 'single quotes are no JSON: use "'
    elif rest[0] in "}]" and before.endswith(","):
        what = "a comma before the closing bracket: remove it"
    elif before.endswith(",") and rest.startswith(","):
        what = "two commas in a row: remove one"
    elif "property name" in message:
        what = "a key in double quotes belongs here"
    elif "delimiter" in message:
        sign = message.split("'")[1] if "'" in message else ","
        what = f"a {'comma or a closing bracket' if sign == ',' else 'colon'} is missing before this"
    else:
        what = "no value in JSON: a text needs double quotes; otherwise a number, true, false, null, [ or {"
    return TextFault(*_line_column(text, at), f"not valid JSON: {what}")


def _line_column(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
