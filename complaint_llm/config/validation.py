"""Values against a schema: secrets hidden, whole references converted, every fault in words of the config."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from complaint_llm.config.environment import Filled
from complaint_llm.config.problems import Place, Problem
from complaint_llm.exceptions import PluginError
from complaint_llm.json_schema.check import Check, compile_check
from complaint_llm.json_schema.problems import as_kind, kinds_of, problems_of
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.secrets import Secret

Hide: TypeAlias = Callable[[Any], Any]


class Checked(NamedTuple):
    """A value by its schema, and everything that is wrong with it."""

    value: Any
    problems: list[Problem]


class Validator:
    """One schema, prepared once for many values. Immutable after it was made; any thread may use it.

    ``blame`` is the place in a value that a schema which cannot be used is shown at.
    """

    __slots__ = ("_blame", "_check", "_hidden", "schema")

    def __init__(self, schema: Mapping[str, Any], *, blame: Place = ()) -> None:
        self.schema = schema
        self._blame = blame
        self._check: Check = compile_check(schema)
        self._hidden = _hiding(schema)

    def read(self, filled: Filled) -> Checked:
        """The filled value as the schema wants it, and what is wrong with it beside what ``filled`` says itself.

        Every string that the schema marks ``writeOnly`` is a Secret, and what one whole reference was replaced by the
        number or boolean that is asked for. Nothing is said of what lies where a variable is unset.
        """
        value = self._hidden(filled.value) if self._hidden else filled.value
        for place in filled.by_reference:
            kinds = kinds_of(part_of(self.schema, place))
            if kinds and "string" not in kinds:
                value = _with_change(value, place, partial(as_kind, kinds=kinds))
        found = list(self._misplaced_secrets(filled.by_secret))
        return Checked(value, found if self._check(value) else [*found, *self._broken_rules(value, filled)])

    def _broken_rules(self, value: Any, filled: Filled) -> Iterator[Problem]:
        skipped = filled.unknown
        try:
            found = problems_of(self.schema, value)
        except PluginError as error:
            yield Problem(self._blame, str(error))
            return
        for problem in found:
            if not any(_meet(problem.path, place) for place in skipped):
                variable = filled.by_reference.get(problem.path)
                note = "" if variable is None else f" (it is filled from ${variable})"
                yield problem._replace(text=problem.text + note)

    def _misplaced_secrets(self, by_secret: Mapping[Place, str]) -> Iterator[Problem]:
        """A problem for each secret variable in a place that is shown in messages and logs."""
        for path, name in by_secret.items():
            if not is_secret(self.schema, path):
                yield Problem(
                    path,
                    f"${name} is a secret by its name, but this key is shown in messages and logs: "
                    "use one that is made for secrets (api_key, custom_headers), or rename the variable",
                )


def _meet(one: Place, other: Place) -> bool:
    """Whether one of the paths leads to the other."""
    return one[: len(other)] == other or other[: len(one)] == one


def _with_change(tree: Any, path: Place, change: Any) -> Any:
    if not path:
        return change(tree) if isinstance(tree, str) else tree
    copy = tree.copy()
    copy[path[0]] = _with_change(tree[path[0]], path[1:], change)
    return copy


def _hiding(schema: Any) -> Hide | None:
    """A function that hides, made for one schema; None where it hides nothing."""
    if not isinstance(schema, Mapping):
        return None
    if schema.get("writeOnly"):
        return _all_secret
    named = {key: hides for key, part in schema.get("properties", {}).items() if (hides := _hiding(part))}
    rest = _hiding(schema.get("additionalProperties"))
    each = _hiding(schema.get("items"))
    if each is not None:
        return partial(_hide_items, each)
    if not named and not rest:
        return None
    known = schema.get("properties", {})

    def hide(value: Any) -> Any:
        if not isinstance(value, dict) or not (rest or not named.keys().isdisjoint(value)):
            return value
        return {
            key: named[key](item) if key in named else rest(item) if rest and key not in known else item
            for key, item in value.items()
        }

    return hide


def _hide_items(each: Hide, value: Any) -> Any:
    return [each(item) for item in value] if isinstance(value, list) else value


def _all_secret(value: Any) -> Any:
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, dict):
        return {key: _all_secret(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_all_secret(item) for item in value]
    return value


def part_of(schema: Mapping[str, Any], path: Place) -> Mapping[str, Any]:
    """What a schema says of the value at a path, as far as plain nesting leads; nothing if it does not lead there."""
    part = schema
    for step in path:
        if isinstance(step, int):
            part = _schema(part.get("items"), schema)
        else:
            branches = [
                part,
                *(_schema(branch, schema) for word in ("anyOf", "oneOf") for branch in part.get(word, ())),
            ]
            named = (branch["properties"][step] for branch in branches if step in branch.get("properties", {}))
            part = _schema(next(named, part.get("additionalProperties")), schema)
    return part


def _schema(given: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of a schema, through a reference within the same document."""
    if not isinstance(given, Mapping):
        return {}
    reference = given.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return given
    found: Any = root
    for step in reference[2:].split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) and found is not given else {}


def is_secret(schema: Mapping[str, Any], path: Place) -> bool:
    """Whether the value at a path is marked ``writeOnly``, itself or by what it lies in."""
    return any(part_of(schema, path[:n]).get("writeOnly") for n in range(len(path) + 1))
