"""XML from outside, a piece at a time: no document type, no entity, no depth without end, no tree of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from complaint_llm.documents.readers.unreadable import UnreadableError

MOST_DEPTH = 256
"""Word and Excel themselves write below 60."""
MOST_ELEMENTS = 500_000
"""Of one element that is handed out, a row or a table."""

_MAIN = "http://schemas.openxmlformats.org"
_STRICT = "http://purl.oclc.org/ooxml"
_PREFIXES: Mapping[str, str] = {
    f"{_MAIN}/wordprocessingml/2006/main": "w:",
    f"{_STRICT}/wordprocessingml/main": "w:",
    f"{_MAIN}/spreadsheetml/2006/main": "x:",
    f"{_STRICT}/spreadsheetml/main": "x:",
    f"{_MAIN}/officeDocument/2006/relationships": "r:",
    f"{_STRICT}/officeDocument/relationships": "r:",
    f"{_MAIN}/package/2006/relationships": "rel:",
    f"{_MAIN}/drawingml/2006/main": "a:",
    f"{_STRICT}/drawingml/main": "a:",
    f"{_MAIN}/drawingml/2006/wordprocessingDrawing": "wp:",
    f"{_STRICT}/drawingml/wordprocessingDrawing": "wp:",
    f"{_MAIN}/drawingml/2006/spreadsheetDrawing": "xdr:",
    f"{_STRICT}/drawingml/spreadsheetDrawing": "xdr:",
    f"{_MAIN}/drawingml/2006/chart": "c:",
    f"{_STRICT}/drawingml/chart": "c:",
    f"{_MAIN}/drawingml/2006/diagram": "dgm:",
    f"{_STRICT}/drawingml/diagram": "dgm:",
    f"{_MAIN}/officeDocument/2006/math": "m:",
    f"{_STRICT}/officeDocument/math": "m:",
    f"{_MAIN}/markup-compatibility/2006": "mc:",
    "http://schemas.microsoft.com/office/word/2010/wordml": "w14:",
    "http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments": "tc:",
    "urn:schemas-microsoft-com:vml": "v:",
    "http://www.w3.org/XML/1998/namespace": "xml:",
}
"""Namespaces of ECMA-376, transitional and strict, by the prefixes that everybody writes them with."""


class _ShortNames(dict[str, str]):
    """``uri}name`` as expat gives it -> ``w:name``; a namespace that is not known stays as it is."""

    def __missing__(self, name: str) -> str:
        namespace, _, local = name.rpartition("}")
        short = _PREFIXES[namespace] + local if namespace in _PREFIXES else name
        if len(self) < 10_000:
            self[name] = short
        return short


class _Outline:
    """Builds the elements at one depth, each when it ends, and forgets them."""

    def __init__(self, depth: int, tags: frozenset[str] | None) -> None:
        self.complete: list[Element] = []
        self._names = _ShortNames()
        self._wanted_depth = depth
        self._tags = tags
        self._depth = 0
        self._elements = 0
        self._builder: TreeBuilder | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        names = self._names
        tag = names[name]
        if self._builder is None and self._depth == self._wanted_depth and (self._tags is None or tag in self._tags):
            self._builder = TreeBuilder()
            self._elements = 0
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise UnreadableError(f"is nested more than {MOST_DEPTH} deep: it is damaged or made to do harm")
        if self._builder is not None:
            self._elements += 1
            if self._elements > MOST_ELEMENTS:
                raise UnreadableError(f"has a table or row with more than {MOST_ELEMENTS:,} parts: split it")
            self._builder.start(tag, {names[key]: value for key, value in attributes.items()} if attributes else {})

    def end(self, name: str) -> None:
        self._depth -= 1
        if self._builder is not None:
            self._builder.end(self._names[name])
            if self._depth == self._wanted_depth:
                self.complete.append(self._builder.close())
                self._builder = None

    def data(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)


def elements(pieces: Iterable[bytes], depth: int, tags: frozenset[str] | None = None) -> Iterator[Element]:
    """The elements that stand ``depth`` deep (0 is the root), each whole, in order; only ``tags`` where given.

    Names are ``w:p``, ``x:row`` and so on, those without a namespace bare. Raises UnreadableError for what is no XML,
    has a document type (and so entities), or is nested too deep.
    """
    outline = _Outline(depth, tags)
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = outline.start
    parser.EndElementHandler = outline.end
    parser.CharacterDataHandler = outline.data
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            yield from outline.complete
            outline.complete.clear()
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as cause:  # the last two: an encoding that nobody knows
        raise UnreadableError("is damaged: a part of it is no XML; open it and save it anew") from cause
    yield from outline.complete


def descendant(element: Element | None, *tags: str) -> Element | None:
    """The first child of the first child of these tags, from the outside inwards; None if there is none."""
    for tag in tags:
        element = None if element is None else element.find(tag)
    return element


def _refuse_document_type(*_of_it: object) -> None:
    raise UnreadableError("has a document type in its XML, which no office program writes: it may be made to do harm")
