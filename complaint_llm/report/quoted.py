"""The quotes of an answer as a page shows them: by number, with the words for their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from complaint_llm.report.marked_text import Span

PROMPT = "prompt"
"""The source of quotes of the item's own text."""

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
KIND_WORDS: Mapping[str, str] = {
    "text layer": "",
    "text layer of a scan": "in the text layer of a scan: made by a machine, look at the page",
    "extracted": "",
    "none": "no text",
}
"""Kinds of a source, in the words that stand beside a quote of it; none for text that its writer typed."""


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
    source: str | None = None
    """``prompt``, or the CID of a document."""
    source_kind: str | None = None
    page: int | None = None
    document: str = ""
    """The name of the document, of a quote of one."""

    @property
    def stands(self) -> bool:
        """Whether the words stand in the text, weak ones included."""
        return self.state in ("verbatim", "normalised")

    @property
    def place(self) -> str:
        """Where it stands: "lease.pdf, page 3"; nothing for the item's own text."""
        if not self.stands or not self.document:
            return ""
        return self.document if self.page is None else f"{self.document}, page {self.page}"

    @property
    def words(self) -> str:
        """What its mark means."""
        parts = [WORDS.get(self.state, self.state)]
        if self.elided:
            parts.append("with words left out")
        if self.stands and self.weak:
            parts.append(WEAK_WORDS.get(self.weak, self.weak))
        if self.stands and (kind := KIND_WORDS.get(self.source_kind or "", "")):
            parts.append(kind)
        return "; ".join(parts)

    @property
    def span(self) -> Span | None:
        """What of the text is to be marked."""
        if not self.stands or self.start is None or self.end is None:
            return None
        return Span(self.number, self.start, self.end, self.weak is not None)


def page_quotes(values: Mapping[str, Any]) -> tuple[PageQuote, ...]:
    """The quotes of a line of OUT."""
    names = {str(each.get("cid")): str(each.get("name") or "a document") for each in values.get("shown") or ()}
    found = []
    for number, quote in enumerate(values.get("quotes") or (), 1):
        given = {name: quote.get(name) for name in PageQuote._fields[1:-1]}
        document = names.get(str(quote.get("source")), "")
        found.append(PageQuote(number, **{**given, "elided": bool(given["elided"])}, document=document))
    return tuple(found)
