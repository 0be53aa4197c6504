"""Changes one value of a JSON text in place; every other byte stays."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from complaint_llm.config.edits import REMOVED
from complaint_llm.config.problems import Place

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class _Node(NamedTuple):
    """A value in the text. ``children`` are the members of an object by key, of a list by index."""

    start: int
    end: int
    children: Sequence[_Child] = ()

    def child(self, key: str | int) -> _Child | None:
        return next((each for each in self.children if each.key == key), None)


class _Child(NamedTuple):
    key: str | int
    start: int
    """Where its key begins; of an entry of a list, its value."""
    node: _Node


def edit_json(text: str, path: Place, value: Any) -> str:
    """The valid JSON ``text`` with ``value`` at ``path``, or without it. Raises KeyError for a path to nowhere."""
    node, missing = _parse(text), list(path)
    while missing:
        child = node.child(missing[0])
        if child is None:
            break
        if len(missing) == 1 and value is REMOVED:
            return _without(text, node, child)
        node = child.node
        missing.pop(0)
    if value is REMOVED or (text[node.start] not in "{[" and missing):
        raise KeyError(path)
    if not missing:
        return text[: node.start] + _json_at(value, text, node.start) + text[node.end :]
    for step in reversed(missing[1:]):
        value = {step: value}
    return _with(text, node, missing[0], value)


def _parse(text: str) -> _Node:
    pieces = [(found[0], found.start(), found.end()) for found in _PIECE.finditer(text)]
    node, _ = _value(pieces, 0)
    return node


def _value(pieces: Sequence[tuple[str, int, int]], at: int) -> tuple[_Node, int]:
    piece, start, end = pieces[at]
    if piece not in ("{", "["):
        return _Node(start, end), at + 1
    children: list[_Child] = []
    at += 1
    while pieces[at][0] not in ("}", "]"):
        if pieces[at][0] == ",":
            at += 1
            continue
        begins = pieces[at][1]
        key: str | int = len(children)
        if piece == "{":
            key = json.loads(pieces[at][0])
            at += 2
        node, at = _value(pieces, at)
        children.append(_Child(key, begins, node))
    return _Node(start, pieces[at][2], children), at + 1


def _with(text: str, parent: _Node, key: str | int, value: Any) -> str:
    name = "" if text[parent.start] == "[" else f"{json.dumps(key, ensure_ascii=False)}: "
    if not parent.children:
        indent = _indent_of(text, parent.start)
        inner = f"{indent}  "
        written = json.dumps(value, ensure_ascii=False, indent=2).replace("\n", f"\n{inner}")
        opening, closing = text[parent.start], text[parent.end - 1]
        return f"{text[: parent.start]}{opening}\n{inner}{name}{written}\n{indent}{closing}{text[parent.end :]}"
    last = parent.children[-1]
    gap = text[parent.start + 1 : parent.children[0].start]
    if len(parent.children) > 1 and (between := text[parent.children[-2].node.end : last.start]).strip() == ",":
        gap = between.partition(",")[2]
    compact = "\n" not in text[last.node.start : last.node.end] and text[last.node.start] in "{["
    written = _json_at(value, text, last.start, compact=compact or "\n" not in gap)
    return f"{text[: last.node.end]},{gap}{name}{written}{text[last.node.end :]}"


def _without(text: str, parent: _Node, child: _Child) -> str:
    place = parent.children.index(child)
    if place > 0:
        return text[: parent.children[place - 1].node.end] + text[child.node.end :]
    if len(parent.children) > 1:
        return text[: child.start] + text[parent.children[1].start :]
    return text[: parent.start + 1] + text[parent.end - 1 :]


def _json_at(value: Any, text: str, at: int, *, compact: bool = False) -> str:
    if compact:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, indent=2).replace("\n", f"\n{_indent_of(text, at)}")


def _indent_of(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]
