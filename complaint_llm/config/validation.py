"""Values against a schema: secrets hidden, whole references converted, every fault in words of the config."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from complaint_llm.config.problems import Path, Problem
from complaint_llm.config.schema import is_secret, part_of
from complaint_llm.json_schema.check import Check, compile_check
from complaint_llm.json_schema.problems import converted, explained, kinds_of
from complaint_llm.secrets import Secret

Hide: TypeAlias = Callable[[Any], Any]


class Validator:
    """One schema, prepared once for many values. Immutable after it was made; any thread may use it."""

    __slots__ = ("_check", "_hidden", "schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._check: Check = compile_check(schema)
        self._hidden = _hidden(schema)

    def hide(self, value: Any) -> Any:
        """The value with every string that the schema marks ``writeOnly`` made a Secret."""
        return self._hidden(value) if self._hidden else value

    def convert(self, value: Any, whole: Iterable[Path]) -> Any:
        """The value with the strings at these paths made the number or boolean that the schema asks for."""
        for path in whole:
            kinds = kinds_of(part_of(self.schema, path))
            if kinds and "string" not in kinds:
                value = _replaced(value, path, partial(converted, kinds=kinds))
        return value

    def misplaced(self, secret: Mapping[Path, str]) -> Iterator[Problem]:
        """A problem for each secret variable in a place that is shown in messages and logs."""
        for path, name in secret.items():
            if not is_secret(self.schema, path):
                yield Problem(
                    path,
                    f"${name} is a secret by its name, but this key is shown in messages and logs: "
                    "use one that is made for secrets (api_key, custom_headers), or rename the variable",
                )

    def problems(self, value: Any, skip: frozenset[Path] = frozenset()) -> list[Problem]:
        """Everything wrong with a value but for what lies at the paths to skip (their variables are unset).

        Raises PluginError if the schema itself is wrong.
        """
        if self._check(value):
            return []
        found = explained(self.schema, value)
        return [problem for problem in found if not any(_meet(problem.path, path) for path in skip)]


def _meet(one: Path, other: Path) -> bool:
    """Whether one of the paths leads to the other."""
    return one[: len(other)] == other or other[: len(one)] == one


def _replaced(tree: Any, path: Path, change: Any) -> Any:
    if not path:
        return change(tree) if isinstance(tree, str) else tree
    copy = tree.copy()
    copy[path[0]] = _replaced(tree[path[0]], path[1:], change)
    return copy


def _hidden(schema: Any) -> Hide | None:
    """A function that hides, made for one schema; None where it hides nothing."""
    if not isinstance(schema, Mapping):
        return None
    if schema.get("writeOnly"):
        return _all_secret
    named = {key: hides for key, part in schema.get("properties", {}).items() if (hides := _hidden(part))}
    rest = _hidden(schema.get("additionalProperties"))
    each = _hidden(schema.get("items"))
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
