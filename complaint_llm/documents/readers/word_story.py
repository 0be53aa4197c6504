"""The text of one story of a Word file (its body, a header, a footnote), as a person reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from complaint_llm.documents.readers.choice import Room
from complaint_llm.documents.readers.word_numbering import Numbering, formatted_number
from complaint_llm.documents.readers.word_styles import Styles, is_on, is_shaded
from complaint_llm.documents.readers.xml_elements import descendant

_LONG_CELL = 3
"""Lines; a row with a longer cell is no row of a table to a reader but columns of text, told one after the other."""
_DELETED = frozenset(("w:del", "w:moveFrom"))
_INSERTED = frozenset(("w:ins", "w:moveTo"))
_SKIPPED = frozenset(
    ("w:rPr", "w:pPr", "w:sdtPr", "w:sdtEndPr", "w:instrText", "w:delInstrText", "w:annotationRef", "w:rt", "w:fldData")
)
_CHARACTERS = {"w:tab": "\t", "w:ptab": "\t", "w:cr": "\n", "w:noBreakHyphen": "\u2011", "w:softHyphen": "\xad"}
_SYMBOLS = {
    **dict.fromkeys((0x6F, 0x71, 0x72, 0xA8), "\u2610"),
    **dict.fromkeys((0x78, 0xFD, 0xFE, 0x53, 0x54), "\u2612"),
    **dict.fromkeys((0x52, 0xFC), "\u2611"),
    **dict.fromkeys((0xB7, 0x6C, 0x6E, 0xA7), "\u2022"),
    0xE0: "\u2192",
}
"""Characters of Wingdings that letters and forms use: boxes, ticks, dots."""


@dataclass
class WordFindings:
    """What all stories of a file add to, besides their text."""

    hidden: list[tuple[str, str]] = field(default_factory=list)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    """``("deleted", author, text)`` and ``("inserted", ...)``, as tracked."""
    pictures: list[str] = field(default_factory=list)
    """Relation ids in their order; "" for one that lies outside of the file."""
    charts: int = 0
    objects: int = 0
    footnotes: list[str] = field(default_factory=list)
    endnotes: list[str] = field(default_factory=list)
    chunks: list[str] = field(default_factory=list)
    sections: list[Element] = field(default_factory=list)


@dataclass
class _Paragraph:
    style: str
    on_colour: bool
    runs: list[tuple[str, str | None]] = field(default_factory=list)
    boxes: list[tuple[Element, str | None]] = field(default_factory=list)
    """Contents of text boxes that are anchored here, and why nobody sees them."""


class Story:
    """Takes blocks in their order; ``lines`` is what they say."""

    def __init__(
        self,
        *,
        styles: Styles,
        numbering: Numbering,
        findings: WordFindings,
        room: Room,
        chunk: Callable[[str], list[str]] | None = None,
    ) -> None:
        self.lines: list[str] = []
        self._styles = styles
        self._numbering = numbering
        self._findings = findings
        self._room = room
        self._chunk = chunk
        self._fields: list[str] = []
        self._runs_on = False
        self._reason: str | None = None

    def add(self, block: Element, *, on_colour: bool = False) -> None:
        """A paragraph, a table, or what holds some."""
        tag = block.tag
        if tag == "w:p":
            self._add_paragraph(block, on_colour)
        elif tag == "w:tbl":
            self._add_table(block, on_colour)
        elif tag == "w:sectPr":
            self._findings.sections.append(block)
        elif tag == "w:altChunk" and self._chunk is not None:
            self.lines += self._chunk(block.get("r:id", ""))
        elif tag in _DELETED:
            self._note_deleted(block, text_of_deleted(block))
        elif tag not in _SKIPPED:
            for child in _shown_children(block):
                self.add(child, on_colour=on_colour)

    def add_all(self, blocks: Iterable[Element]) -> Story:
        """Adds each, and returns itself."""
        for block in blocks:
            self.add(block)
        return self

    # paragraphs

    def _add_paragraph(self, element: Element, on_colour: bool) -> None:
        properties = element.find("w:pPr")
        style = _value(properties, "w:pStyle")
        paragraph = _Paragraph(style, on_colour or is_shaded(properties))
        for child in element:
            self._add_inline(child, paragraph)
        visible = "".join(text for text, why in paragraph.runs if why is None)
        mark_deleted = descendant(properties, "w:rPr", "w:del") is not None
        self._add_hidden(paragraph.runs)
        if properties is not None and (section := properties.find("w:sectPr")) is not None:
            self._findings.sections.append(section)
        unseen = not visible.strip() and (mark_deleted or any(text.strip() for text, _ in paragraph.runs))
        if not unseen:
            line = visible if self._runs_on else self._number_of(properties, style) + visible
            self._room.take_text(len(line) + 1)
            first, *more = line.split("\n")
            if self._runs_on and self.lines:
                self.lines[-1] += first
            else:
                self.lines.append(first)
            self.lines += more
            self._runs_on = mark_deleted
        for box, why in paragraph.boxes:
            self._add_box(box, why)

    def _number_of(self, properties: Element | None, style: str) -> str:
        own = None if properties is None else properties.find("w:numPr")
        of_style = self._styles.numbering_of(style) if style else None
        number_id, level = of_style or ("", 0)
        if of_style is not None and (found := self._numbering.level_of_style(number_id, style)) is not None:
            level = found
        if own is not None:
            number_id = _value(own, "w:numId") or number_id
            own_level = _value(own, "w:ilvl")
            level = int(own_level) if own_level.isdecimal() and len(own_level) < 3 else level
        return self._numbering.next(number_id, level) if number_id not in ("", "0") else ""

    def _add_hidden(self, runs: list[tuple[str, str | None]]) -> None:
        last: str | None = None
        for text, why in runs:
            if why is not None and text.strip():
                hidden = self._findings.hidden
                if last == why:
                    hidden[-1] = (why, hidden[-1][1] + text)
                else:
                    hidden.append((why, text))
                self._room.take_text(len(text))
                last = why
            elif text:
                last = None

    def _add_inline(self, element: Element, paragraph: _Paragraph) -> None:
        tag = element.tag
        if tag == "w:r":
            self._add_run(element, paragraph)
        elif tag in _DELETED:
            self._note_deleted(element, text_of_deleted(element))
        elif tag in _INSERTED:
            before = len(paragraph.runs)
            for child in element:
                self._add_inline(child, paragraph)
            text = "".join(text for text, why in paragraph.runs[before:] if why is None)
            if text.strip():
                self._findings.changes.append(("inserted", element.get("w:author", ""), text.strip()))
        elif tag in ("m:t", "w:t"):
            paragraph.runs.append((element.text or "", self._reason))
        elif tag not in _SKIPPED:
            for child in _shown_children(element):
                self._add_inline(child, paragraph)

    def _note_deleted(self, element: Element, text: str) -> None:
        if text.strip():
            self._room.take_text(len(text))
            self._findings.changes.append(("deleted", element.get("w:author", ""), text.strip()))

    def _add_run(self, run_element: Element, paragraph: _Paragraph) -> None:
        properties = run_element.find("w:rPr")
        why = self._reason or self._styles.why_hidden(properties, paragraph.style, on_colour=paragraph.on_colour)
        pieces: list[str] = []
        for child in _run_children(run_element):
            tag = child.tag
            if tag == "w:fldChar":
                self._follow_field(child, pieces)
            elif "code" in self._fields:
                continue
            elif tag == "w:t":
                pieces.append(child.text or "")
            elif tag in _CHARACTERS:
                pieces.append(_CHARACTERS[tag])
            elif tag == "w:br":
                pieces.append("\n")
            elif tag == "w:sym":
                pieces.append(_symbol(child))
            elif tag in ("w:footnoteReference", "w:endnoteReference"):
                pieces.append(self._note_mark(child))
            elif tag == "w:ruby":
                base = child.find("w:rubyBase")
                pieces += [each.text or "" for each in ([] if base is None else base.iter("w:t"))]
            elif tag in ("w:drawing", "w:pict", "w:object"):
                self._look_into_drawing(child, paragraph, why)
        paragraph.runs.append(("".join(pieces), why))

    def _follow_field(self, mark: Element, pieces: list[str]) -> None:
        kind = mark.get("w:fldCharType")
        if kind == "begin":
            if "code" not in self._fields:
                pieces.append(_form_value(mark.find("w:ffData")))
            self._fields.append("code")
        elif kind == "separate" and self._fields:
            self._fields[-1] = "result"
        elif kind == "end" and self._fields:
            self._fields.pop()

    def _note_mark(self, reference: Element) -> str:
        end = reference.tag == "w:endnoteReference"
        ids = self._findings.endnotes if end else self._findings.footnotes
        ids.append(reference.get("w:id", ""))
        if is_on(reference.get("w:customMarkFollows", "0")):
            return ""
        return f"[{formatted_number(len(ids), 'lowerRoman' if end else 'decimal')}]"

    # drawings and text boxes

    def _look_into_drawing(self, drawing: Element, paragraph: _Paragraph, why: str | None) -> None:
        waiting = [drawing]
        while waiting:
            each = waiting.pop()
            tag = each.tag
            if tag == "w:txbxContent":
                paragraph.boxes.append((each, why))
                continue
            if tag == "wp:docPr" and is_on(each.get("hidden", "0")):
                why = "hidden shape"
            if tag == "a:blip" and not each.get("r:embed") and not each.get("r:link"):
                continue
            if tag in ("a:blip", "v:imagedata"):
                self._findings.pictures.append(each.get("r:embed") or each.get("r:id") or "")
            elif tag in ("c:chart", "dgm:relIds"):
                self._findings.charts += 1
            elif tag.endswith("}OLEObject"):
                self._findings.objects += 1
            waiting += reversed(list(_shown_children(each)))

    def _add_box(self, box: Element, why: str | None) -> None:
        before_fields, self._fields = self._fields, []
        before_reason, self._reason = self._reason, self._reason or why
        runs_on, self._runs_on = self._runs_on, False
        for child in box:
            self.add(child, on_colour=True)
        self._fields, self._reason, self._runs_on = before_fields, before_reason, runs_on

    # tables

    def _add_table(self, table: Element, on_colour: bool) -> None:
        properties = table.find("w:tblPr")
        style = _value(properties, "w:tblStyle")
        on_colour = on_colour or is_shaded(properties) or (style != "" and self._styles.shades(style))
        for row in _inside(table, "w:tr"):
            row_properties = row.find("w:trPr")
            if row_properties is not None and row_properties.find("w:del") is not None:
                self._note_deleted(row_properties[0], text_of_deleted(row))
                continue
            reason = self._reason
            if row_properties is not None and _is_set(row_properties, "w:hidden"):
                self._reason = reason or "hidden row of a table"
            self.lines += self._row_lines([self._cell_lines(cell, on_colour) for cell in _inside(row, "w:tc")])
            self._reason = reason

    def _cell_lines(self, cell: Element, on_colour: bool) -> list[str]:
        properties = cell.find("w:tcPr")
        reason = self._reason
        for merge in ("w:vMerge", "w:hMerge"):
            found = None if properties is None else properties.find(merge)
            if found is not None and found.get("w:val", "continue") == "continue":
                self._reason = reason or "under a merged cell"
        outside, self.lines = self.lines, []
        runs_on, self._runs_on = self._runs_on, False
        for child in cell:
            if child.tag != "w:tcPr":
                self.add(child, on_colour=on_colour or is_shaded(properties))
        found_lines, self.lines = self.lines, outside
        self._runs_on = runs_on
        self._reason = reason
        return [line for line in found_lines if line.strip()]

    def _row_lines(self, cells: list[list[str]]) -> list[str]:
        filled = [cell for cell in cells if cell]
        if len(filled) < 2 and (not filled or len(filled[0]) > 1):
            return filled[0] if filled else []
        if any(len(cell) > _LONG_CELL for cell in filled):
            return [line for cell in filled for line in cell]
        return ["\t".join(" ".join(cell) for cell in cells).rstrip("\t")]


def text_of_deleted(element: Element) -> str:
    """The text that a tracked deletion took out."""
    pieces = []
    for each in element.iter():
        if each.tag in ("w:delText", "w:t"):
            pieces.append(each.text or "")
        elif each.tag == "w:p" and pieces:
            pieces.append("\n")
    return "".join(pieces)


def _shown_children(element: Element) -> Iterator[Element]:
    """Its children; of alternatives the first, as Word 2010 and later take it."""
    if element.tag != "mc:AlternateContent":
        yield from element
        return
    choice = element.find("mc:Choice")
    yield from element.findall("mc:Fallback") if choice is None else (choice,)


def _run_children(run_element: Element) -> Iterator[Element]:
    for child in run_element:
        if child.tag in ("mc:AlternateContent", "mc:Choice", "mc:Fallback"):
            for inside in _shown_children(child):
                yield from _run_children(inside)
        else:
            yield child


def _inside(element: Element, tag: str) -> Iterator[Element]:
    """Rows of a table or cells of a row, also those in content controls and tracked changes around them."""
    for child in _shown_children(element):
        if child.tag == tag:
            yield child
        elif child.tag in ("w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo", "mc:Choice", "mc:Fallback"):
            yield from _inside(child, tag)


def _value(properties: Element | None, tag: str) -> str:
    found = None if properties is None else properties.find(tag)
    return "" if found is None else found.get("w:val", "")


def _is_set(properties: Element, tag: str) -> bool:
    found = properties.find(tag)
    return found is not None and is_on(found.get("w:val", "1"))


def _symbol(element: Element) -> str:
    try:
        code = int(element.get("w:char", ""), 16)
    except ValueError:
        return "\ufffd"
    if "wingdings" in element.get("w:font", "").lower() or 0xF000 <= code <= 0xF0FF:
        return _SYMBOLS.get(code & 0xFF, "\ufffd")
    return chr(code) if code < 0xD800 else "\ufffd"


def _form_value(data: Element | None) -> str:
    """What somebody chose in a form field of the old kind that keeps its value beside the text."""
    if data is None:
        return ""
    if (box := data.find("w:checkBox")) is not None:
        state = box.find("w:checked")
        state = box.find("w:default") if state is None else state
        return "\u2612" if state is not None and is_on(state.get("w:val", "1")) else "\u2610"
    if (choice := data.find("w:ddList")) is not None:
        entries = [each.get("w:val", "") for each in choice.findall("w:listEntry")]
        index = _value(choice, "w:result") or _value(choice, "w:default") or "0"
        return entries[int(index)] if index.isdecimal() and int(index) < len(entries) else ""
    return ""
