"""Annotations of OpenAI's wires, and what services beside it give in their own fields, as neutral citations.

What is odd in one is left out: it stands beside the answer and must not cost it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from complaint_llm.backends.wire import document_name, text_or_empty
from complaint_llm.messages import Citation, Document

_KINDS = frozenset(("url_citation", "file_citation", "container_file_citation"))


def annotation_citations(given: Any, documents: Sequence[Document], offset: int = 0) -> Iterator[Citation]:
    """The citations among the annotations of a text that stands at ``offset`` of the answer's text.

    ``documents`` are those that were sent: a file that is cited by the name of one of them is that one.
    """
    for annotation in given if isinstance(given, list) else ():
        kind = annotation.get("type") if isinstance(annotation, Mapping) else None
        if kind not in _KINDS:
            continue
        inner = annotation.get(kind)
        fields: Mapping[str, Any] = inner if isinstance(inner, Mapping) else annotation
        start, end = _index(fields, "start_index"), _index(fields, "end_index")
        if start is None and end is None:
            start = end = _index(fields, "index")  # the place after which a file is cited
        has_span = start is not None and end is not None and start <= end
        file = text_or_empty(fields.get("filename"))
        yield Citation(
            cited_text=text_or_empty(fields.get("content")) or None,
            source=_cid_of_name(file, documents),
            url=_text(fields, "url"),
            title=_text(fields, "title") or file or None,
            start=start + offset if has_span and start is not None else None,
            end=end + offset if has_span and end is not None else None,
        )


def listed_sources(body: Mapping[str, Any]) -> Iterator[Citation]:
    """What a service lists beside its answer as its sources: ``search_results`` or ``citations`` (URLs; Perplexity,
    xAI)."""
    results = body.get("search_results")
    if isinstance(results, list) and results:
        yield from search_results(results)
        return
    urls = body.get("citations")
    for url in urls if isinstance(urls, list) else ():
        if isinstance(url, str) and url:
            yield Citation(url=url)
        elif isinstance(url, Mapping) and _text(url, "url"):
            yield Citation(url=_text(url, "url"), title=_text(url, "title"))


def search_results(given: Any) -> Iterator[Citation]:
    """The results of a search: ``{"url", "title", "snippet"}`` each."""
    for result in given if isinstance(given, list) else ():
        if isinstance(result, Mapping) and (_text(result, "url") or _text(result, "title")):
            snippet = _text(result, "snippet")
            yield Citation(cited_text=snippet, url=_text(result, "url"), title=_text(result, "title"))


def _cid_of_name(file: str, documents: Sequence[Document]) -> str | None:
    """The CID of the only document that was sent under this name."""
    found = {document.cid for document in documents if file and document_name(document) == file}
    return found.pop() if len(found) == 1 else None


def _text(given: Mapping[str, Any], key: str) -> str | None:
    return text_or_empty(given.get(key)) or None


def _index(given: Mapping[str, Any], key: str) -> int | None:
    value = given.get(key)
    return value if type(value) is int and value >= 0 else None
