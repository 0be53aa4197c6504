"""JSON Schemas for strict structured outputs, where only a part of JSON Schema is understood.

Objects become closed and all their properties required, so what fits the strict schema fits the given one, but for
bounds that the service does not know: those are checked when the answer comes. What is built in a way that it does not
know is not sent with the strict flag. Source: OpenAI's guide "Structured model outputs", section "Supported schemas".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.backends.wire import (
    InexpressibleError,
    Subset,
    is_lossless,
    reduced_schema,
    schema_text,
    subset,
    with_root,
)

if TYPE_CHECKING:
    from complaint_llm.backends import ResponseFormat


class SentSchema(NamedTuple):
    """A schema in a service's words. It is shared: it must not be changed."""

    schema: dict[str, Any] | None
    """None where the service has no words for it."""
    strict: bool | None
    """The flag, None for a service that does not know it."""
    lossless: bool
    """Whether the service is told all that an answer could break."""


def sent_schema(wanted: ResponseFormat, quirks: Mapping[str, Any]) -> SentSchema:
    """The schema for a service with these facts.

    ``facts["schema"]`` has the ``keywords`` that the service knows beyond a schema's structure, and the only ``values``
    that some of them may have; ``facts["strict"]`` (true) whether it knows the strict flag.
    """
    text = schema_text(wanted.schema if wanted.schema is not None else {"type": "object"})
    return _make_schema(text, wanted.strict, quirks.get("strict", True), subset(**quirks.get("schema", {})))


@lru_cache(maxsize=64)
def _make_schema(text: str, wants_strict: bool, has_strict: bool, known: Subset) -> SentSchema:
    schema = json.loads(text)
    lossless = is_lossless(schema, known)
    if has_strict and wants_strict:
        strict = strict_schema(schema, known)
        if strict is not None:
            return SentSchema(strict, True, lossless)
    try:
        loose = reduced_schema(schema, known)
    except (InexpressibleError, RecursionError):
        loose = None
    return SentSchema(loose, False if has_strict else None, lossless)


def strict_schema(schema: Mapping[str, Any], known: Subset) -> dict[str, Any] | None:
    """The strict schema, or None where there is none: free-form objects, unions at the root, unknown keywords."""
    try:
        made = _close_objects(reduced_schema(with_root(schema), known))
    except (InexpressibleError, RecursionError):
        return None
    return made if made.get("type") == "object" and "anyOf" not in made else None


def _close_objects(schema: dict[str, Any]) -> dict[str, Any]:
    if not schema.keys() - {"title", "description"}:
        raise InexpressibleError
    made = dict(schema)
    for word in ("$defs", "definitions", "properties"):
        if word in made:
            made[word] = {name: _close_objects(part) for name, part in made[word].items()}
    if "items" in made:
        made["items"] = _close_objects(made["items"])
    if "anyOf" in made:
        made["anyOf"] = [_close_objects(part) for part in made["anyOf"]]
    kinds = made.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "object" in kinds or "properties" in made:
        if "properties" not in made or made.get("additionalProperties", True) not in (True, False):
            raise InexpressibleError
        if not set(made.get("required", ())) <= made["properties"].keys():
            raise InexpressibleError
        made["required"] = list(made["properties"])
        made["additionalProperties"] = False
    elif "array" in kinds and "items" not in made:
        raise InexpressibleError
    return made
