"""Citations of the Messages API in the neutral form. What is odd in one is left out: it must not cost the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from complaint_llm.backends.wire import text_or_empty
from complaint_llm.messages import Citation

IN_DOCUMENTS = frozenset(("char_location", "page_location", "content_block_location"))
"""Kinds whose ``document_index`` counts the documents of the request; pages count from 1."""


def citation_of(given: Any, documents: Sequence[str | None]) -> Citation | None:
    """A location as a citation; ``documents`` are the CIDs of those that were sent. None for what is no citation."""
    if not isinstance(given, Mapping):
        return None
    kind = given.get("type")
    cited = Citation(cited_text=text_or_empty(given.get("cited_text")) or None)
    if kind in IN_DOCUMENTS:
        return cited._replace(
            source=_at(documents, given.get("document_index")),
            title=text_or_empty(given.get("document_title")) or None,
            page=_page(given.get("start_page_number")),
        )
    title = text_or_empty(given.get("title")) or None
    if kind == "web_search_result_location":
        return cited._replace(url=text_or_empty(given.get("url")) or None, title=title)
    if kind == "search_result_location":
        source = text_or_empty(given.get("source"))
        is_url = source.startswith(("http://", "https://"))
        return cited._replace(url=source if is_url else None, title=title or source or None)
    return None


def _at(documents: Sequence[str | None], index: Any) -> str | None:
    return documents[index] if type(index) is int and 0 <= index < len(documents) else None


def _page(given: Any) -> int | None:
    return given if type(given) is int and given > 0 else None
