"""One entry of BACKENDS after another: from what the file says to the keys that a backend is made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.backends.options import ALIASES
from complaint_llm.config import problems
from complaint_llm.config.environment import Environment, fill, process_environment
from complaint_llm.config.parts import (
    MAX_DEPTH,
    NOTHING_LENT,
    LeftOut,
    Lent,
    Part,
    is_backend,
    lent_keys,
    takes_entries,
    undeclared,
    with_parts,
)
from complaint_llm.config.problems import Problem, nearest
from complaint_llm.config.readiness import Readiness
from complaint_llm.config.schema import entry_schema, is_secret
from complaint_llm.config.validation import Validator
from complaint_llm.exceptions import PluginError
from complaint_llm.json_schema.files import read_schema
from complaint_llm.json_schema.problems import kind_of
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType
    from complaint_llm.host import PluginHost


class BackendEntry(NamedTuple):
    """A backend that the config declares and that can be made.

    ``keys`` are those of the type's factory but for the id: presets under what the file says, references filled,
    aliases resolved, secrets as Secret; of a composed type the parts are as ``parts.Part`` says. ``place`` is where it
    stands in the document: in BACKENDS, or inline in another entry.
    """

    id: str
    type: BackendType
    keys: Mapping[str, Any]
    place: problems.Path


class Read(NamedTuple):
    """What came of one entry: a backend, a reason to leave it out, or problems."""

    id: str | None
    entry: BackendEntry | None = None
    left_out: LeftOut | None = None
    problems: tuple[Problem, ...] = ()


class Site(NamedTuple):
    """Where an entry stands, and what holds there.

    ``owner`` is the id of the composed entry that it is a part of, None in BACKENDS. ``bare`` says that it is written
    as the name of a type alone.
    """

    here: problems.Path
    owner: str | None = None
    lent: Lent = NOTHING_LENT
    bare: bool = False
    depth: int = 0


class Kind(NamedTuple):
    """A backend type with what is prepared once for all its entries."""

    type: BackendType
    validator: Validator
    paths: frozenset[str]
    renames: Mapping[str, str]
    presets: Mapping[str, Any]

    def takes(self, key: str) -> bool:
        """Whether an entry of this type may have this key."""
        return key in self.validator.schema["properties"]

    def named(self, path: problems.Path) -> problems.Path:
        """A path in the file's entry by the names of the keys here."""
        new = self.renames.get(str(path[0])) if path else None
        if new == "":
            return self.named(path[1:])
        return path if new is None else (new, *path[1:])


_FREE = {"input": 0, "output": 0}


class EntryReader:
    """Reads entries for one config. Used by one thread."""

    def __init__(
        self, host: PluginHost, environment: Environment, folder: Path, ids: Collection[str] = frozenset()
    ) -> None:
        """``ids`` are those of all entries: a part of this name is that backend, not a type."""
        self._host = host
        self._environment = environment
        self._folder = folder
        self._ids = ids
        self._taken: dict[str, problems.Path] = {}
        self._readiness = Readiness(environment)
        self._common = read_schema("backend")
        self._nameless = Validator({**self._common, "additionalProperties": True})
        self._kinds: dict[str, Kind | PluginError] = {}

    def read(self, raw: Any, site: Site) -> Read:
        """The entry at a place of the document. Raises nothing for what a config may contain."""
        here = site.here
        if not isinstance(raw, dict):
            return Read(None, problems=(Problem(here, f"a backend is a mapping with id and type, not {kind_of(raw)}"),))
        head = {key: raw[key] for key in ("id", "type") if key in raw}
        filled = fill(head, self._environment)
        given_id = filled.value.get("id")
        id = given_id if isinstance(given_id, str) and given_id else None
        name = filled.value.get("type")
        if not isinstance(name, str) or not name:
            return self._without_type(id, raw, site)
        kind = self.kind(name)
        if isinstance(kind, PluginError):
            found = fill(raw, self._environment).problems
            return Read(id, problems=(Problem((*here, "type"), str(kind)), *_placed(here, found, {})))
        return self._read(id, site, kind, raw)

    def _without_type(self, id: str | None, raw: dict[str, Any], site: Site) -> Read:
        filled = fill(raw if site.owner is None else {"id": "part", **raw}, self._environment)
        found = [*filled.problems, *_unset_problems(filled.unset), *self._nameless.misplaced(filled.secret)]
        found += self._nameless.problems(filled.value, filled.unknown)
        return Read(id, problems=tuple(_placed(site.here, found, {})))

    def kind(self, name: str) -> Kind | PluginError:
        """The type of a name, or why there is none."""
        known = self._kinds.get(name)
        if known is None:
            try:
                known = self._prepared(self._host.backend_type(name))
            except PluginError as error:
                known = error
            self._kinds[name] = known
        return known

    def part_keys(self, name: str) -> tuple[str, ...]:
        """The keys of a type that hold its parts."""
        kind = self.kind(name)
        return () if isinstance(kind, PluginError) else kind.type.parts

    def kind_of_entry(self, entry: Mapping[str, Any]) -> Kind:
        """The type of an entry that was read before. Raises PluginError."""
        kind = self.kind(fill(entry["type"], self._environment).value)
        if isinstance(kind, PluginError):
            raise kind
        return kind

    def _prepared(self, type: BackendType) -> Kind:
        schema = entry_schema(type, self._common)
        own = schema["properties"]
        renames = {old: new for old, new in ALIASES.items() if old not in own}
        if "path" not in own:
            renames["path"] = "model_path" if "model_path" in own else "model"
        if "parameters" not in own:
            renames["parameters"] = ""
        paths = frozenset(key for key, part in own.items() if isinstance(part, dict) and part.get("format") == "path")
        presets = type.presets
        if type.demo and "pricing" in own:
            presets = {"pricing": _FREE, **presets}  # no model, no price: that is known
        return Kind(type, Validator(schema), paths, renames, presets)

    def _read(self, id: str | None, site: Site, kind: Kind, raw: dict[str, Any]) -> Read:
        here = site.here
        named, origins, found = _renamed(raw, kind.renames)
        places = {key: (*here, *path) for key, path in origins.items()}
        if site.bare:
            places = dict.fromkeys(named, here)
        if site.owner is not None and "id" not in named:
            id = self._made_up_id(site.owner, kind.type.name)
            named = {"id": id, **named}
        if site.owner is not None and id is not None:
            self._taken.setdefault(id, here)
        written, inline = _without_inline(named, kind)
        filled = fill({**kind.presets, **written} if kind.presets else written, self._environment)
        check = kind.validator
        lent = {key: value for key, value in site.lent.keys.items() if key not in named and kind.takes(key)}
        places |= {key: site.lent.places[key] for key in lent}
        keys = check.convert(check.hide({**filled.value, **lent}), filled.whole)
        found += filled.problems
        found += check.misplaced(filled.secret)
        try:
            found += (_traced(problem, filled.whole) for problem in check.problems(keys, filled.unknown))
        except PluginError as error:
            found.append(Problem(("type",), str(error)))
        self._name_refused(found, kind)
        keys, inside = self._with_parts(keys, inline, frozenset((*named, *lent)), kind, site, id, places, found)
        reason = self._reason(kind.type, keys, filled.unset)
        if reason is not None and not found and not inside and keys.get("optional") is True and id is not None:
            return Read(id, left_out=LeftOut(id, kind.type, reason[1], reason[0]))
        # What an optional backend lacks only leaves it out: of one with other faults, those are the ones to mend.
        required = keys.get("optional") is not True
        if required and filled.unset:
            found += _unset_problems(filled.unset)
        elif required and reason is not None and reason[0] != "silent":
            at = ("type",) if reason[0] == "modules" else ()
            found.append(Problem(at, f'{reason[1]}, or mark the backend "optional": true'))
        if found or inside or id is None:
            return Read(id, problems=(*_placed(here, found, places), *inside))
        return Read(id, BackendEntry(id, kind.type, self._made_of(kind, keys), here))

    def _with_parts(
        self,
        keys: dict[str, Any],
        inline: Mapping[problems.Path, Any],
        given: frozenset[str],
        kind: Kind,
        site: Site,
        id: str | None,
        places: Mapping[str, problems.Path],
        found: Sequence[Problem],
    ) -> tuple[dict[str, Any], list[Problem]]:
        """The keys with their parts read, and what is wrong with those."""
        if not kind.type.parts:
            return keys, []
        lent = NOTHING_LENT
        if kind.type.lends:
            wrong = {problem.path[0] for problem in found if problem.path}
            at = {key: places.get(key, (*site.here, key)) for key in given}
            lent = lent_keys(keys, given - wrong, at)
        inside: list[Problem] = []

        def read(path: problems.Path, part: Any) -> Part:
            nonlocal lent
            mine, lent = lent, lent.but_for_the_first()
            place = (*site.here, *path)
            if path in inline and not isinstance(inline[path], dict):
                return inline[path]
            if path not in inline and (not isinstance(part, str) or part in self._ids):
                return part
            of = Site(place, id or "backend", mine, path not in inline, site.depth + 1)
            done = self._inline(inline[path], of) if path in inline else self._bare(part, of, kind, path)
            inside.extend(done.problems)
            return done.entry or done.left_out

        return with_parts(keys, kind.type.parts, read), inside

    def _inline(self, raw: dict[str, Any], site: Site) -> Read:
        if site.depth > MAX_DEPTH:
            return Read(None, problems=(Problem(site.here, f"nested deeper than {MAX_DEPTH}: declare it in BACKENDS"),))
        done = self.read(raw, site)
        id = done.id
        if "id" in raw and id is not None and (id in self._ids or self._taken.get(id) != site.here):
            found = Problem((*site.here, "id"), f'the id "{id}" is taken: choose another')
            return done._replace(entry=None, left_out=None, problems=(*done.problems, found))
        return done

    def _bare(self, name: str, site: Site, composed: Kind, path: problems.Path) -> Read:
        """A part that is no id of BACKENDS: the name of a type, where such a part may be written inline."""
        if not takes_entries(composed.validator.schema, path):
            return Read(None, problems=(Problem(site.here, undeclared(name, tuple(self._ids))),))
        kind = self.kind(name)
        if not isinstance(kind, PluginError):
            return self._read(None, site, kind, {"type": name, "optional": True})
        meant = nearest(name, tuple(self._ids))
        text = undeclared(name, tuple(self._ids)) if meant else f'no backend "{name}" in BACKENDS; {kind}'
        return Read(None, problems=(Problem(site.here, text if self._ids else str(kind)),))

    def _made_up_id(self, owner: str, type: str) -> str:
        """The id of a part that has none: of its owner and its type, with a number from the second on."""
        names = (f"{owner[:150]}/{type}" + (f"-{n}" if n > 1 else "") for n in count(1))
        return next(name for name in names if name not in self._ids and name not in self._taken)

    def _name_refused(self, found: list[Problem], kind: Kind) -> None:
        """Says of a common key that the type cannot honour just that, instead of calling it unknown."""
        refused = self._common["properties"].keys() - kind.validator.schema["properties"].keys()
        text = f"the type {kind.type.name} cannot do this: remove the key"
        for at, problem in enumerate(found):
            if len(problem.path) == 1 and problem.path[0] in refused:
                found[at] = problem._replace(text=text)

    def _reason(
        self, type: BackendType, keys: Mapping[str, Any], unset: tuple[tuple[problems.Path, str], ...]
    ) -> tuple[str, str] | None:
        if unset:
            names = list(dict.fromkeys(name for _, name in unset))
            listed = " and ".join(f"${name}" for name in names)
            return "unset", f"{listed} {'is' if len(names) == 1 else 'are'} not set"
        return self._readiness.reason(type, keys)

    def _made_of(self, kind: Kind, keys: dict[str, Any]) -> Mapping[str, Any]:
        made = {key: value for key, value in keys.items() if key not in ("id", "type")}
        for key, variable in self._usual(kind).items():
            value = self._environment.get(variable)
            # What the process has set, the backend finds by itself, and may know more about it than that it is a key.
            if key not in made and value is not None and process_environment().get(variable) != value:
                made[key] = Secret(value, variable) if is_secret(kind.validator.schema, (key,)) else value
        for key in kind.paths & made.keys():
            if isinstance(made[key], str):
                made[key] = str(self._folder / Path(made[key]).expanduser())
        return made

    def _usual(self, kind: Kind) -> Mapping[str, str]:
        """The variables to fill left out keys from: of several for the key the first that is set."""
        variables = dict(kind.type.variables)
        others = tuple(name for name in kind.type.key_variables if name not in variables.values())
        first = self._environment.first(others)
        if first is not None and "api_key" not in kind.type.refuses:
            variables["api_key"] = first
        return variables


def _renamed(
    raw: dict[str, Any], renames: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, problems.Path], list[Problem]]:
    """The entry by the keys' names here, where each renamed key stands in the file, and what is given twice."""
    if renames.keys().isdisjoint(raw):
        return raw, {}, []
    named: dict[str, Any] = {}
    origins: dict[str, problems.Path] = {}
    found: list[Problem] = []

    def take(key: str, value: Any, path: problems.Path) -> None:
        name = renames.get(key) or key
        if name in named:
            found.append(
                Problem(path, f'means the same as "{name}", which is given too: keep one of them', at_key=True)
            )
            return
        named[name] = value
        if path != (name,):
            origins[name] = path

    nested = raw.get("parameters") if "parameters" in renames else None
    for key, value in raw.items():
        if key != "parameters" or not isinstance(nested, dict):
            take(key, value, (key,))
    if isinstance(nested, dict):
        for key, value in nested.items():
            take(key, value, ("parameters", key))
    return named, origins, found


def _traced(problem: Problem, whole: Mapping[problems.Path, str]) -> Problem:
    variable = whole.get(problem.path)
    return problem if variable is None else problem._replace(text=f"{problem.text} (it is filled from ${variable})")


def _unset_problems(unset: tuple[tuple[problems.Path, str], ...]) -> list[Problem]:
    return [
        Problem(path, f'${name} is not set: set it, write ${{{name}:-default}}, or mark the backend "optional": true')
        for path, name in unset
    ]


def _placed(here: problems.Path, found: Any, places: Mapping[str, problems.Path]) -> list[Problem]:
    placed = []
    for problem in found:
        first = problem.path[:1]
        origin = places.get(first[0], (*here, *first)) if first else here
        placed.append(problem._replace(path=(*origin, *problem.path[1:])))
    return placed


def _without_inline(named: dict[str, Any], kind: Kind) -> tuple[dict[str, Any], Mapping[problems.Path, Any]]:
    """The entry with a text in the place of each part that stands in it whole, and those parts by their places."""
    inline: dict[problems.Path, Any] = {}

    def cut(path: problems.Path, part: Any) -> Any:
        whole = takes_entries(kind.validator.schema, path) if isinstance(part, dict) else is_backend(part)
        if not whole:
            return part
        inline[path] = part
        return problems.pointer(path)

    return (with_parts(named, kind.type.parts, cut), inline) if kind.type.parts else (named, inline)


__all__ = ["BackendEntry", "EntryReader", "Kind", "Read", "Site"]
