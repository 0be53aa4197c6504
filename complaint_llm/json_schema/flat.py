"""Schemas for editors: one document without resources of its own, in which references to variables are allowed.

The services behind editors look a ``$ref`` up from the document's root, and judge a file before its variables are
filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import urldefrag, urljoin

from complaint_llm.json_schema.places import Place, json_pointer

Change: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

_MAPS = ("properties", "patternProperties", "$defs", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("additionalProperties", "items", "contains", "then", "else")
_CONDITIONS = ("if", "not", "propertyNames", "unevaluatedProperties", "unevaluatedItems")
_NUMERIC = frozenset(("number", "integer", "boolean"))
_ADDRESS = ("$id", "$anchor", "$dynamicAnchor", "$schema", "$vocabulary")

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
REFERENCE = rf"\$({_NAME}|<{_NAME}>|\{{{_NAME}(:-[^}}]*)?\}})"
"""The pattern of a reference to a variable, in the part of regular expressions that Python and JavaScript share."""

WHOLE_REFERENCE: Mapping[str, Any] = {"type": "string", "pattern": f"^{REFERENCE}$"}
"""The schema of a text that is one whole reference."""

_WORDS = {"number": "a number", "integer": "an integer", "boolean": "true or false"}


def flat_part(schema: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """A schema as it must stand at ``place`` of another document: its references lead there, it has no address.

    A reference to another document is left out: what it asks for is not asked for.
    """
    anchors = dict(_anchors(schema, "", (), place))

    def move(part: dict[str, Any], base: str) -> dict[str, Any]:
        here = urljoin(base, part["$id"]) if isinstance(part.get("$id"), str) else base
        kept = {word: value for word, value in part.items() if word not in _ADDRESS}
        for word in ("$ref", "$dynamicRef"):
            given = kept.pop(word, None)
            target = _target(given, here, anchors) if isinstance(given, str) else None
            if target is not None:
                kept = {"$ref": "#" + json_pointer(target), **kept}
        return with_parts(kept, lambda inner: move(inner, here), conditions=True)

    return move(dict(schema), "")


def _anchors(part: Any, base: str, way: Place, place: Place) -> Iterator[tuple[str, Place]]:
    """The addresses that references may name, with the places that they are moved to."""
    here = urljoin(base, part["$id"]) if isinstance(part.get("$id"), str) else base
    if not way or here != base:
        yield here, (*place, *way)
    for word in ("$anchor", "$dynamicAnchor"):
        if isinstance(part.get(word), str):
            yield f"{here}#{part[word]}", (*place, *way)
    for step, inner in _inner(part):
        yield from _anchors(inner, here, (*way, *step), place)


def _target(reference: str, base: str, anchors: Mapping[str, Place]) -> Place | None:
    address = urljoin(base, reference) if not reference.startswith("#") else base + reference
    resource, fragment = urldefrag(address)
    if fragment and not fragment.startswith("/"):
        return anchors.get(f"{resource}#{fragment}")
    root = anchors.get(resource)
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in fragment.split("/")[1:])
    return None if root is None else (*root, *steps)


def _inner(part: Mapping[str, Any]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    for word in _MAPS:
        if isinstance(part.get(word), Mapping):
            yield from (((word, key), each) for key, each in part[word].items() if isinstance(each, Mapping))
    for word in _LISTS:
        if isinstance(part.get(word), list):
            yield from (((word, n), each) for n, each in enumerate(part[word]) if isinstance(each, Mapping))
    yield from (((word,), part[word]) for word in (*_SINGLE, *_CONDITIONS) if isinstance(part.get(word), Mapping))


def with_parts(schema: Mapping[str, Any], change: Change, *, conditions: bool = False) -> dict[str, Any]:
    """The schema with each subschema changed; what stands in ``if``, ``not`` and the like only with ``conditions``."""

    def change_part(part: Any) -> Any:
        return change(dict(part)) if isinstance(part, Mapping) else part

    result = dict(schema)
    for word in _MAPS:
        if isinstance(result.get(word), Mapping):
            result[word] = {key: change_part(part) for key, part in result[word].items()}
    for word in _LISTS:
        if isinstance(result.get(word), list):
            result[word] = [change_part(part) for part in result[word]]
    for word in (*_SINGLE, *(_CONDITIONS if conditions else ())):
        if word in result:
            result[word] = change_part(result[word])
    return result


def allowing_references(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of what may be written where, once its variables are filled in, ``schema`` must hold.

    For a number, a boolean or one of some values one whole reference will do; a text with a pattern may hold one.
    """
    part = with_parts(schema, allowing_references)
    if "enum" in part or "const" in part:
        return _choice(part)
    given = part.get("type")
    kinds = [given] if isinstance(given, str) else list(given or ())
    if "string" in kinds and isinstance(part.get("pattern"), str):
        return {**part, "pattern": rf"(?:{part['pattern']})|{REFERENCE}"}
    if "string" not in kinds and _NUMERIC.intersection(kinds):
        wanted = " or ".join(_WORDS[kind] for kind in kinds if kind in _WORDS)
        message = f"must be {wanted}, or one reference such as $NAME"
        return {**part, **WHOLE_REFERENCE, "type": [*kinds, "string"], "patternErrorMessage": message}
    return part


def _choice(part: dict[str, Any]) -> dict[str, Any]:
    words = ("type", "enum", "const", "enumDescriptions")
    values = {word: part[word] for word in words if word in part}
    rest = {word: value for word, value in part.items() if word not in words}
    return {**rest, "anyOf": [values, WHOLE_REFERENCE]}


__all__ = ["REFERENCE", "WHOLE_REFERENCE", "Change", "allowing_references", "flat_part", "with_parts"]
