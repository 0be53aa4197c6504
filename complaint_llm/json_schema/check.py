"""Recognises plainly valid documents without jsonschema, whose import costs more than everything else of a start.

``compile_check`` turns a schema into one function that knows the everyday keywords and says no where it meets another.
What it does not accept goes to jsonschema, which has the last word and finds the faults. So it may be too strict, never
too lax.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from complaint_llm.secrets import Secret


class Unset:
    """Stands for a value that is not known: its variable is unset. Nothing is wrong with it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<unset>"


UNSET = Unset()

Check: TypeAlias = Callable[[Any], bool]

_NOTES = frozenset(
    (
        *("title", "description", "default", "examples", "writeOnly", "$comment", "$schema", "$id", "$defs"),
        *("deprecated", "format", "patternErrorMessage", "enumDescriptions", "markdownDescription"),
    )
)


def compile_check(schema: Mapping[str, Any] | bool) -> Check:
    """A function that is true only for valid values."""
    if isinstance(schema, bool):
        return _yes if schema else _no
    rules = ((word, given) for word, given in schema.items() if word not in _NOTES and not word.startswith("x-"))
    made = (_KEYWORDS.get(word, _unknown)(given, schema) for word, given in rules)
    checks = [check for check in made if check is not _yes]
    if len(checks) < 2:
        return checks[0] if checks else _yes
    return lambda value: all(check(value) for check in checks)


def _unknown(given: Any, schema: Mapping[str, Any]) -> Check:
    return _no


def _yes(value: Any) -> bool:
    return True


def _no(value: Any) -> bool:
    return False


def is_text(value: Any) -> bool:
    """A string of the document, secret or not."""
    return isinstance(value, (str, Secret))


def plain(value: Any) -> Any:
    """The string in a secret, for use inside an expression."""
    return value.reveal() if isinstance(value, Secret) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


TYPES: Mapping[str, Check] = {
    "string": is_text,
    "number": _is_number,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}
"""JSON Schema's types as a config has them: 5.0 is no integer, and a secret is a string."""


def _type(given: Any, schema: Mapping[str, Any]) -> Check:
    if isinstance(given, str):
        return TYPES[given]
    wanted = [TYPES[name] for name in given]
    return lambda value: any(check(value) for check in wanted)


def _object(given: Any, schema: Mapping[str, Any]) -> Check:
    # One function for the three keywords that share a look at the keys; it stands for all where it is met first.
    first = next(word for word in schema if word in ("properties", "patternProperties", "additionalProperties"))
    if schema[first] is not given:
        return _yes
    named = {key: compile_check(part) for key, part in schema.get("properties", {}).items()}
    patterns = [(re.compile(key), compile_check(part)) for key, part in schema.get("patternProperties", {}).items()]
    rest = compile_check(schema.get("additionalProperties", True))

    def check(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for key, item in value.items():
            if isinstance(item, Unset):
                continue
            known = named.get(key)
            if known is not None and not known(item):
                return False
            matching = [part for pattern, part in patterns if pattern.search(key)]
            if not all(part(item) for part in matching):
                return False
            if known is None and not matching and not rest(item):
                return False
        return True

    return check


def _items(given: Any, schema: Mapping[str, Any]) -> Check:
    each = compile_check(given)
    return lambda value: not isinstance(value, list) or all(isinstance(item, Unset) or each(item) for item in value)


def _enum(given: Sequence[Any], schema: Mapping[str, Any]) -> Check:
    texts = frozenset(item for item in given if isinstance(item, str))
    # Only texts and false: 1 == True in Python, so the rest is left to jsonschema.
    has_false = any(item is False for item in given)
    return lambda value: (isinstance(value, str) and value in texts) or (has_false and value is False)


def _pattern(given: str, schema: Mapping[str, Any]) -> Check:
    # Compiled, and kept by ``re``, when a text meets it: of a schema's patterns a config uses few.
    return lambda value: not is_text(value) or re.search(given, plain(value)) is not None


def _any_of(given: Sequence[Any], schema: Mapping[str, Any]) -> Check:
    parts = [compile_check(part) for part in given]
    return lambda value: any(part(value) for part in parts)


def _names(given: Any, schema: Mapping[str, Any]) -> Check:
    each = compile_check(given)
    return lambda value: not isinstance(value, dict) or all(each(key) for key in value)


def _dependent(given: Mapping[str, Sequence[str]], schema: Mapping[str, Any]) -> Check:
    def check(value: Any) -> bool:
        return not isinstance(value, dict) or all(
            all(key in value for key in wanted) for name, wanted in given.items() if name in value
        )

    return check


_KEYWORDS: Mapping[str, Callable[[Any, Mapping[str, Any]], Check]] = {
    "type": _type,
    "properties": _object,
    "patternProperties": _object,
    "additionalProperties": _object,
    "propertyNames": _names,
    "items": _items,
    "enum": _enum,
    "pattern": _pattern,
    "anyOf": _any_of,
    "required": lambda given, _: lambda v: not isinstance(v, dict) or all(key in v for key in given),
    "dependentRequired": _dependent,
    "minimum": lambda given, _: lambda v: not _is_number(v) or v >= given,
    "maximum": lambda given, _: lambda v: not _is_number(v) or v <= given,
    "exclusiveMinimum": lambda given, _: lambda v: not _is_number(v) or v > given,
    "exclusiveMaximum": lambda given, _: lambda v: not _is_number(v) or v < given,
    "minLength": lambda given, _: lambda v: not is_text(v) or len(plain(v)) >= given,
    "maxLength": lambda given, _: lambda v: not is_text(v) or len(plain(v)) <= given,
    "minItems": lambda given, _: lambda v: not isinstance(v, list) or len(v) >= given,
    "maxItems": lambda given, _: lambda v: not isinstance(v, list) or len(v) <= given,
    "minProperties": lambda given, _: lambda v: not isinstance(v, dict) or len(v) >= given,
}
