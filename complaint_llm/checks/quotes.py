"""The check ``quotes``: every string that the schema marks as a quote is looked up in what the model was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from complaint_llm.checks.finding import Finding
from complaint_llm.checks.quote_search import SearchableText, State, Weakness, find_quote
from complaint_llm.json_schema.annotations import annotated_values

if TYPE_CHECKING:
    from complaint_llm.checks.check import CheckContext

MARK = "x-quote"


class Quote(NamedTuple):
    """A quote of an answer and where it stands."""

    text: str
    pointer: str
    """Its place in the answer, as a JSON pointer."""
    state: State
    weak: Weakness | None = None
    source: str | None = None
    """``prompt`` or a CID."""
    source_kind: str | None = None
    start: int | None = None
    end: int | None = None
    """Characters of the shown text, as a slice."""
    page: int | None = None
    places: int = 0
    elided: bool = False

    @property
    def stands(self) -> bool:
        """Whether the words stand in the text, weak ones included."""
        return self.state in ("verbatim", "normalised")


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


class Standing(Protocol):
    """What of a quote is counted: whether it stands in the text, and why it may do so by chance."""

    @property
    def stands(self) -> bool: ...
    @property
    def weak(self) -> str | None: ...


def standing_count(quotes: Sequence[Standing]) -> str:
    """How many of quotes stand in the text: "2 of 3", those that may stand there by chance apart: "2 of 3, 1 short"."""
    sure = sum(quote.stands and not quote.weak for quote in quotes)
    weak = [(word, sum(quote.stands and quote.weak == word for quote in quotes)) for word in ("short", "repeated")]
    return ", ".join([f"{sure} of {len(quotes)}", *(f"{count} {word}" for word, count in weak if count)])


def check_quotes(parsed: Any, context: CheckContext) -> Sequence[Finding]:
    """A finding for each quote that does not stand in the text."""
    return [
        Finding("quotes", quote.pointer, "these words do not stand in the material: copy them letter by letter")
        for quote in context.quotes
        if quote.state == "not_found"
    ]
