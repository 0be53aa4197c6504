"""What refers to what: ids that must be unique, declared, and free of circles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from complaint_llm.config.entries import BackendEntry, Read
from complaint_llm.config.problems import Path, Problem, nearest
from complaint_llm.config.schema import part_of


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
        path: Path = ("MEDIATOR", "backends", index)
        if id not in known:
            yield Problem(path, undeclared(id, known))
        elif id in seen:
            yield Problem(path, f'the id "{id}" is here twice: keep one of them')
        seen.add(id)


def check_parts(
    entries: Iterable[BackendEntry], known: Sequence[str], types: Iterable[str], schemas: Mapping[str, Any]
) -> Iterator[Problem]:
    """A problem for each part of a composed backend that is not declared, and for each circle."""
    composed = {entry.id: entry for entry in entries if entry.type.parts}
    kinds = frozenset(types) if composed else frozenset()
    edges: dict[str, list[tuple[str, Path]]] = {}
    for entry in composed.values():
        for key, index, id in part_ids(entry):
            path: Path = ("BACKENDS", entry.place, key) if index is None else ("BACKENDS", entry.place, key, index)
            edges.setdefault(entry.id, []).append((id, path))
            if id not in known and not (id in kinds and _takes_types(schemas.get(entry.type.name), key, index)):
                yield Problem(path, undeclared(id, known))
    yield from _circles(edges)


def part_ids(entry: BackendEntry) -> Iterator[tuple[str, int | None, str]]:
    """The key, the index in its list and the id of each part that a composed backend names."""
    for key in entry.type.parts:
        value = entry.keys.get(key)
        if isinstance(value, str):
            yield key, None, value
        elif isinstance(value, list):
            yield from ((key, index, id) for index, id in enumerate(value) if isinstance(id, str))


def without_parts(entries: Sequence[BackendEntry], left_out: Mapping[str, str]) -> dict[str, str]:
    """The composed backends of which every part was left out, with the reason; what is made of those too."""
    gone = dict(left_out)
    while True:
        found = {}
        for entry in entries:
            parts = [id for _, _, id in part_ids(entry)]
            if entry.id not in gone and parts and all(id in gone for id in parts):
                found[entry.id] = f"all of its parts were left out ({', '.join(parts)})"
        if not found:
            return {id: reason for id, reason in gone.items() if id not in left_out}
        gone.update(found)


def with_parts_left(entry: BackendEntry, left_out: Mapping[str, str]) -> BackendEntry:
    """A composed backend without the parts that were left out. Where a key holds one id, the next part moves up."""

    def gone(id: Any) -> bool:
        return isinstance(id, str) and id in left_out

    keys = dict(entry.keys)
    lists = [key for key in entry.type.parts if isinstance(keys.get(key), list)]
    for key in lists:
        keys[key] = [id for id in keys[key] if not gone(id)]
    for key in entry.type.parts:
        spare = next((other for other in lists if keys[other]), None)
        if spare is not None and gone(keys.get(key)):
            keys[key], *keys[spare] = keys[spare]
    return entry._replace(keys=keys)


def undeclared(id: str, known: Sequence[str]) -> str:
    """What to say of an id that no backend has."""
    meant = nearest(id, known)
    return f'no backend "{id}" in BACKENDS' + (
        f'; did you mean "{meant}"?' if meant else ": declare it, or remove it here"
    )


def _takes_types(schema: Any, key: str, index: int | None) -> bool:
    """Whether a part may be something else than an id: where its schema allows a whole entry, a type's name will do."""
    part = part_of(schema, (key,) if index is None else (key, index))
    return any(branch.get("type") == "object" for word in ("anyOf", "oneOf") for branch in part.get(word, ()))


def _circles(edges: Mapping[str, Sequence[tuple[str, Path]]]) -> Iterator[Problem]:
    done: set[str] = set()
    for start in edges:
        stack: list[tuple[str, Iterator[tuple[str, Path]]]] = [(start, iter(edges[start]))]
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
