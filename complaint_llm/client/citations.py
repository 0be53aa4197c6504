"""Looks up what a provider cites of the documents that it was shown: it is not believed, as no quote is."""

from __future__ import annotations

from collections.abc import Sequence

from complaint_llm.checks.quote_search import SearchableText, find_quote
from complaint_llm.messages import Citation, Shown


def look_up_citations(
    citations: Sequence[Citation], texts: Sequence[SearchableText], shown: Sequence[Shown] = ()
) -> tuple[Citation, ...]:
    """The citations, those of a shown document with ``state`` and ``page``: where its words stand in that document.

    Of words that stand there more than once, or not at all, the page is the provider's, if it says one. ``shown`` tells
    of pages that have no text: what was not found may stand there.
    """
    by_source = {text.source: text for text in texts}
    partly = {each.cid for each in shown if each.image_pages}
    return tuple(_lookup(each, by_source.get(each.source or ""), each.source not in partly) for each in citations)


def _lookup(citation: Citation, text: SearchableText | None, searchable: bool) -> Citation:
    if citation.source is None or not citation.cited_text:
        return citation
    if text is None:
        return citation._replace(state="not_searchable")
    found = find_quote(citation.cited_text, (text,), searchable=searchable)
    page = citation.page if found.places > 1 and citation.page is not None else found.page or citation.page
    return citation._replace(state=found.state, page=page)
