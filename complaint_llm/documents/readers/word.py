"""Word files (.docx, .docm): their text as a person reads it, and what they hold besides."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO
from xml.etree.ElementTree import Element

from complaint_llm.documents.pages import Limits, Page, PageImage, ReadDocument
from complaint_llm.documents.readers import html
from complaint_llm.documents.readers.choice import Room, chosen_pages, refuse_choice
from complaint_llm.documents.readers.package import Package
from complaint_llm.documents.readers.pictures import page_image
from complaint_llm.documents.readers.unreadable import UnreadableError
from complaint_llm.documents.readers.word_numbering import Numbering, formatted_number
from complaint_llm.documents.readers.word_story import Story, WordFindings
from complaint_llm.documents.readers.word_styles import Styles, is_on

if TYPE_CHECKING:
    from complaint_llm.documents.page_choice import Pages

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
VERSION = "1"


def read(file: BinaryIO, limits: Limits, pages: Pages | None = None) -> ReadDocument:
    """The text of a Word file as one page, or its pictures as pages if there is nothing else in it.

    Numbers of lists are worked out, fields are their results, tables come row by row with tabs, notes as ``[1]`` and
    below, headers and footers once. Raises UnreadableError.
    """
    package = Package(file, limits, save_as=".docx")
    document = _Document(package, limits)
    text = document.text()
    notes = list(document.notes())
    if not text and document.findings.pictures:
        found = [Page(number, "", "none", image=image) for number, image in enumerate(document.images(notes), 1)]
        if found:
            hidden = tuple(document.findings.hidden)
            found[0] = found[0]._replace(hidden=hidden)
            return _document(chosen_pages(found, pages), len(found), notes)
    elif document.findings.pictures:
        count = len(document.findings.pictures)
        notes.append("1 picture in it was not read" if count == 1 else f"{count} pictures in it were not read")
    refuse_choice(pages, "a Word file")
    page = Page(1, text, "extracted" if text else "none", hidden=tuple(document.findings.hidden))
    return _document((page,), 1, notes)


def _document(pages: tuple[Page, ...], count: int, notes: Iterable[str]) -> ReadDocument:
    return ReadDocument(
        pages=pages,
        media_type=MEDIA_TYPE,
        reader="word",
        version=VERSION,
        page_count=count,
        has_pages=False,
        notes=tuple(notes),
    )


class _Document:
    """The parts of a Word file."""

    def __init__(self, package: Package, limits: Limits) -> None:
        self.findings = WordFindings()
        self._package = package
        self._limits = limits
        self._room = Room(limits)
        self._main = package.related_part("", "officeDocument") or "word/document.xml"
        if not package.has(self._main):
            raise UnreadableError("is no Word file: it has no text part")
        media_type = package.content_types.get(self._main.lower(), MEDIA_TYPE)
        if "wordprocessingml" not in media_type and "ms-word" not in media_type:
            raise UnreadableError("is no Word file, but another one of Office")
        self._relations = package.relations(self._main)
        self._by_kind = {each.kind: each.target for each in reversed(self._relations.values())}
        self._chunk_notes: list[str] = []
        self._styles = Styles(self._part("styles"))
        self._numbering = Numbering(list(self._part("numbering")), self._styles.numbering_of)

    def _part(self, kind: str) -> Iterable[Element]:
        return self._package.children(self._by_kind[kind]) if kind in self._by_kind else ()

    def _story(self, blocks: Iterable[Element], findings: WordFindings | None = None) -> list[str]:
        story = Story(
            styles=self._styles,
            numbering=self._numbering,
            findings=self.findings if findings is None else findings,
            room=self._room,
            chunk=self._chunk,
        )
        return story.add_all(blocks).lines

    def text(self) -> str:
        """Headers, the body, notes, footers."""
        body = self._story(self._package.children(self._main, depth=2))
        headers, footers = self._margins()
        notes = [*self._references("footnotes"), *self._references("endnotes")]
        parts = ["\n".join(lines).strip("\n") for lines in (headers, body, notes, footers)]
        return _without_gaps("\n\n".join(part for part in parts if part.strip()))

    def _margins(self) -> tuple[list[str], list[str]]:
        """The lines of all headers and of all footers that are shown, each once."""
        even = any(
            each.tag == "w:evenAndOddHeaders" and is_on(each.get("w:val", "1")) for each in self._part("settings")
        )
        found: dict[str, list[str]] = {"w:headerReference": [], "w:footerReference": []}
        seen: set[str] = set()
        for section in self.findings.sections:
            title = section.find("w:titlePg")
            shown = {"default", *(["even"] if even else [])}
            if title is not None and is_on(title.get("w:val", "1")):
                shown.add("first")
            for reference in section:
                relation = self._relations.get(reference.get("r:id", ""))
                if reference.tag not in found or relation is None or relation.target in seen:
                    continue
                seen.add(relation.target)
                lines = self._story(self._package.children(relation.target))
                text = "\n".join(line for line in lines if line.strip())
                if not text or text in seen:
                    continue
                seen.add(text)
                if reference.get("w:type", "default") in shown:
                    found[reference.tag].append(text)
                else:
                    self.findings.hidden.append(("header or footer that is not shown", text))
        return found["w:headerReference"], found["w:footerReference"]

    def _references(self, kind: str) -> list[str]:
        """Footnotes or endnotes, in the order in which the text refers to them."""
        ids = self.findings.footnotes if kind == "footnotes" else self.findings.endnotes
        if not ids:
            return []
        stories = {
            each.get("w:id", ""): "\n".join(self._story(each)).strip()
            for each in self._part(kind)
            if each.get("w:type", "normal") == "normal"
        }
        form = "lowerRoman" if kind == "endnotes" else "decimal"
        return [f"[{formatted_number(at, form)}] {stories.get(each, '')}" for at, each in enumerate(ids, 1)]

    def _chunk(self, relation_id: str) -> list[str]:
        """The lines of a file that was put into the document as a whole."""
        relation = self._relations.get(relation_id)
        kind = "" if relation is None else self._content_type(relation.target)
        if (
            relation is not None
            and self._package.has(relation.target)
            and kind in ("text/html", "application/xhtml+xml")
        ):
            data = self._package.data(relation.target, self._limits.file_bytes)
            page = html.read(io.BytesIO(data), self._limits).pages[0]
            self.findings.hidden += page.hidden
            return page.text.split("\n")
        self._chunk_notes.append("a document that is put into it was not read")
        return []

    def _content_type(self, part: str) -> str:
        types = self._package.content_types
        ending = "." + part.rpartition(".")[2].lower()
        return types.get(part.lower(), types.get(ending, "")).partition(";")[0].strip().lower()

    def notes(self) -> Iterable[str]:
        """What is in the file besides its text."""
        for kind, author, text in self.findings.changes:
            by = f" by {author}" if author else ""
            yield f"tracked change: {kind}{by}: {text}" + (" (in the text)" if kind == "inserted" else "")
        for each in self._part("comments"):
            author = each.get("w:author", "")
            text = " ".join(line for line in self._story(each, WordFindings()) if line.strip())
            yield f"comment by {author}: {text}" if author else f"comment: {text}"
        if self.findings.charts:
            yield f"charts and diagrams in it were not read: {self.findings.charts}"
        if self.findings.objects:
            yield f"embedded files in it were not read: {self.findings.objects}"
        yield from self._chunk_notes

    def images(self, notes: list[str]) -> Iterable[PageImage]:
        """The pictures that can be shown to a model; the others are noted."""
        found: dict[str, PageImage | None] = {}
        for each in self.findings.pictures:
            relation = self._relations.get(each)
            if relation is None or not self._package.has(relation.target):
                notes.append("a picture lies outside of the file and was not read")
                continue
            if relation.target not in found:
                data = self._package.data(relation.target, self._limits.image_bytes)
                found[relation.target] = page_image(data)
            image = found[relation.target]
            if image is None:
                notes.append("a picture of another kind than PNG and JPEG was not read")
                continue
            self._room.take_image(len(image.data))
            yield image


def _without_gaps(text: str) -> str:
    """At most one empty line in a row, no blanks at the ends of lines."""
    lines: list[str] = []
    for line in text.split("\n"):
        line = line.rstrip(" \t")
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")
