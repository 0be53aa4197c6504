"""The part of JSON Schema that llama.cpp makes a grammar of; the check of the answer demands what is left out here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.backends.wire import InexpressibleError, Subset, reduced_schema, subset

KNOWN: Subset = subset(
    (
        *("minLength", "maxLength", "minItems", "maxItems", "format", "allOf", "oneOf", "prefixItems"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    ),
    {"format": ("date", "time", "date-time", "uuid")},
)
"""Source: llama.cpp, common/json-schema-to-grammar.cpp and grammars/README.md. Patterns are left out: the ones without
anchors, and all with look-arounds, are refused there."""


def sent_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema in llama.cpp's words, or None where it has none for it."""
    try:
        return reduced_schema(schema, KNOWN)
    except (InexpressibleError, RecursionError):
        return None
