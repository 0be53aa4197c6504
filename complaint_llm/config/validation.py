"""Values against a schema: secrets hidden, whole references converted, every fault in words of the config."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from complaint_llm.config.environment import Filled
from complaint_llm.config.problems import Place, Problem
from complaint_llm.config.schema import is_secret, part_of
from complaint_llm.json_schema.check import Check, compile_check
from complaint_llm.json_schema.problems import as_kind, kinds_of, problems_of
from complaint_llm.secrets import Secret

Hide: TypeAlias = Callable[[Any], Any]


class Validator:
    """One schema, prepared once for many values. Immutable after it was made; any thread may use it."""

    __slots__ = ("_check", "_hidden", "schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._check: Check = compile_check(schema)
        self._hidden = _hiding(schema)

    def value_of(self, filled: Filled) -> Any:
        """The filled value with every string that the schema marks ``writeOnly`` made a Secret, and what one whole
        reference was replaced by made the number or boolean that the schema asks for."""
        value = self._hidden(filled.value) if self._hidden else filled.value
        for path in filled.by_reference:
            kinds = kinds_of(part_of(self.schema, path))
            if kinds and "string" not in kinds:
                value = _with_change(value, path, partial(as_kind, kinds=kinds))
        return value

    def problems(self, value: Any, filled: Filled) -> list[Problem]:
        """Everything wrong with a value of ``value_of`` but for what ``filled`` says itself.

        Nothing is said of what lies where a variable is unset. Raises PluginError if the schema itself is wrong.
        """
        found = list(self._misplaced_secrets(filled.by_secret))
        if self._check(value):
            return found
        skipped = filled.unknown
        for problem in problems_of(self.schema, value):
            if not any(_meet(problem.path, path) for path in skipped):
                variable = filled.by_reference.get(problem.path)
                note = "" if variable is None else f" (it is filled from ${variable})"
                found.append(problem._replace(text=problem.text + note))
        return found

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
