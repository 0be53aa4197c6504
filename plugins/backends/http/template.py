"""JSON templates with placeholders, filled value by value: what a prompt holds can never become structure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from complaint_llm.exceptions import InvalidRequestError

UNSET: Any = object()
"""The value of a placeholder that nothing was given for."""

Fill = Callable[[Mapping[str, Any]], Any]
"""A compiled template: values by name in, JSON out; UNSET where it is a placeholder that is not set."""

_PIECE = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}|[{}]|[^{}]+")


class BodyTemplate:
    """A compiled template. Immutable; any thread may use it."""

    __slots__ = ("_fill", "names")

    def __init__(self, value: Any, known: frozenset[str]) -> None:
        """Raises ValueError naming the place of an unknown placeholder or a stray brace."""
        names: set[str] = set()
        self._fill = _compile(value, known, names, "")
        self.names = frozenset(names)
        """The placeholders in it."""

    def fill(self, values: Mapping[str, Any]) -> Any:
        """The JSON value. Raises InvalidRequestError where a text needs a value that is not set."""
        return self._fill(values)


def _compile(value: Any, known: frozenset[str], names: set[str], place: str) -> Fill:
    if isinstance(value, str):
        return _text(value, known, names, place)
    if isinstance(value, Mapping):
        members = {str(key): _compile(part, known, names, f"{place}/{key}") for key, part in value.items()}
        return lambda values: {key: made for key, fill in members.items() if (made := fill(values)) is not UNSET}
    if isinstance(value, (list, tuple)):
        parts = [_compile(part, known, names, f"{place}/{at}") for at, part in enumerate(value)]
        return lambda values: [made for fill in parts if (made := fill(values)) is not UNSET]
    return lambda values: value


def _text(value: str, known: frozenset[str], names: set[str], place: str) -> Fill:
    pieces: list[tuple[str, bool]] = []
    for match in _PIECE.finditer(value):
        name, found = match[1], match[0]
        if name is not None:
            if name not in known:
                raise ValueError(f"{place or '/'}: no placeholder {{{name}}}; there are {', '.join(sorted(known))}")
            names.add(name)
            pieces.append((name, True))
        elif found in ("{", "}"):
            raise ValueError(f"{place or '/'}: a single {found}; write {found}{found} for a brace")
        else:
            pieces.append((found[:1] if found in ("{{", "}}") else found, False))
    if len(pieces) == 1 and pieces[0][1]:
        only = pieces[0][0]
        return lambda values: values.get(only, UNSET)
    return lambda values: "".join(_text_of(piece, values) if is_name else piece for piece, is_name in pieces)


def _text_of(name: str, values: Mapping[str, Any]) -> str:
    value = values.get(name, UNSET)
    if value is UNSET:
        raise InvalidRequestError(f"the body's template needs {name}, which is not set", sent=False)
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def resolve(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) points to; UNSET where nothing is."""
    found = document
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isascii() and key.isdigit() and (key == "0" or key[0] != "0"):
            if len(key) > 9 or int(key) >= len(found):
                return UNSET
            found = found[int(key)]
        else:
            return UNSET
    return found
