"""The part of JSON Schema that ``responseJsonSchema`` takes; the check of the answer demands what is left out here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.backends.wire import STRUCTURE, InexpressibleError, Subset, reduced_schema, with_root

KNOWN: Subset = Subset(
    (STRUCTURE - {"const", "definitions"})
    | {"format", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "oneOf", "propertyOrdering"}
)
"""Source: ai.google.dev/api/generate-content, GenerationConfig.responseJsonSchema: ``enum`` of texts and numbers, and
beside a ``$ref`` nothing that does not begin with ``$``."""


def sent_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema in the API's words, or None where it has none for it: definitions under their old name among them."""
    if "definitions" in schema:
        return None
    try:
        return reduced_schema(with_root(schema), KNOWN)
    except (InexpressibleError, RecursionError):
        return None
