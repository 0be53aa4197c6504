"""A page of HTML as a browser takes it apart: which elements are open, how they look, what text stands in them.

No tree is built and nothing recurses: a million open elements are a list of a million.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import NamedTuple

from complaint_llm.documents.readers.choice import Room
from complaint_llm.documents.readers.html_elements import (
    BLOCKS,
    CELLS,
    CLOSES,
    CLOSES_P,
    EDGES,
    FORMATTING,
    NOT_SHOWN,
    PARAGRAPHS,
    SPECIAL,
    VOID,
)
from complaint_llm.documents.readers.html_lines import VisibleLines
from complaint_llm.documents.readers.html_look import Look, declarations, style_of_attributes
from complaint_llm.documents.readers.html_styles import StyledElement, StyleSheet
from complaint_llm.documents.readers.word_numbering import formatted_number

_ITEM_FORMS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_COMMENT_END = re.compile("--!?>")
_MOST_REOPENED = 64


class _OpenElement(NamedTuple):
    tag: str
    look: Look
    attributes: dict[str, str]


class _Items:
    """The count of a list."""

    def __init__(self, attributes: dict[str, str], *, numbered: bool) -> None:
        self.numbered = numbered
        self.form = _ITEM_FORMS.get(attributes.get("type", ""), "decimal")
        self.step = -1 if "reversed" in attributes else 1
        self.next = _integer(attributes.get("start"), 1)


class HtmlPage(HTMLParser):
    """Feed it the text of a page once and close it; ``lines`` is what a browser shows."""

    def __init__(self, page: str, room: Room) -> None:
        super().__init__(convert_charrefs=True)
        self.lines = VisibleLines(room)
        self.title = ""
        self.images = 0
        self._sheet = StyleSheet(page)
        self._open: list[_OpenElement] = []
        self._styled: list[StyledElement] = []
        self._places: dict[str, list[int]] = defaultdict(list)
        self._special: list[int] = []
        self._edges: list[int] = []
        self._skipped: list[int] = []
        self._lists: list[tuple[int, _Items]] = []
        self._rows: list[tuple[int, bool]] = []
        self._options: list[tuple[bool, str, Look]] = []
        self._last_mark: int | None = None
        self.feed(page)
        self._last_mark = None
        self.close()
        if self._options:
            self._end_select()

    # what the tokenizer asks: all of the page is there, so what is not closed goes to its end, as in a browser

    def parse_starttag(self, i: int) -> int:
        """Where the start tag at ``i`` ends."""
        return self._or_end(super().parse_starttag(i) if self._has(">", i) else -1)

    def parse_endtag(self, i: int) -> int:
        """Where the end tag at ``i`` ends."""
        return self._or_end(super().parse_endtag(i) if self._has(">", i) else -1)

    def parse_html_declaration(self, i: int) -> int:
        """Where the comment, document type or marked section at ``i`` ends."""
        page = self.rawdata
        if page.startswith("<!--", i):
            return self.parse_comment(i)
        if page.startswith("<![CDATA[", i) and (self._places["svg"] or self._places["math"]):
            end = self._or_end(page.find("]]>", i))
            self.handle_data(page[i + 9 : end])
            return min(end + 3, len(page))
        return self.parse_pi(i)

    def parse_comment(self, i: int, report: bool = True) -> int:
        """Where the comment at ``i`` ends."""
        if self.rawdata.startswith((">", "->"), i + 4):
            return self.rawdata.index(">", i) + 1
        found = _COMMENT_END.search(self.rawdata, i + 4)
        return len(self.rawdata) if found is None else found.end()

    def parse_pi(self, i: int) -> int:
        """Where the processing instruction at ``i`` ends."""
        return self.rawdata.find(">", i) + 1 or len(self.rawdata)

    def _has(self, mark: str, start: int) -> bool:
        if self._last_mark is None:
            self._last_mark = self.rawdata.rfind(mark)
        return self._last_mark >= start

    def _or_end(self, place: int) -> int:
        return len(self.rawdata) if place < 0 else place

    # what the tokenizer says

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes: dict[str, str] = {}
        for name, value in attrs:
            attributes.setdefault(name, value or "")
        if self._skipped and tag not in VOID:
            self._push(tag, attributes)
            return
        self._end_implied(tag)
        if tag in VOID:
            self._add_void(tag, attributes)
            return
        self._push(tag, attributes)
        self._begin(tag, attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID and (self._places["svg"] or self._places["math"]):
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        places = self._places[tag]
        if tag == "br":
            self.lines.line_end()
            return
        if tag == "p" and not self._is_in_reach("p"):
            self.lines.break_line(2)
            return
        if not places or (tag not in EDGES and not self._is_in_reach(tag)) or tag in ("html", "body"):
            return
        place = places[-1]
        if tag not in SPECIAL and tag not in NOT_SHOWN and self._special and self._special[-1] > place:
            if tag in FORMATTING:
                self._end_formatting(place)
            return
        self._pop_to(place)

    def handle_data(self, data: str) -> None:
        if self._skipped:
            if len(self._title_places()) and len(self.title) < 1_000:
                self.title += data
            return
        look = self._look
        if self._places["option"] and self._options:
            chosen, text, of = self._options[-1]
            self._options[-1] = (chosen, text + data, of)
            return
        self.lines.add(data, why=look.why_hidden, keeps_blanks=look.keeps_blanks)

    # elements

    @property
    def _look(self) -> Look:
        return self._open[-1].look if self._open else Look()

    def _title_places(self) -> Sequence[int]:
        return () if self._places["svg"] else self._places["title"]

    def _push(self, tag: str, attributes: dict[str, str]) -> None:
        element = StyledElement(tag, attributes.get("id", ""), frozenset(attributes.get("class", "").split()))
        place = len(self._open)
        self._open.append(_OpenElement(tag, self._look_of(element, attributes), attributes))
        self._styled.append(element)
        self._places[tag].append(place)
        if tag in SPECIAL:
            self._special.append(place)
        if tag in EDGES:
            self._edges.append(place)
        if tag in NOT_SHOWN:
            self._skipped.append(place)

    def _look_of(self, element: StyledElement, attributes: dict[str, str]) -> Look:
        if self._skipped:
            return self._look
        style = style_of_attributes(element.tag, attributes)
        declared = self._sheet.style_of(element, self._styled)
        own = declarations(attributes["style"]) if "style" in attributes else {}
        declared.update(
            {name: value for name, value in own.items() if value[1] or not declared.get(name, ("", False))[1]}
        )
        style.update({name: value for name, (value, _) in declared.items()})
        if element.tag in ("pre", "listing", "textarea", "xmp"):
            style.setdefault("white-space", "pre")
        if element.tag == "dialog" and "open" not in attributes:
            style.setdefault("display", "none")
        look = self._look.inside(style)
        if element.tag == "noscript" and look.gone is None:
            look = look._replace(gone="shown only without scripts")
        return look

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        lines = self.lines
        if tag in CELLS:
            first = not self._rows or self._rows[-1][1]
            if self._look.gone is None:
                if self._rows:
                    self._rows[-1] = (self._rows[-1][0], False)
                lines.begin_cell(first=first)
        elif tag == "tr":
            self._rows.append((len(self._open) - 1, True))
            lines.begin_row()
        elif tag in BLOCKS:
            lines.break_line(2 if tag in PARAGRAPHS and not self._is_nested_list(tag) else 1)
        if tag in ("ul", "ol", "menu", "dir"):
            self._lists.append((len(self._open) - 1, _Items(attributes, numbered=tag == "ol")))
        elif tag == "li":
            self._begin_item(attributes)
        elif tag == "option":
            self._options.append(("selected" in attributes, "", self._look))
        elif tag == "q":
            lines.add("\u201c", why=self._look.why_hidden, keeps_blanks=False)

    def _is_nested_list(self, tag: str) -> bool:
        return tag in ("ul", "ol", "menu", "dir") and bool(self._lists)

    def _begin_item(self, attributes: dict[str, str]) -> None:
        look = self._look
        if look.gone is not None:
            return
        items = self._lists[-1][1] if self._lists else None
        mark = "\u2022 "
        if items is not None and items.numbered:
            number = _integer(attributes.get("value"), items.next)
            items.next = number + items.step
            mark = f"{formatted_number(number, _ITEM_FORMS.get(attributes.get('type', ''), items.form))}. "
        if look.has_marks and look.why_hidden is None:
            self.lines.mark_item(mark)

    def _add_void(self, tag: str, attributes: dict[str, str]) -> None:
        look = self._look
        if self._skipped:
            return
        if tag == "br":
            if look.gone is None:
                self.lines.line_end()
        elif tag == "hr":
            self.lines.break_line(2)
        elif tag == "img":
            self.images += look.gone is None
        elif tag == "input":
            kind = attributes.get("type", "text").lower()
            own = self._look_of(StyledElement(tag, attributes.get("id", ""), frozenset()), attributes)
            if kind in ("checkbox", "radio"):
                text = "\u2612" if "checked" in attributes else "\u2610"
            else:
                text = (
                    ""
                    if kind in ("hidden", "password", "image", "file", "color", "range")
                    else attributes.get("value", "")
                )
            self.lines.add(text, why=own.why_hidden, keeps_blanks=False)

    def _end_implied(self, tag: str) -> None:
        if tag in CLOSES_P and self._is_in_reach("p"):
            self._pop_to(self._places["p"][-1])
        closes = CLOSES.get(tag)
        if closes is None:
            return
        ended, within = closes
        edge = max((self._places[each][-1] for each in within if self._places[each]), default=-1)
        place = min((at for each in ended for at in self._places[each][-1:] if at > edge), default=None)
        if place is not None:
            self._pop_to(place)

    def _is_in_reach(self, tag: str) -> bool:
        places = self._places[tag]
        edge = self._edges[-1] if self._edges else -1
        return bool(places) and places[-1] > (edge if tag not in ("tr", "tbody", "thead", "tfoot") else -1)

    def _end_formatting(self, place: int) -> None:
        """``<b><p></b>``: the paragraph stays open, and looks as it would without the ``b``."""
        if len(self._open) - place > _MOST_REOPENED:
            return
        again = self._open[place + 1 :]
        rows, lists = self._rows[:], self._lists[:]
        self._drop_to(place)
        for each in again:
            self._push(each.tag, each.attributes)
        self._rows = [(at - (at > place), first) for at, first in rows]
        self._lists = [(at - (at > place), items) for at, items in lists]

    def _pop_to(self, place: int) -> None:
        for at in range(len(self._open) - 1, place - 1, -1):
            if not (self._skipped and self._skipped[0] < at):
                self._end(self._open[at].tag, at)
        self._drop_to(place)

    def _end(self, tag: str, place: int) -> None:
        lines = self.lines
        if self._skipped and self._skipped[-1] == place:
            return
        if tag == "tr":
            lines.end_row()
        elif tag in BLOCKS:
            nested = tag in ("ul", "ol", "menu", "dir") and len(self._lists) > 1
            lines.break_line(2 if tag in PARAGRAPHS and not nested else 1)
        if tag == "li":
            lines.drop_mark()
        elif tag == "q":
            lines.add("\u201d", why=self._open[place].look.why_hidden, keeps_blanks=False)
        elif tag == "select":
            self._end_select()

    def _end_select(self) -> None:
        """Of the options the chosen ones are seen, else the first."""
        chosen = [at for at, (selected, _, _) in enumerate(self._options) if selected] or [0]
        options, self._options = self._options, []
        for at, (_, text, look) in enumerate(options):
            why = look.why_hidden if at in chosen else look.why_hidden or "choice that is not chosen"
            self.lines.add(f" {text} ", why=why, keeps_blanks=False)

    def _drop_to(self, place: int) -> None:
        for each in self._open[place:]:
            self._places[each.tag].pop()
        del self._open[place:], self._styled[place:]
        for places in (self._special, self._edges, self._skipped):
            while places and places[-1] >= place:
                places.pop()
        while self._rows and self._rows[-1][0] >= place:
            self._rows.pop()
        while self._lists and self._lists[-1][0] >= place:
            self._lists.pop()


def _integer(text: str | None, default: int) -> int:
    try:
        return max(-1_000_000, min(int(text or ""), 1_000_000)) if len(text or "") < 20 else default
    except ValueError:
        return default
