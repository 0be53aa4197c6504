"""Recognises plainly valid documents without jsonschema, whose import costs more than everything else of a start.

``compile_check`` turns a schema of everyday keywords into one function; what that function does not accept, and any
schema with other keywords, goes to jsonschema, which has the last word and finds the faults. So this may be too strict,
never too lax.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from complaint_llm.config.environment import Unset
from complaint_llm.secrets import Secret

Check: TypeAlias = Callable[[Any], bool]

_NOTES = frozenset(
    (
        *("title", "description", "default", "examples", "writeOnly", "$comment", "$schema", "$id", "$defs"),
        *("deprecated", "format", "patternErrorMessage", "enumDescriptions", "markdownDescription"),
    )
)


class Unknown(Exception):  # noqa: N818 - an answer within this module, not an error
    """A keyword that is left to jsonschema."""


def compile_check(schema: Mapping[str, Any] | bool) -> Check | None:
    """A function that is true only for valid values; None if the schema needs jsonschema."""
    try:
        return _compile(schema)
    except Unknown:
        return None


def _compile(schema: Mapping[str, Any] | bool) -> Check:
    if isinstance(schema, bool):
        return _yes if schema else _no
    checks = [_KEYWORDS[word](given, schema) for word, given in schema.items() if word not in _NOTES and _known(word)]
    found = [check for check in checks if check is not _yes]
    if not found:
        return _yes
    if len(found) == 1:
        return found[0]
    return lambda value: all(check(value) for check in found)


def _known(word: str) -> bool:
    if word not in _KEYWORDS:
        raise Unknown(word)
    return True


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
    named = {key: _compile(part) for key, part in schema.get("properties", {}).items()}
    patterns = [(re.compile(key), _compile(part)) for key, part in schema.get("patternProperties", {}).items()]
    rest = _compile(schema.get("additionalProperties", True))

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
    each = _compile(given)
    return lambda value: not isinstance(value, list) or all(isinstance(item, Unset) or each(item) for item in value)


def _enum(given: Sequence[Any], schema: Mapping[str, Any]) -> Check:
    texts = frozenset(item for item in given if isinstance(item, str))
    # Only texts and false: 1 == True in Python, so the rest is left to jsonschema.
    return lambda value: (isinstance(value, str) and value in texts) or (value is False and False in given)


def _pattern(given: str, schema: Mapping[str, Any]) -> Check:
    search = re.compile(given).search
    return lambda value: not is_text(value) or search(plain(value)) is not None


def _any_of(given: Sequence[Any], schema: Mapping[str, Any]) -> Check:
    parts = [_compile(part) for part in given]
    return lambda value: any(part(value) for part in parts)


def _names(given: Any, schema: Mapping[str, Any]) -> Check:
    each = _compile(given)
    return lambda value: not isinstance(value, dict) or all(each(key) for key in value)


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
