"""One entry after another, declared or inline: from what the file says to the keys that a backend is made of.

An entry comes with its references filled (``environment.fill``) and goes through these steps, in this order: names,
members, presets and lent keys, rules, the entries of its members, what it needs to work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.config.entry_types import EntryDraft, EntryType, EntryTypes
from complaint_llm.config.environment import Environment, Filled, fill, process_environment
from complaint_llm.config.parts import (
    MAX_DEPTH,
    NOTHING_LENT,
    BackendEntry,
    EntryMember,
    LeftOut,
    Lent,
    lent_keys,
    takes_entries,
    undeclared_text,
    with_parts,
)
from complaint_llm.config.problems import Place, Problem, nearest
from complaint_llm.config.readiness import Lack, Readiness
from complaint_llm.config.validation import Validator, is_secret
from complaint_llm.exceptions import PluginError
from complaint_llm.json_schema.check import Unset
from complaint_llm.json_schema.problems import kind_of
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType
    from complaint_llm.host import PluginHost


class Read(NamedTuple):
    """What came of one entry: a backend, a reason to leave it out, or problems."""

    id: str | None
    entry: BackendEntry | None = None
    left_out: LeftOut | None = None
    problems: tuple[Problem, ...] = ()


class Site(NamedTuple):
    """Where an entry stands, and what holds there.

    ``owner`` is the id of the composed entry that it is a member of, None in BACKENDS. ``bare`` says that it is written
    as the name of a type alone.
    """

    place: Place
    owner: str | None = None
    lent: Lent = NOTHING_LENT
    bare: bool = False
    depth: int = 0


class EntryReader:
    """Reads entries for one config. Used by one thread."""

    def __init__(
        self, host: PluginHost, environment: Environment, folder: Path, ids: Collection[str] = frozenset()
    ) -> None:
        """``ids`` are those of all entries: a member of this name is that backend, not a type."""
        self.types = EntryTypes(host, environment)
        self._environment = environment
        self._folder = folder
        self._ids = ids
        self._taken: dict[str, Place] = {}
        self._readiness = Readiness(environment)
        self._without_type = Validator({**self.types.common, "additionalProperties": True})

    def read(self, entry: Filled, site: Site) -> Read:
        """The entry at a place of the document. Raises nothing for what a config may contain."""
        if not isinstance(entry.value, dict):
            given = "" if isinstance(entry.value, Unset) else entry.value
            text = f"a backend is a mapping with id and type, not {kind_of(given)}"
            return Read(None, problems=_in_document(entry.problems or [Problem((), text)], site, {}))
        id = _text_or_none(entry.value.get("id"))
        name = _text_or_none(entry.value.get("type"))
        if name is None:
            return Read(id, problems=self._problems_without_type(entry, site))
        kind = self.types.find(name)
        if isinstance(kind, PluginError):
            found = [Problem(("type",), str(kind)), *entry.problems]
            return Read(id, problems=_in_document(found, site, {}))
        return self._read_as(kind, entry, site)

    def _problems_without_type(self, entry: Filled, site: Site) -> tuple[Problem, ...]:
        if site.owner is not None:
            entry = entry._replace(value={"id": "part", **entry.value})
        found = [*entry.problems, *_unset_problems(entry), *self._without_type.read(entry).problems]
        return _in_document(found, site, {})

    def _read_as(self, kind: EntryType, written: Filled, site: Site) -> Read:
        draft = kind.draft(written)
        id = self._claim_id(draft, kind, site)
        lent = {key: value for key, value in site.lent.keys.items() if key not in draft.given and kind.takes(key)}
        places = {key: site.place if site.bare else (*site.place, *at) for key, at in draft.given.items()}
        places |= {key: site.lent.places[key] for key in lent}
        own = {} if id is None else {"id": id}
        entry = draft.entry._replace(value={**own, **draft.entry.value, **lent})

        keys, broken = kind.validator.read(entry)
        found = [*draft.problems, *entry.problems, *self._explain_refused(broken, kind)]
        inside: list[Problem] = []
        if kind.type.parts:
            lends = _lent_by(keys, places, found) if kind.type.lends else NOTHING_LENT
            members = site._replace(owner=id or "backend", lent=lends)
            keys, inside = self._read_members(keys, draft.inline, kind, members)

        lack = self._lack(kind.type, keys, entry)
        optional = keys.get("optional") is True
        if lack is not None and optional and not found and not inside and id is not None:
            return Read(id, left_out=LeftOut(id, kind.type, lack.reason, lack.kind))
        # What an optional backend lacks only leaves it out: of one with other faults, those are the ones to mend.
        if lack is not None and not optional:
            found += _lack_problems(lack, entry)
        if found or inside or id is None:
            return Read(id, problems=(*_in_document(found, site, places), *inside))
        return Read(id, BackendEntry(id, kind.type, self._made_keys(kind, keys), site.place))

    # -- the steps -----------------------------------------------------------------------------------------------

    def _claim_id(self, draft: EntryDraft, kind: EntryType, site: Site) -> str | None:
        """The id that the entry has, or that is made for a member without one; None where it is no text."""
        id = _text_or_none(draft.entry.value.get("id"))
        if site.owner is None:
            return id
        if "id" not in draft.given:
            names = (f"{site.owner[:150]}/{kind.type.name}" + (f"-{n}" if n > 1 else "") for n in count(1))
            id = next(name for name in names if name not in self._ids and name not in self._taken)
        if id is not None:
            self._taken.setdefault(id, site.place)
        return id

    def _explain_refused(self, broken: list[Problem], kind: EntryType) -> list[Problem]:
        """Says of a common key that the type cannot honour just that, instead of calling it unknown."""
        if not broken:
            return []
        refused = self.types.common["properties"].keys() - kind.validator.schema["properties"].keys()
        text = f"the type {kind.type.name} cannot do this: remove the key"
        return [
            problem._replace(text=text) if len(problem.path) == 1 and problem.path[0] in refused else problem
            for problem in broken
        ]

    def _read_members(
        self, keys: dict[str, Any], inline: Mapping[Place, Any], kind: EntryType, owner: Site
    ) -> tuple[dict[str, Any], list[Problem]]:
        """The keys with their members read, and what is wrong with those. ``owner`` says what holds for them."""
        inside: list[Problem] = []
        lent = owner.lent

        def read(path: Place, member: Any) -> EntryMember:
            nonlocal lent
            site = Site(
                place=(*owner.place, *path),
                owner=owner.owner,
                lent=lent,
                bare=path not in inline,
                depth=owner.depth + 1,
            )
            lent = lent.but_for_the_first()
            if path in inline:
                if not isinstance(inline[path], Filled):
                    return inline[path]
                done = self._read_inline(inline[path], site)
            elif not isinstance(member, str) or member in self._ids:
                return member
            else:
                done = self._read_bare(member, site, takes_entries(kind.validator.schema, path))
            inside.extend(done.problems)
            return done.entry or done.left_out

        return with_parts(keys, kind.type.parts, read), inside

    def _read_inline(self, entry: Filled, site: Site) -> Read:
        if site.depth > MAX_DEPTH:
            text = f"nested deeper than {MAX_DEPTH}: declare it in BACKENDS"
            return Read(None, problems=(Problem(site.place, text),))
        done = self.read(entry, site)
        id = done.id
        if "id" in entry.value and id is not None and (id in self._ids or self._taken.get(id) != site.place):
            found = Problem((*site.place, "id"), f'the id "{id}" is taken: choose another')
            return done._replace(entry=None, left_out=None, problems=(*done.problems, found))
        return done

    def _read_bare(self, name: str, site: Site, may_be_inline: bool) -> Read:
        """A member that is no id of BACKENDS: the name of a type, where such a member may be written inline."""
        text = undeclared_text(name, tuple(self._ids))
        kind = self.types.find(name) if may_be_inline else None
        if isinstance(kind, EntryType):
            return self._read_as(kind, Filled.of({"type": name, "optional": True}), site)
        if kind is not None and nearest(name, tuple(self._ids)) is None:
            text = f'no backend "{name}" in BACKENDS; {kind}' if self._ids else str(kind)
        return Read(None, problems=(Problem(site.place, text),))

    def _lack(self, type: BackendType, keys: Mapping[str, Any], entry: Filled) -> Lack | None:
        """What the backend needs and does not have here."""
        if entry.unset:
            names = list(dict.fromkeys(name for _, name in entry.unset))
            listed = " and ".join(f"${name}" for name in names)
            said, them = ("is", "it") if len(names) == 1 else ("are", "them")
            return Lack("unset", f"{listed} {said} not set: set {them}, here or in a .env beside the config")
        return self._readiness.lack(type, keys)

    def _made_keys(self, kind: EntryType, keys: Mapping[str, Any]) -> Mapping[str, Any]:
        """The keys of the factory: left out ones from the type's usual variables, paths from the config's folder."""
        made = {key: value for key, value in keys.items() if key not in ("id", "type")}
        for key, variable in self._usual_variables(kind).items():
            value = self._environment.get(variable)
            # What the process has set, the backend finds by itself, and may know more about it than that it is a key.
            if key not in made and value is not None and process_environment().get(variable) != value:
                made[key] = Secret(value, variable) if is_secret(kind.validator.schema, (key,)) else value
        for key in kind.paths & made.keys():
            if isinstance(made[key], str):
                made[key] = str(self._folder / Path(made[key]).expanduser())
        return made

    def _usual_variables(self, kind: EntryType) -> Mapping[str, str]:
        """The variables to fill left out keys from: of several for the key the first that is set."""
        variables = dict(kind.type.variables)
        others = tuple(name for name in kind.type.key_variables if name not in variables.values())
        first = self._environment.first(others)
        if first is not None and "api_key" not in kind.type.refuses:
            variables["api_key"] = first
        return variables


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _lent_by(keys: Mapping[str, Any], places: Mapping[str, Place], found: Iterable[Problem]) -> Lent:
    """What an entry lends to its members: of the keys that were given, those that nothing is wrong with."""
    wrong = {problem.path[0] for problem in found if problem.path}
    return lent_keys(keys, frozenset(places.keys() - wrong), places)


def _lack_problems(lack: Lack, entry: Filled) -> list[Problem]:
    if lack.kind == "unset":
        return _unset_problems(entry)
    if lack.kind == "silent":
        return []
    at = ("type",) if lack.kind == "modules" else ()
    return [Problem(at, f'{lack.reason}, or mark the backend "optional": true')]


def _unset_problems(entry: Filled) -> list[Problem]:
    return [
        Problem(path, f'${name} is not set: set it, write ${{{name}:-default}}, or mark the backend "optional": true')
        for path, name in entry.unset
    ]


def _in_document(found: Iterable[Problem], site: Site, places: Mapping[str, Place]) -> tuple[Problem, ...]:
    """Problems of an entry at their places in the document; ``places`` are those of keys that stand elsewhere."""
    placed = []
    for problem in found:
        first = problem.path[:1]
        origin = places.get(str(first[0]), (*site.place, *first)) if first else site.place
        placed.append(problem._replace(path=(*origin, *problem.path[1:])))
    return tuple(placed)


def read_entries(host: PluginHost, environment: Environment, folder: Path, entries: Iterable[Any]) -> list[Read]:
    """What came of each entry of BACKENDS, as it stands in the document; every value is filled once."""
    filled = [fill(entry, environment) for entry in entries]
    ids = (entry.value.get("id") for entry in filled if isinstance(entry.value, dict))
    reader = EntryReader(host, environment, folder, frozenset(id for id in ids if isinstance(id, str)))
    return [reader.read(entry, Site(("BACKENDS", index))) for index, entry in enumerate(filled)]


__all__ = ["BackendEntry", "EntryReader", "Read", "Site", "read_entries"]
