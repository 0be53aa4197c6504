"""The check ``quotes``: every string that the schema marks as a quote is looked up in what the model was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from complaint_llm.checks.check import CheckContext
from complaint_llm.checks.finding import Finding
from complaint_llm.checks.quote import Quote
from complaint_llm.checks.quote_search import SearchableText, find_quote
from complaint_llm.json_schema.annotations import annotated_values

MARK = "x-quote"


def find_quotes(
    parsed: Any, schema: Mapping[str, Any], texts: Sequence[SearchableText], *, searchable: bool = True
) -> tuple[Quote, ...]:
    """Every string of ``parsed`` that ``schema`` marks ``"x-quote": true``, looked up in ``texts``, in the answer's
    order.

    ``searchable`` is false where the model was also shown something that has no text (a scan).
    """
    known: dict[str, Any] = {}
    quotes = []
    for place in annotated_values(parsed, schema):
        if place.annotations.get(MARK) is True and isinstance(place.value, str):
            if place.value not in known:
                known[place.value] = find_quote(place.value, texts, searchable=searchable)
            quotes.append(Quote(place.value, place.pointer, *known[place.value]))
    return tuple(quotes)


def check_quotes(parsed: Any, context: CheckContext) -> Sequence[Finding]:
    """A finding for each quote that does not stand in the text."""
    return [
        Finding("quotes", quote.pointer, "these words do not stand in the material: copy them letter by letter")
        for quote in context.quotes
        if quote.state == "not_found"
    ]
