"""What an entry of BACKENDS becomes, and the parts of composed ones: ids of declared ones, names of types, or entries
written inline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from complaint_llm.backends.options import COMMON_KEYS
from complaint_llm.config.problems import Place, nearest
from complaint_llm.config.validation import part_of
from complaint_llm.json_schema.check import Unset
from complaint_llm.named_tuples import NamedTuple

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType

MAX_DEPTH = 16
"""Entries inside entries; a deeper nesting is refused before it is read."""

_OF_ITS_OWN = frozenset(("id", "type", "timeout", "optional", "handling"))
_OF_THE_FIRST = frozenset(("api_key", "base_url", "custom_headers"))


class BackendEntry(NamedTuple):
    """A backend that the config declares and that can be made.

    ``keys`` are those of the type's factory but for the id: presets under what the file says, references filled,
    aliases resolved, secrets as Secret; of a composed type the members are as ``EntryMember`` says. ``place`` is where
    it stands in the document: in BACKENDS, or inline in another entry.
    """

    id: str
    type: BackendType
    keys: Mapping[str, Any]
    place: Place


class LeftOut(NamedTuple):
    """An optional part that cannot work here, with the reason. ``lacks`` is a word for its kind, such as "key"."""

    id: str
    type: BackendType
    reason: str
    lacks: str


EntryMember: TypeAlias = Any
"""The id of a declared backend (a str), a BackendEntry, a LeftOut, or a backend that code made itself."""


class Lent(NamedTuple):
    """Common keys of a composed backend that hold for a part which gives none of its own, and where they stand."""

    keys: Mapping[str, Any]
    places: Mapping[str, Place]

    def but_for_the_first(self) -> Lent:
        """Those that hold for every part: a key and the address that it is for belong to the first alone."""
        return Lent({key: value for key, value in self.keys.items() if key not in _OF_THE_FIRST}, self.places)


NOTHING_LENT = Lent({}, {})


def lent_keys(keys: Mapping[str, Any], given: frozenset[str], places: Mapping[str, Place]) -> Lent:
    """What an entry lends to its inline parts: the common keys among those that it was given."""
    lent = (COMMON_KEYS & given) - _OF_ITS_OWN
    return Lent({key: keys[key] for key in lent if key in keys and not isinstance(keys[key], Unset)}, places)


def takes_entries(schema: Mapping[str, Any], path: Place) -> bool:
    """Whether a part may be written inline: a type's name will do then, too."""
    part = part_of(schema, path)
    return any(branch.get("type") == "object" for word in ("anyOf", "oneOf") for branch in part.get(word, ()))


def part_items(keys: Mapping[str, Any], parts: tuple[str, ...]) -> Iterator[tuple[Place, Any]]:
    """Each part that an entry's keys have, with its place among them."""
    for key in parts:
        value = keys.get(key)
        if isinstance(value, list):
            yield from (((key, index), item) for index, item in enumerate(value))
        elif value is not None:
            yield (key,), value


def with_parts(keys: Mapping[str, Any], parts: tuple[str, ...], change: Callable[[Place, Any], Any]) -> dict[str, Any]:
    """The keys with each part changed."""
    changed = dict(keys)
    for key in parts:
        value = keys.get(key)
        if isinstance(value, list):
            changed[key] = [change((key, index), item) for index, item in enumerate(value)]
        elif value is not None:
            changed[key] = change((key,), value)
    return changed


def is_entry(part: EntryMember) -> TypeGuard[BackendEntry]:
    """Whether a part is an entry that was written inline."""
    return hasattr(part, "place")


def entries_within(entries: Sequence[BackendEntry]) -> Iterator[BackendEntry]:
    """The entries that are written inline in these, and in those in turn."""
    for entry in entries:
        if not entry.type.parts:
            continue
        inner = [part for _, part in part_items(entry.keys, entry.type.parts) if is_entry(part)]
        yield from inner
        yield from entries_within(inner)


def is_backend(part: Any) -> bool:
    """Whether a part is an object that code made, not something that a file can hold."""
    return not isinstance(part, (str, int, float, dict, list, Unset, type(None)))


def undeclared_text(id: str, known: Sequence[str]) -> str:
    """What to say of an id that no backend has."""
    meant = nearest(id, known)
    return f'no backend "{id}" in BACKENDS' + (
        f'; did you mean "{meant}"?' if meant else ": declare it, or remove it here"
    )


def as_mapping(entry: BackendEntry) -> dict[str, Any]:
    """An entry as plain mappings, its inline parts too: what it is, without what makes it."""

    def plain(path: Place, part: EntryMember) -> Any:
        if isinstance(part, LeftOut):
            return {"id": part.id, "type": part.type.name}
        return as_mapping(part) if is_entry(part) else part

    return {"id": entry.id, "type": entry.type.name, **with_parts(entry.keys, entry.type.parts, plain)}
