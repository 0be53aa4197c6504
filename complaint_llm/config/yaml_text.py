"""YAML text to a document, and the places of its values.

Built from the parser's events, not by its loader: no tags that make objects, the plain scalars of YAML 1.2 (``no``,
``12:30`` and dates stay texts), no repeated keys, bounded depth and bounded growth by aliases. It costs less, too.
"""

from __future__ import annotations

import re
from typing import Any

from complaint_llm.config.problems import Place, TextFault
from complaint_llm.named_tuples import NamedTuple

MAX_DEPTH = 64
MAX_VALUES = 200_000
"""Values that aliases may make a document grow to."""

_INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_TAGS = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:map": dict,
    "tag:yaml.org,2002:seq": list,
    "tag:yaml.org,2002:int": None,
    "tag:yaml.org,2002:float": None,
    "tag:yaml.org,2002:bool": None,
    "tag:yaml.org,2002:null": None,
}

Places = dict[Place, tuple[tuple[int, int], tuple[int, int]]]


class _Anchored(NamedTuple):
    value: Any
    size: int


_NO_ANCHOR = _Anchored(None, 0)


class _Open:
    """A collection whose end was not read yet."""

    __slots__ = ("anchor", "key", "key_at", "merges", "size", "value")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.size = 1
        self.key: str | None = None
        self.key_at = (1, 1)
        self.merges: list[Any] = []


class _Stop(Exception):  # noqa: N818 - carries a fault out of the builder, within this module only
    def __init__(self, fault: TextFault) -> None:
        self.fault = fault


def parse(text: str) -> Any | TextFault:
    """The document, or the fault of the text (a value, not an exception: see ``json_text.parse``)."""
    return _parse(text, None)


def places(text: str) -> Places:
    """For each value its place and the place of its key, (line, column) from 1. The text must be valid."""
    found: Places = {}
    _parse(text, found)
    return found


def dump(document: Any, *, flow: bool = False) -> str:
    """YAML that ``parse`` reads back as the same document; ``flow`` puts it on one line, without a line break."""
    import yaml  # cold start

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        # PyYAML leaves unquoted what is a number for YAML 1.2 only.
        style = "'" if _plain(text) is not text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)

    Dumper.add_representer(str, represent)
    width = 2**31 if flow else 120
    text = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=flow)
    return text.removesuffix("\n").removesuffix("\n...") if flow else text


def _parse(text: str, found: Places | None) -> Any | TextFault:
    import yaml  # cold start

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(found).build(yaml.parse(text, loader))
    except _Stop as stop:
        return stop.fault
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(filter(None, (error.context, error.problem)))
        if "cannot start any token" in what and "\t" in _line(text, line):
            what = "a tab: YAML is indented by spaces"
        return TextFault(line, column, f"not valid YAML: {what}")
    except yaml.YAMLError:  # a character that YAML does not allow; its text would show what is around it
        bad = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
        at = bad.start() if bad else 0
        line = text.count("\n", 0, at) + 1
        return TextFault(line, at - text.rfind("\n", 0, at), "not valid YAML: a control character: remove it")


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1] if number <= len(lines) else ""


class _Builder:
    """Takes events one by one; a stack of open collections instead of recursion."""

    def __init__(self, found: Places | None) -> None:
        self._found = found
        self._stack: list[_Open] = []
        self._path: list[str | int] = []
        self._anchors: dict[str, _Anchored] = {}
        self._root: Any = None
        self._documents = 0

    def build(self, events: Any) -> Any | TextFault:
        import yaml  # cold start

        for event in events:
            if isinstance(event, yaml.ScalarEvent):
                self._take(_scalar(event), 1, event, event.anchor)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._open(event, isinstance(event, yaml.MappingStartEvent))
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    _stop(event, "a second document begins here: a config is one document")
        if not self._documents:
            return TextFault(1, 1, "the file is empty: a config needs at least BACKENDS")
        return self._root

    def _open(self, event: Any, mapping: bool) -> None:
        if event.tag not in (None, "!") and _TAGS.get(event.tag) is not (dict if mapping else list):
            _stop(event, f"the tag {event.tag} is not allowed here: remove it")
        if len(self._stack) >= MAX_DEPTH:
            _stop(event, f"nested more than {MAX_DEPTH} levels deep")
        if self._stack and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None:
            _stop(event, "a key must be a text")
        self._note(event)
        opened = _Open({} if mapping else [], event.anchor)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._stack.append(opened)
        self._path.append("" if mapping else 0)

    def _close(self) -> None:
        closed = self._stack.pop()
        self._path.pop()
        if isinstance(closed.value, dict):
            for merged in closed.merges:
                for key, value in merged.items():
                    closed.value.setdefault(key, value)
        self._put(closed.value, closed.size, closed.anchor)

    def _alias(self, event: Any) -> None:
        anchored = self._anchors.get(event.anchor, _NO_ANCHOR)
        if anchored is _NO_ANCHOR:
            within = any(opened.anchor == event.anchor for opened in self._stack)
            _stop(event, f"*{event.anchor} {'contains itself' if within else 'has no anchor before it'}")
        self._take(anchored.value, anchored.size, event, None)

    def _take(self, value: Any, size: int, event: Any, anchor: str | None) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, value, event)
            if anchor:
                self._anchors[anchor] = _Anchored(value, size)
            return
        self._note(event)
        if top is not None and top.size + size > MAX_VALUES:
            _stop(event, f"aliases make the document grow beyond {MAX_VALUES:,} values")
        self._put(value, size, anchor)

    def _key(self, top: _Open, key: Any, event: Any) -> None:
        at = _place(event)
        if not isinstance(key, str):
            shown = "null" if key is None else str(key).lower() if isinstance(key, bool) else str(key)
            if isinstance(key, (dict, list)):
                _stop(event, "a key must be a text")
            _stop(event, f"the key {shown} must be a text: put it in quotes")
        if key in top.value and key != "<<":
            _stop(event, f"the key {key!r} is here twice: keep one of them")
        top.key, top.key_at = key, at
        self._path[-1] = key

    def _put(self, value: Any, size: int, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = _Anchored(value, size)
        if not self._stack:
            self._root = value
            return
        top = self._stack[-1]
        top.size += size
        if isinstance(top.value, list):
            top.value.append(value)
            self._path[-1] = len(top.value)
        elif top.key == "<<":
            many = value if isinstance(value, list) else [value]
            if not all(isinstance(one, dict) for one in many):
                line, column = top.key_at
                raise _Stop(TextFault(line, column, "<< takes a mapping, or a list of mappings"))
            top.merges.extend(many)
            top.key = None
        else:
            top.value[str(top.key)] = value
            top.key = None

    def _note(self, event: Any) -> None:
        if self._found is not None:
            at = _place(event)
            in_map = self._stack and isinstance(self._stack[-1].value, dict)
            self._found.setdefault(tuple(self._path), (at, self._stack[-1].key_at if in_map else at))


def _scalar(event: Any) -> Any:
    tag, text = event.tag, event.value
    if tag not in (None, "!"):
        if tag not in _TAGS or _TAGS[tag] in (dict, list):
            _stop(event, f"the tag {tag} is not allowed here: remove it")
        if _TAGS[tag] is str:
            return text
    elif tag == "!" or not event.implicit[0]:
        return text
    if _NO_NUMBER.match(text):
        _stop(event, f"{text} is no number that a config can hold: write a number or leave the key out")
    if len(text) > 4000 and _INT.match(text):
        _stop(event, "a number with thousands of digits: shorten it")
    return _plain(text)


def _plain(text: str) -> Any:
    """What a plain scalar is by the core schema of YAML 1.2; the very same object if it is a text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _stop(event: Any, text: str) -> Any:
    raise _Stop(TextFault(*_place(event), text))
