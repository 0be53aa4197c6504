"""The quotes of an answer as a page shows them: by number, with the words for their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from complaint_llm.report.marked_text import Span

WORDS: Mapping[str, str] = {
    "verbatim": "stands in the text",
    "normalised": "stands there but for line breaks and the like",
    "not_found": "NOT in the text",
    "not_searchable": "could not be looked for",
}
"""States of a quote, in words."""
WEAK_WORDS: Mapping[str, str] = {
    "short": "short: so few words may stand there by chance",
    "repeated": "repeated: it stands in several places, the first is marked",
}


class PageQuote(NamedTuple):
    """A quote and where it stands. ``number`` counts the quotes of one answer from 1."""

    number: int
    text: str
    pointer: str
    state: str
    weak: str | None = None
    start: int | None = None
    end: int | None = None
    elided: bool = False

    @property
    def stands(self) -> bool:
        """Whether the words stand in the text, weak ones included."""
        return self.state in ("verbatim", "normalised")

    @property
    def words(self) -> str:
        """What its mark means."""
        parts = [WORDS.get(self.state, self.state)]
        if self.elided:
            parts.append("with words left out")
        if self.stands and self.weak:
            parts.append(WEAK_WORDS.get(self.weak, self.weak))
        return "; ".join(parts)

    @property
    def span(self) -> Span | None:
        """What of the text is to be marked."""
        if not self.stands or self.start is None or self.end is None:
            return None
        return Span(self.number, self.start, self.end, self.weak is not None)


def page_quotes(values: Mapping[str, Any]) -> tuple[PageQuote, ...]:
    """The quotes of a line of OUT."""
    found = []
    for number, quote in enumerate(values.get("quotes") or (), 1):
        given = {name: quote.get(name) for name in PageQuote._fields[1:]}
        found.append(PageQuote(number, **{**given, "elided": bool(given["elided"])}))
    return tuple(found)
