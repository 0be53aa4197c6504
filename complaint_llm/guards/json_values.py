"""Where the values of a JSON text stand in it, so that parts of them can be replaced and it stays JSON."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator

from complaint_llm import bounded_json

_VALUE = re.compile(r'"(?P<string>(?:[^"\\]|\\.)*)"|-?[0-9][0-9.eE+\-]*', re.S)
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.S)
_SURROGATE = re.compile("[\ud800-\udfff]")


def is_json(text: str) -> bool:
    """Whether a text is JSON, within the bounds of what is read."""
    try:
        bounded_json.loads(text)
    except ValueError:
        return False
    return True


def string_value(part: str) -> str:
    """What a part of a JSON string says."""
    return str(json.loads(f'"{part}"', strict=False))


def without_unicode_escapes(text: str) -> str:
    """The same JSON with letters where it has ``\\uXXXX`` for them."""
    return _VALUE.sub(_readable, text) if "\\u" in text else text


class JSONValues:
    """The strings and numbers of a JSON text, keys among them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spans = [
            (*found.span("string"), True) if found["string"] is not None else (*found.span(), False)
            for found in _VALUE.finditer(text)
        ]
        self._ends = [end for _, end, _ in self._spans]

    def parts(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """The parts of values in ``text[start:end]``, and whether each is of a string. Numbers and escapes are not
        cut: of one that is touched all is given."""
        for at in range(bisect_left(self._ends, start + 1), len(self._spans)):
            first, last, is_string = self._spans[at]
            if first >= end:
                return
            if not is_string:
                yield first, last, False
                continue
            begin, stop = max(first, start), min(last, end)
            for escape in _ESCAPE.finditer(self._text, first, last):
                if escape.start() < begin < escape.end():
                    begin = escape.start()
                if escape.start() < stop < escape.end():
                    stop = escape.end()
                if escape.start() > stop:
                    break
            if begin < stop:
                yield begin, stop, True


def _readable(found: re.Match[str]) -> str:
    if found["string"] is None or "\\u" not in found[0]:
        return found[0]
    said = json.loads(found[0], strict=False)
    return found[0] if _SURROGATE.search(said) else json.dumps(said, ensure_ascii=False)
