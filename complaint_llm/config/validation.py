"""Values against a schema: secrets hidden, whole references converted, every fault in words of the config."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from complaint_llm.config.problems import Path, Problem, nearest
from complaint_llm.config.schema import is_secret, part_of
from complaint_llm.config.source import kind_of
from complaint_llm.schema_check import Check, compile_check, plain
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from complaint_llm.config.faults import Broken

_WORDS = {
    "string": "a text",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}


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
            kinds = _kinds(part_of(self.schema, path))
            if kinds and "string" not in kinds:
                value = _replaced(value, path, partial(_converted, kinds=kinds))
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
        from complaint_llm.config.faults import faults

        found = (problem for broken in faults(self.schema, value) for problem in _explained(broken))
        return [problem for problem in found if not any(_meet(problem.path, path) for path in skip)]


def _meet(one: Path, other: Path) -> bool:
    """Whether one of the paths leads to the other."""
    return one[: len(other)] == other or other[: len(one)] == one


def _explained(broken: Broken) -> Iterator[Problem]:
    path, rule, given, value = broken.path, broken.rule, broken.given, broken.value
    note = broken.schema.get("patternErrorMessage")
    if rule == "additionalProperties" and given is False:
        yield from _unknown_keys(broken)
    elif rule == "required":
        yield Problem(path, f'the key "{broken.missing}" is missing: add it')
    elif rule == "type":
        yield Problem(path, _wrong_kind([given] if isinstance(given, str) else list(given), value))
    elif rule in ("enum", "const"):
        yield Problem(path, _not_in(given if rule == "enum" else [given], value))
    elif rule in _LIMITS:
        yield Problem(path, f"must be {_LIMITS[rule]} {given}, not {value}")
    elif rule in ("anyOf", "oneOf"):
        yield from _branches(broken)
    elif rule == "propertyNames":
        yield Problem(path, note or "this name is not allowed", at_key=True)
    elif rule == "pattern":
        yield Problem(path, note or f"does not fit the pattern {given}")
    elif rule == "minLength" and given == 1:
        yield Problem(path, "is empty: write something, or leave the key out")
    elif rule in ("minItems", "minProperties") and given == 1:
        yield Problem(path, "is empty: it needs at least one")
    else:
        yield Problem(path, f"breaks the rule {rule!r} of its schema: `complaint-llm schema` prints it")


_LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}


def _unknown_keys(broken: Broken) -> Iterator[Problem]:
    from re import search

    named = tuple(broken.schema.get("properties", ()))
    patterns = tuple(broken.schema.get("patternProperties", ()))
    for key in broken.value:
        if key in named or any(search(pattern, key) for pattern in patterns):
            continue
        meant = nearest(key, named)
        text = f'unknown key; did you mean "{meant}"?' if meant else "unknown key: remove it"
        yield Problem((*broken.path, key), text, at_key=True)


def _branches(broken: Broken) -> Iterator[Problem]:
    # The branch that is meant is the one whose type fits; its own fault says more than that no branch fits.
    meant = next((part for part in broken.parts if part.rule != "type" or part.path != broken.path), None)
    if meant is not None:
        yield from _explained(meant)
        return
    kinds = [kind for part in broken.given for kind in _kinds(part)]
    if kinds:
        yield Problem(broken.path, _wrong_kind(kinds, broken.value))
    else:
        yield Problem(broken.path, "fits none of the forms that its schema allows: `complaint-llm schema` prints them")


def _wrong_kind(kinds: list[str], value: Any) -> str:
    wanted = " or ".join(dict.fromkeys(_WORDS.get(kind, kind) for kind in kinds))
    is_text = isinstance(value, (str, Secret))
    hint = ": leave the key out" if value is None else ""
    if is_text and not isinstance(value, Secret) and _converted(value, kinds) is not value:
        hint = ": remove the quotes"
    elif not is_text and kinds == ["string"] and not isinstance(value, (dict, list)) and value is not None:
        hint = ": put it in quotes"
    elif isinstance(value, float) and kinds == ["integer"] and value.is_integer():
        hint = f": write {int(value)}"
    actual = (
        kind_of(plain(value)) if not (kinds == ["integer"] and isinstance(value, float)) else "a number with a point"
    )
    return f"must be {wanted}, not {actual}{hint}"


def _not_in(given: list[Any], value: Any) -> str:
    known = [item if isinstance(item, str) else str(item).lower() for item in given]
    listed = ", ".join(known) if len(known) <= 12 else ", ".join(known[:12]) + ", ..."
    if not isinstance(value, str) or len(value) > 60:
        return f"must be {'one of ' if len(known) > 1 else ''}{listed}"
    meant = nearest(value, known)
    return f'unknown value "{value}"; did you mean "{meant}"?' if meant else f'unknown value "{value}": use {listed}'


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type")
    if kind is None:
        return [kind for part in schema.get("anyOf", ()) if isinstance(part, Mapping) for kind in _kinds(part)]
    return [kind] if isinstance(kind, str) else list(kind)


def _converted(text: str, kinds: list[str]) -> Any:
    word = text.strip().lower()
    if "boolean" in kinds and word in ("true", "false"):
        return word == "true"
    try:
        if "integer" in kinds or "number" in kinds:
            return int(word)
    except ValueError:
        pass
    try:
        number = float(word) if "number" in kinds else None
    except ValueError:
        return text
    # inf and nan are words to float(), not numbers of a config.
    return number if number is not None and number - number == 0 else text


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
