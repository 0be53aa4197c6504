"""What refers to what: ids that must be unique, declared, and free of circles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from complaint_llm.config.entries import Read
from complaint_llm.config.parts import BackendEntry, EntryMember, LeftOut, part_items, undeclared_text, with_parts
from complaint_llm.config.problems import Place, Problem


def check_ids(reads: Sequence[Read]) -> Iterator[Problem]:
    """A problem for each id that was taken before."""
    first: dict[str, int] = {}
    for index, read in enumerate(reads):
        if read.id is None:
            continue
        if read.id in first:
            yield Problem(
                ("BACKENDS", index, "id"), f'the id "{read.id}" is taken by /BACKENDS/{first[read.id]}: choose another'
            )
        else:
            first[read.id] = index


def check_mediator(ids: Any, known: Sequence[str]) -> Iterator[Problem]:
    """A problem for each id in MEDIATOR.backends that is not declared, or is there twice."""
    seen: set[str] = set()
    for index, id in enumerate(ids if isinstance(ids, list) else ()):
        if not isinstance(id, str):
            continue
        path: Place = ("MEDIATOR", "backends", index)
        if id not in known:
            yield Problem(path, undeclared_text(id, known))
        elif id in seen:
            yield Problem(path, f'the id "{id}" is here twice: keep one of them')
        seen.add(id)


def check_circles(entries: Iterable[BackendEntry]) -> Iterator[Problem]:
    """A problem for each backend that is a part of itself, be it through entries inside entries."""
    return _circles({entry.id: list(part_ids(entry)) for entry in entries if entry.type.parts})


def part_ids(entry: BackendEntry) -> Iterator[tuple[str, Place]]:
    """The ids of declared backends that a composed one names, itself or in its inline parts, and their places."""
    for path, part in part_items(entry.keys, entry.type.parts):
        if isinstance(part, str):
            yield part, (*entry.place, *path)
        elif isinstance(part, BackendEntry):
            yield from part_ids(part)


class Remaining:
    """What is left of composed backends without the optional ones that cannot work. For one config, once."""

    def __init__(self, entries: Iterable[BackendEntry], left_out: Mapping[str, str]) -> None:
        self._entries = {entry.id: entry for entry in entries}
        self.left_out = dict(left_out)
        """The ids that are left out, with the reason: also of composed backends of which nothing is left."""
        composed = [entry for entry in self._entries.values() if entry.type.parts]
        before = -1
        while len(self.left_out) != before:
            before = len(self.left_out)
            for entry in composed:
                gone = self._gone(entry)
                if gone is not None and entry.id not in self.left_out:
                    self.left_out[entry.id] = gone
        self.inline: dict[str, str] = {}
        """The ids of inline parts that are left out, with the reason."""

    def entries(self) -> tuple[BackendEntry, ...]:
        """The backends that can be made, without the parts that were left out."""
        kept = (entry for entry in self._entries.values() if entry.id not in self.left_out)
        return tuple(self._without_gone(entry) if entry.type.parts else entry for entry in kept)

    def _gone(self, entry: BackendEntry) -> str | None:
        """Why nothing is left of a composed backend; None if something is, or if it is made of nothing."""
        reasons = [self._reason(part) for _, part in part_items(entry.keys, entry.type.parts)]
        if not reasons or None in reasons:
            return None
        return f"all of its parts were left out ({', '.join(map(str, reasons))})"

    def _reason(self, part: EntryMember) -> str | None:
        if isinstance(part, LeftOut):
            return f"{part.id}: {part.reason}"
        if isinstance(part, BackendEntry):
            gone = self._gone(part)
            return None if gone is None else f"{part.id}: {gone}"
        return part if isinstance(part, str) and part in self.left_out else None

    def _without_gone(self, entry: BackendEntry) -> BackendEntry:
        """A backend without its parts that are gone. Where a key holds one part, the next moves up.

        A part that was left out inline stays, to be told of in the attempts, but never as what keeps a mock silent.
        """
        parts = entry.type.parts
        keys = with_parts(entry.keys, parts, lambda _, part: self._left_part(part))
        mocks_only = all(self._is_mock(part) for _, part in part_items(keys, parts) if not self._is_gone(part))

        def stays(part: EntryMember) -> bool:
            return not self._is_gone(part) or (isinstance(part, LeftOut) and not mocks_only)

        lists = [key for key in parts if isinstance(keys.get(key), list)]
        for key in lists:
            keys[key] = [part for part in keys[key] if stays(part)]
        for key in parts:
            spare = next((other for other in lists if keys[other]), None)
            if spare is not None and key in keys and key not in lists and not stays(keys[key]):
                keys[key], *keys[spare] = keys[spare]
        return entry._replace(keys=keys)

    def _left_part(self, part: EntryMember) -> EntryMember:
        if isinstance(part, BackendEntry):
            gone = self._gone(part)
            part = self._without_gone(part) if gone is None else LeftOut(part.id, part.type, gone, "parts")
        if isinstance(part, LeftOut):
            self.inline[part.id] = part.reason
        return part

    def _is_gone(self, part: EntryMember) -> bool:
        return isinstance(part, LeftOut) or (isinstance(part, str) and part in self.left_out)

    def _is_mock(self, part: EntryMember) -> bool:
        entry = self._entries.get(part) if isinstance(part, str) else part
        if not isinstance(entry, BackendEntry):
            return bool(getattr(part, "demo", False))
        inner = [each for _, each in part_items(entry.keys, entry.type.parts) if not self._is_gone(each)]
        return all(map(self._is_mock, inner)) if inner else entry.type.demo


def _circles(edges: Mapping[str, Sequence[tuple[str, Place]]]) -> Iterator[Problem]:
    done: set[str] = set()
    for start in edges:
        stack: list[tuple[str, Iterator[tuple[str, Place]]]] = [(start, iter(edges[start]))]
        trail = [start]
        while stack:
            node, rest = stack[-1]
            step = next(rest, None)
            if step is None:
                stack.pop()
                trail.pop()
                done.add(node)
                continue
            id, path = step
            if id in trail:
                circle = " -> ".join([*trail[trail.index(id) :], id])
                yield Problem(path, f"a circle, {circle}: a backend cannot be a part of itself")
            elif id in edges and id not in done:
                stack.append((id, iter(edges[id])))
                trail.append(id)
