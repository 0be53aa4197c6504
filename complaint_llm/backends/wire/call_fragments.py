"""Which tool call of a stream a fragment belongs to, on wires that tell it by an index, an id, or not at all."""

from __future__ import annotations

import re
from collections.abc import Hashable

from complaint_llm.named_tuples import NamedTuple

_BRACKETS = re.compile(r'\\[\s\S]|["{}\[\]]')


class Placed(NamedTuple):
    """The call that a fragment belongs to: its number, and its name as far as it is known."""

    key: int
    name: str


class _OpenCall:
    """A call whose fragments are coming in; ``key`` is its number."""

    __slots__ = ("_cut", "_depth", "_in_string", "_opened", "again", "id", "key", "name", "text")

    def __init__(self, key: int, id: str, name: str) -> None:
        self.key = key
        self.id = id
        self.name = name
        self.again = False  # named once more after its arguments were whole
        self.text: list[str] = []
        self._cut = ""
        self._depth = 0
        self._in_string = self._opened = False

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are a whole object, as far as brackets and strings tell."""
        return self._opened and self._depth == 0 and not self._in_string

    def add(self, arguments: str) -> None:
        self.text.append(arguments)
        piece = self._cut + arguments
        self._cut = ""
        if (len(piece) - len(piece.rstrip("\\"))) % 2:
            self._cut, piece = "\\", piece[:-1]
        for mark in _BRACKETS.findall(piece):
            if mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string and mark in "{[":
                self._depth += 1
                self._opened = True
            elif not self._in_string and mark in "}]":
                self._depth -= 1


class CallFragments:
    """Numbers the calls of one stream. Used by the one thread that reads it."""

    def __init__(self) -> None:
        self._count = 0
        self._last: _OpenCall | None = None
        self._latest: dict[Hashable, _OpenCall] = {}
        self._by_id: dict[tuple[Hashable, str], _OpenCall] = {}

    def place(self, slot: Hashable, id: str, name: str, arguments: str) -> Placed | None:
        """The call that the fragment belongs to; None for a fragment that only repeats what came.

        ``slot`` is the index that the wire gives, else the fragment's place in its list. Several calls may share one: a
        new one begins with another id beside a name, with another name, or with arguments after a whole object that
        was named again, for an object cannot go on after its end.
        """
        call = self._find(slot, id, name)
        if call is None or self._begins_another(call, id, name, arguments):
            call = self._new(slot, id, name or (call.name if call else ""))
        elif call.is_whole and arguments.strip():
            if arguments.strip() == "".join(call.text).strip():
                return None
        elif call.is_whole and name:
            call.again = True
        call.name = call.name or name
        if id and not call.id:
            call.id = id
            self._by_id[slot, id] = call
        call.add(arguments)
        return Placed(call.key, call.name)

    def _find(self, slot: Hashable, id: str, name: str) -> _OpenCall | None:
        found = self._by_id.get((slot, id)) if id else None
        if found is not None and name in ("", found.name):
            return found
        found = self._latest.get(slot)
        if found is None and not name:
            # Begun with an index, gone on without: by its id, else it is the last one's.
            found = next((call for (_, known), call in self._by_id.items() if known == id), self._last)
        return found

    @staticmethod
    def _begins_another(call: _OpenCall, id: str, name: str, arguments: str) -> bool:
        if name and call.name and name != call.name:
            return True
        if id and name and call.id and id != call.id:
            return True
        goes_on = call.is_whole and bool(arguments.strip())
        repeats = id == call.id and arguments.strip() == "".join(call.text).strip()
        return goes_on and (bool(name) or call.again) and not (id and repeats)

    def _new(self, slot: Hashable, id: str, name: str) -> _OpenCall:
        call = self._last = self._latest[slot] = _OpenCall(self._count, id, name)
        self._count += 1
        if id:
            self._by_id[slot, id] = call
        return call
