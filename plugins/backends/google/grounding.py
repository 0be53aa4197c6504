"""Grounding and citations of the Gemini API in the neutral form. What is odd in one is left out.

Source: GroundingMetadata and CitationMetadata of the google-genai SDK 3.6. Indices count the bytes of a part's text in
UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from complaint_llm.backends.wire import text_or_empty
from complaint_llm.messages import Citation

Part = Mapping[str, Any]


def grounding_citations(metadata: Any, parts: Sequence[Part]) -> Iterator[Citation]:
    """What each piece of the answer rests on; where none is named, what was found for all of it."""
    if not isinstance(metadata, Mapping):
        return
    chunks = [_source(chunk) for chunk in _list(metadata, "groundingChunks")]
    has_supports = False
    for support in _list(metadata, "groundingSupports"):
        segment = support.get("segment") if isinstance(support, Mapping) else None
        start, end = _span(segment, parts) if isinstance(segment, Mapping) else (None, None)
        for index in _list(support, "groundingChunkIndices") if isinstance(support, Mapping) else ():
            source = chunks[index] if type(index) is int and 0 <= index < len(chunks) else None
            if source is not None:
                has_supports = True
                yield source._replace(start=start, end=end)
    if not has_supports:
        yield from (chunk for chunk in chunks if chunk is not None)


def recitation_citations(metadata: Any, parts: Sequence[Part]) -> Iterator[Citation]:
    """Sources that the answer repeats at length (``citations`` of the SDK, ``citationSources`` of REST)."""
    if not isinstance(metadata, Mapping):
        return
    for given in (*_list(metadata, "citations"), *_list(metadata, "citationSources")):
        if isinstance(given, Mapping) and (given.get("uri") or given.get("title")):
            text = "".join(_answer_text(part) for part in parts)
            start, end = _slice(text, given)
            yield Citation(url=_text(given, "uri"), title=_text(given, "title"), start=start, end=end)


def _source(chunk: Any) -> Citation | None:
    for kind in ("web", "retrievedContext", "maps", "image"):
        found = chunk.get(kind) if isinstance(chunk, Mapping) else None
        if isinstance(found, Mapping):
            url = _text(found, "uri") or _text(found, "sourceUri")
            return Citation(cited_text=_text(found, "text"), url=url, title=_text(found, "title"))
    return None


def _span(segment: Mapping[str, Any], parts: Sequence[Part]) -> tuple[int | None, int | None]:
    """The piece of the answer's text that a segment is: by its bytes, where its own text is not another one."""
    place = segment.get("partIndex") or 0
    if type(place) is not int or not 0 <= place < len(parts):
        return None, None
    text, wanted = _answer_text(parts[place]), text_or_empty(segment.get("text"))
    start, end = _slice(text, segment)
    if wanted and (start is None or text[start:end] != wanted):
        start = text.find(wanted)
        start, end = (start, start + len(wanted)) if start >= 0 else (None, None)
    if start is None or end is None:
        return None, None
    before = list(accumulate((len(_answer_text(part)) for part in parts), initial=0))[place]
    return before + start, before + end


def _slice(text: str, given: Mapping[str, Any]) -> tuple[int | None, int | None]:
    data = text.encode("utf-8", "surrogatepass")
    start, end = given.get("startIndex") or 0, given.get("endIndex")
    if type(start) is not int or type(end) is not int or not 0 <= start <= end <= len(data):
        return None, None
    return len(data[:start].decode("utf-8", "ignore")), len(data[:end].decode("utf-8", "ignore"))


def _answer_text(part: Part) -> str:
    """The text of a part as far as it is the answer's."""
    return "" if part.get("thought") else text_or_empty(part.get("text"))


def _list(given: Mapping[str, Any], key: str) -> list[Any]:
    value = given.get(key)
    return value if isinstance(value, list) else []


def _text(given: Mapping[str, Any], key: str) -> str | None:
    return text_or_empty(given.get(key)) or None
