"""The part of a JSON Schema that a provider knows, and what becomes of the rest.

Providers that hold answers to a schema publish which keywords they take, and refuse a request for any other. What is
left out is checked here when the answer comes, and said in the description, where the model reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from complaint_llm.backends.wire.schema_walk import map_schemas, schemas_in
from complaint_llm.request import EMPTY

STRUCTURE: frozenset[str] = frozenset(
    (
        *("type", "enum", "const", "title", "description"),
        *("properties", "required", "additionalProperties", "items"),
        *("anyOf", "$ref", "$defs", "definitions"),
    )
)
"""What every provider takes that takes schemas at all."""

BOUNDS: frozenset[str] = frozenset(
    (
        *("minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    )
)
"""Keywords that narrow a value and say nothing of how it is built: without them more answers fit, none fewer."""

_BUILDING: frozenset[str] = frozenset(
    (
        *("allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies"),
        *("patternProperties", "propertyNames", "unevaluatedProperties", "prefixItems", "additionalItems"),
        *("unevaluatedItems", "contains", "minContains", "maxContains", "extends", "disallow"),
        *("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"),
    )
)


class Subset(NamedTuple):
    """What a provider knows: keywords, and for some of them the only values that they may have."""

    keywords: frozenset[str]
    values: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    def knows(self, word: str, value: Any) -> bool:
        """Whether the keyword may stand with this value."""
        return word in self.keywords and all(value in allowed for name, allowed in self.values if name == word)


class InexpressibleError(Exception):
    """The schema is built of what the provider does not know."""


def subset(keywords: Iterable[str] = (), values: Mapping[str, Iterable[Any]] = EMPTY) -> Subset:
    """STRUCTURE and the further keywords of one provider, such as a models.json names them."""
    return Subset(STRUCTURE.union(keywords), tuple((word, tuple(allowed)) for word, allowed in values.items()))


def with_root(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema whose root is itself, not a reference to one of its definitions (as of a class that holds itself)."""
    named = schema.get("$ref")
    for word in ("$defs", "definitions"):
        parts = schema.get(word)
        if isinstance(named, str) and isinstance(parts, Mapping) and named.startswith(f"#/{word}/"):
            part = parts.get(named.rpartition("/")[2])
            if isinstance(part, Mapping) and "$ref" not in part:
                return {**part, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def is_lossless(schema: Any, known: Subset) -> bool:
    """Whether ``reduced_schema`` leaves out nothing that an answer could break."""
    return all(
        known.knows(word, value)
        for part in schemas_in(schema)
        for word, value in part.items()
        if word in BOUNDS or word == "oneOf"
    )


def reduced_schema(schema: Any, known: Subset) -> dict[str, Any]:
    """The schema in the provider's words. Every value that fits ``schema`` fits it.

    Bounds that are not known become words of the description; annotations and keywords of nobody (``x-...``) go. Beside
    a ``$ref`` nothing stands: it goes into an ``anyOf`` of its own. Raises InexpressibleError for what is built of
    other keywords, for the schema ``false``, and for references that lead outside.
    """
    if schema is True:
        return {}
    if not isinstance(schema, Mapping):
        raise InexpressibleError
    words = _translate(schema, known)
    if not _BUILDING.isdisjoint(words.keys() - known.keywords):
        raise InexpressibleError
    reference = words.get("$ref")
    if reference is not None and (not isinstance(reference, str) or not reference.startswith("#")):
        raise InexpressibleError
    kept: dict[str, Any] = {}
    unsaid: list[str] = []
    for word, value in words.items():
        if known.knows(word, value):
            kept[word] = value
        elif word in BOUNDS:
            unsaid.append(f"{word}: {json.dumps(value, ensure_ascii=False)}")
    free = kept.get("additionalProperties")
    if isinstance(free, bool):
        del kept["additionalProperties"]
    made = map_schemas(kept, lambda part: reduced_schema(part, known))
    if isinstance(free, bool):
        made["additionalProperties"] = free
    if unsaid:
        made["description"] = "\n".join(filter(None, (kept.get("description"), ", ".join(unsaid))))
    return _alone(made)


def _translate(schema: Mapping[str, Any], known: Subset) -> dict[str, Any]:
    """The same said with keywords that more providers know."""
    words = dict(schema)
    if "oneOf" in words and "oneOf" not in known.keywords and "anyOf" not in words:
        words["anyOf"] = words.pop("oneOf")
    if "const" in words and "const" not in known.keywords:
        words["enum"] = [words.pop("const")]
    only = _only_part(words.get("allOf"))
    # A single part beside annotations is how references got a description before 2019.
    if only and "allOf" not in known.keywords and words.keys().isdisjoint(only.keys() - {"title", "description"}):
        del words["allOf"]
        words = {**only, **words}
    return words


def _only_part(parts: Any) -> Mapping[str, Any]:
    return parts[0] if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], Mapping) else EMPTY


def _alone(made: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in made or made.keys() <= {"$ref", "$defs", "definitions"}:
        return made
    if "anyOf" in made:
        raise InexpressibleError
    rest = {word: value for word, value in made.items() if word != "$ref"}
    return {**rest, "anyOf": [{"$ref": made["$ref"]}]}
