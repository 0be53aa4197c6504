"""What is wrong with a value by its JSON Schema, in the words of those who wrote it.

The everyday value is recognised by ``json_schema.check``; jsonschema is imported only to find the faults of another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm.json_schema.check import plain
from complaint_llm.json_schema.places import Place
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from complaint_llm.json_schema.faults import Broken


class Problem(NamedTuple):
    """One fault. ``at_key`` places it at the key (unknown, repeated) rather than at the value."""

    path: Place
    text: str
    at_key: bool = False


NOT_FINITE = "no number that can be used: too large or not a number"


def problems_of(schema: Mapping[str, Any], value: Any) -> list[Problem]:
    """Everything wrong with a value. Raises PluginError if the schema itself is wrong."""
    from complaint_llm.json_schema.faults import faults  # cold start: jsonschema

    return [problem for broken in faults(schema, value) for problem in _problems_of(broken)]


def not_finite(value: Any, path: Place = ()) -> Iterator[Problem]:
    """A problem for each number of a value that JSON has no form for: infinite, or not a number."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, NOT_FINITE)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from not_finite(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from not_finite(item, (*path, index))


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that ``name`` was probably meant to be."""
    from difflib import get_close_matches  # cold start

    exact = [other for other in known if other.lower() == name.lower()]
    return next(iter(exact or get_close_matches(name, known, 1, 0.7)), None)


def kind_of(value: Any) -> str:
    """What a value is, in the words of the file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    kinds = {dict: "a mapping", list: "a list", str: "a text", int: "a number", float: "a number", Secret: "a text"}
    return next((word for kind, word in kinds.items() if isinstance(value, kind)), f"a {type(value).__name__}")


def kinds_of(schema: Mapping[str, Any]) -> list[str]:
    """The types that a schema takes, of each branch where it has some."""
    kind = schema.get("type")
    if kind is None:
        return [kind for part in schema.get("anyOf", ()) if isinstance(part, Mapping) for kind in kinds_of(part)]
    return [kind] if isinstance(kind, str) else list(kind)


def as_kind(text: str, kinds: Sequence[str]) -> Any:
    """The number or boolean that a text spells, if one of these types is wanted; else the text itself."""
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


_WORDS = {
    "string": "a text",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}


def _problems_of(broken: Broken) -> Iterator[Problem]:
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
    named = tuple(broken.schema.get("properties", ()))
    patterns = tuple(broken.schema.get("patternProperties", ()))
    for key in broken.value:
        if key in named or any(re.search(pattern, key) for pattern in patterns):
            continue
        meant = nearest(key, named)
        text = f'unknown key; did you mean "{meant}"?' if meant else "unknown key: remove it"
        yield Problem((*broken.path, key), text, at_key=True)


def _branches(broken: Broken) -> Iterator[Problem]:
    # The branch that is meant is the one whose type fits; its own faults say more than that no branch fits.
    meant = next((part for part in broken.parts if part.rule != "type" or part.path != broken.path), None)
    if meant is not None:
        for part in broken.parts:
            if part.branch == meant.branch:
                yield from _problems_of(part)
        return
    kinds = [kind for part in broken.given for kind in kinds_of(part)]
    if kinds:
        yield Problem(broken.path, _wrong_kind(kinds, broken.value))
    else:
        yield Problem(broken.path, "fits none of the forms that its schema allows: `complaint-llm schema` prints them")


def _wrong_kind(kinds: list[str], value: Any) -> str:
    wanted = " or ".join(dict.fromkeys(_WORDS.get(kind, kind) for kind in kinds))
    is_text = isinstance(value, (str, Secret))
    hint = ": leave the key out" if value is None else ""
    if is_text and not isinstance(value, Secret) and as_kind(value, kinds) is not value:
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
