"""Changes one value of a YAML text in place; every other byte stays.

The parser's marks say where each value stands. Libraries that write YAML back from what they read keep comments, but
not blanks, columns and the place of the last comment.
"""

from __future__ import annotations

from typing import Any

from complaint_llm.config import yaml_text
from complaint_llm.config.edits import REMOVED
from complaint_llm.config.problems import Place


def edit_yaml(text: str, path: Place, value: Any) -> str:
    """The valid YAML ``text`` with ``value`` at ``path``, or without it. Raises KeyError for a path to nowhere."""
    import yaml  # cold start

    node: Any = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    missing = list(path)
    above: list[tuple[Any, int]] = []
    while missing:
        found = _position(node, missing[0])
        if found is None:
            break
        above.append((node, found))
        node = _child(node, found)
        missing.pop(0)
    if missing and value is not REMOVED and _is_empty(node):
        # A key without a value, or an empty collection: what it lacks is put there whole.
        for step in reversed(missing):
            value = [value] if isinstance(step, int) else {step: value}
        missing = []
    if not missing and above:
        parent, place = above[-1]
        if value is not REMOVED:
            return _with_replacement(text, parent, place, value)
        if len(parent.value) > 1:
            return _without(text, parent, place)
        empty: Any = [] if parent.id == "sequence" else {}
        return edit_yaml(text, path[:-1], empty) if path[:-1] else yaml_text.dump(empty)
    if value is REMOVED or not isinstance(node.value, list):
        raise KeyError(path)
    for step in reversed(missing[1:]):
        value = {step: value}
    return _with(text, node, missing[0], value)


def _position(node: Any, step: str | int) -> int | None:
    if not isinstance(node.value, list):
        return None
    if node.id == "sequence":
        return step if isinstance(step, int) and step < len(node.value) else None
    return next((place for place, (key, _) in enumerate(node.value) if key.value == step), None)


def _child(node: Any, place: int) -> Any:
    return node.value[place] if node.id == "sequence" else node.value[place][1]


def _is_empty(node: Any) -> bool:
    return bool(node.start_mark.index == node.end_mark.index or node.value == [])


def _start(node: Any, place: int) -> int:
    """Where an entry begins: its key, or its value in a list."""
    first = node.value[place] if node.id == "sequence" else node.value[place][0]
    return int(first.start_mark.index)


def _end(text: str, node: Any) -> int:
    """Where a value ends; the parser's mark of a block is where the next thing begins."""
    if isinstance(node.value, list) and node.value and not node.flow_style:
        return _end(text, _child(node, len(node.value) - 1))
    end = int(node.end_mark.index)
    return len(text[:end].rstrip()) if node.id == "scalar" and node.style in ("|", ">") else end


def _line_end(text: str, at: int) -> int:
    """The end of the line, a comment behind the value included."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _with_replacement(text: str, parent: Any, place: int, value: Any) -> str:
    node = _child(parent, place)
    start, end = int(node.start_mark.index), _end(text, node)
    if parent.id == "mapping":
        key = parent.value[place][0]
        is_empty = node.id == "scalar" and start == end
        if is_empty or (isinstance(node.value, list) and not node.flow_style):
            # What follows the colon, also on the lines below it.
            start = text.index(":", int(key.end_mark.index)) + 1
            end = start if is_empty else end
            return f"{text[:start]} {_flow(value)}{text[end:]}"
    return text[:start] + _flow(value) + text[end:]


def _with(text: str, node: Any, key: str | int, value: Any) -> str:
    name = "" if node.id == "sequence" else f"{_flow(key)}: "
    last = _child(node, len(node.value) - 1)
    if node.flow_style:
        end = _end(text, last)
        return f"{text[:end]}, {name}{_flow(value)}{text[end:]}"
    indent = " " * node.start_mark.column
    if node.id == "sequence":
        gap = " " * max(1, last.start_mark.column - node.start_mark.column - 1)
        block = isinstance(value, dict) and value and not (isinstance(last.value, list) and last.flow_style)
        written = _block(value, f"{indent} {gap}") if block else _flow(value)
        entry = f"{indent}-{gap}{written}"
    else:
        entry = f"{indent}{name}{_flow(value)}"
    at = _line_end(text, _end(text, last))
    return f"{text[:at]}\n{entry}{text[at:]}"


def _without(text: str, parent: Any, place: int) -> str:
    start, end = _start(parent, place), _end(text, _child(parent, place))
    if parent.flow_style:
        if place:
            return text[: _end(text, _child(parent, place - 1))] + text[end:]
        return text[:start] + text[_start(parent, 1) :]
    line = text.rfind("\n", 0, start) + 1
    before = text[line:start]
    if before.strip(" -") == "" and before.count("-") == (parent.id == "sequence"):
        return text[:line] + text[_line_end(text, end) + 1 :]
    # The first key of an entry stands behind the entry's dash.
    return text[:start] + text[_start(parent, place + 1) :]


def _flow(value: Any) -> str:
    """The value on one line, quoted so that it can stand inside a collection in brackets too."""
    return yaml_text.dump([value], flow=True)[1:-1]


def _block(value: dict[str, Any], indent: str) -> str:
    return f"\n{indent}".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items())
